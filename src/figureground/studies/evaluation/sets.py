"""Evaluation sets: any data with labels and boxes, as batches of what a model sees."""

__all__ = ["EvaluationBatch", "EvaluationSet", "SourceFacts", "open_evaluation_set"]

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from figureground.base.errors import DataError, ImageError
from figureground.base.seeds import generator
from figureground.base.shapes import Boxes, Images, Labels
from figureground.data import decode_mask
from figureground.models import Classifier, Preprocessing, View
from figureground.studies.evaluation.items import Item, SetOptions, SetProblem, read_items
from figureground.studies.evaluation.labels import LabelReader

_IGNORED = 255


@dataclass(frozen=True, eq=False)
class EvaluationBatch:
    """Pictures as a model sees them, with what is true of them. N may be 0 where all were unreadable.

    Args:
        rows: Positions in the set.
        names: Names of the pictures.
        images: ``(N, C, H, W)`` in [0, 1].
        labels: Class indices of the model; -1 where unknown.
        boxes: For each picture its boxes, xyxy pixels of the view, half-open; none where nothing is marked.
        masks: 1 on the object, 0 elsewhere, 255 where not to be judged, ``(N, H, W)``; None where the set has none.
        views: How each view lies in its picture.
        problems: What went wrong while these pictures were read.
    """

    rows: Int[Tensor, " N"]
    names: tuple[str, ...]
    images: Images
    labels: Labels
    boxes: tuple[Float[Tensor, "_ 4"], ...]
    masks: UInt8[Tensor, "N H W"] | None
    views: tuple[View, ...]
    problems: tuple[SetProblem, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def part(self, keep: Sequence[int]) -> "EvaluationBatch":
        """Some of the pictures.

        Args:
            keep: Positions in the batch.

        Returns:
            A batch of these; the problems stay with the whole.
        """
        at = torch.tensor(list(keep), dtype=torch.int64)
        return EvaluationBatch(
            self.rows[at],
            tuple(self.names[i] for i in keep),
            self.images[at.to(self.images.device)],
            self.labels[at.to(self.labels.device)],
            tuple(self.boxes[i] for i in keep),
            None if self.masks is None else self.masks[at],
            tuple(self.views[i] for i in keep),
        )


@dataclass(frozen=True)
class SourceFacts:
    """What a record says of a source.

    Args:
        source: What was read, in words.
        problems: What was wrong with it.
        notes: What was assumed.
    """

    source: str = ""
    problems: tuple[SetProblem, ...] = ()
    notes: tuple[str, ...] = ()


class EvaluationSet:
    """Pictures with labels and boxes, decoded ahead by threads when iterated, in order.

    Nothing is kept of a batch that was handed out, so memory does not grow with the number of pictures.

    Args:
        items: The pictures.
        labels: Class index of each, -1 where unknown.
        preprocessing: How the model wants its pictures.
        about: What is known of the source.
        workers: Threads that decode.

    Attributes:
        names: Names of the pictures; two entries with one name are two classes of one picture.
        labels: Class index of each picture.
        has_boxes: Which pictures have a box.
        has_masks: Whether any picture has a mask.
        source: What was read, in words.
        problems: What was wrong with the source.
        notes: What was assumed.
    """

    def __init__(
        self,
        items: Sequence[Item],
        labels: Sequence[int],
        preprocessing: Preprocessing,
        *,
        about: SourceFacts | None = None,
        workers: int = 2,
    ) -> None:
        self._items = list(items)
        self._preprocessing = preprocessing
        self._workers = workers
        self.labels = torch.tensor(list(labels), dtype=torch.int64)
        self.names = tuple(item.name for item in items)
        self.has_boxes = torch.tensor([len(item.boxes) > 0 for item in items], dtype=torch.bool)
        self.has_masks = any(item.mask is not None for item in items)
        facts = about or SourceFacts()
        self.source, self.problems, self.notes = facts.source, facts.problems, facts.notes

    def __len__(self) -> int:
        return len(self._items)

    @property
    def view_size(self) -> tuple[int, int]:
        """Height and width of the views, pixels."""
        return self._preprocessing.size

    def batches(self, size: int, rows: Sequence[int] | None = None) -> Iterator[EvaluationBatch]:
        """Batches of ``size`` rows each; a picture that cannot be read is missing from its batch and noted there.

        Args:
            size: Rows at a time.
            rows: Positions in the set; all where None.

        Yields:
            One batch for every ``size`` rows.
        """
        wanted = range(len(self)) if rows is None else rows
        loaded = self._ahead(wanted, ahead=2 * size)
        while part := list(islice(loaded, size)):
            yield self._batch(part)

    def _ahead(self, rows: Sequence[int], *, ahead: int) -> Iterator["_Loaded | SetProblem"]:
        """Decoded pictures in order, some of them made before they are asked for."""
        waiting: deque[Future[_Loaded | SetProblem]] = deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="decode") as pool:
            try:
                for row in rows:
                    waiting.append(pool.submit(self._load, row))
                    if len(waiting) > ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _load(self, row: int) -> "_Loaded | SetProblem":
        """One picture as the model sees it, or why there is none."""
        item = self._items[row]
        try:
            pixels, view = self._preprocessing.view(item.load())
            mask = None if item.mask is None else _mask_view(item.mask, self._preprocessing)
        except ImageError as error:
            return SetProblem("unreadable-file", item.name, f"left out: {error.reason}")
        mapped = view.boxes_from_original(torch.from_numpy(item.boxes).float())
        kept = mapped[(mapped[:, 2] > mapped[:, 0]) & (mapped[:, 3] > mapped[:, 1])]
        return _Loaded(row, pixels, view, kept, len(mapped) - len(kept), mask)

    def _batch(self, part: Sequence["_Loaded | SetProblem"]) -> EvaluationBatch:
        """What was loaded, stacked."""
        good = [one for one in part if isinstance(one, _Loaded)]
        problems = [one for one in part if isinstance(one, SetProblem)]
        problems += [self._lost(one) for one in good if one.lost]
        height, width = self._preprocessing.size
        empty = torch.zeros(0, self._preprocessing.channels, height, width, dtype=torch.uint8)
        pixels = torch.stack([one.pixels for one in good]) if good else empty
        rows = torch.tensor([one.row for one in good], dtype=torch.int64)
        return EvaluationBatch(
            rows,
            tuple(self.names[one.row] for one in good),
            pixels.float().div_(255),
            self.labels[rows],
            tuple(one.boxes for one in good),
            self._masks(good) if self.has_masks else None,
            tuple(one.view for one in good),
            tuple(problems),
        )

    def _lost(self, one: "_Loaded") -> SetProblem:
        """Boxes that the model cannot see."""
        left = "" if len(one.boxes) else "; the picture counts as one without boxes"
        return SetProblem(
            "cropped-away", self.names[one.row], f"{one.lost} boxes lie outside the crop that the model sees{left}"
        )  # fmt: skip

    def _masks(self, good: Sequence["_Loaded"]) -> Tensor:
        """Masks of the batch; where a picture has none, nothing is to be judged."""
        nothing = torch.full(self._preprocessing.size, _IGNORED, dtype=torch.uint8)
        masks = [nothing if one.mask is None else one.mask for one in good]
        return torch.stack(masks) if masks else nothing[None][:0]


@dataclass(frozen=True, eq=False)
class _Loaded:
    """One decoded picture."""

    row: int
    pixels: Tensor
    view: View
    boxes: Boxes
    lost: int
    mask: Tensor | None


def open_evaluation_set(
    data: str | Path, classifier: Classifier | None, options: SetOptions | None = None
) -> EvaluationSet:
    """The evaluation set that a word or path stands for, as this model sees it.

    Pictures whose label the model does not have are left out; they are among ``problems``, as is all that the
    annotations' reader repaired or left out. Pictures without boxes stay in.

    Args:
        data: ``clutter``, an ``.npz`` pack, annotations in any known format, or a folder of pictures.
        classifier: Says how pictures are resized and which classes there are; None for a square stretched view.
        options: What the source leaves open.

    Returns:
        The set.

    Raises:
        DataError: No picture can be used.
    """
    chosen = options or SetOptions()
    items, problems = read_items(str(data), chosen)
    reader = LabelReader.of(classifier, items, chosen.label_offset)
    kept, labels = [], []
    for item in items:
        try:
            labels.append(reader.index(item.label))
        except LookupError as error:
            problems.append(SetProblem("unknown-label", item.name, f"left out: {error}"))
            continue
        kept.append(item)
    if not kept:
        shown = "; ".join(map(str, problems[:3])) or "it is empty"
        raise DataError(f"no picture of {data} can be used: {shown}")
    part = _part(len(kept), chosen)
    return EvaluationSet(
        [kept[row] for row in part],
        [labels[row] for row in part],
        _stretched(chosen.size) if classifier is None else classifier.preprocessing,
        about=SourceFacts(
            f"{data} ({len(part)} of {len(kept)} usable pictures)",
            tuple(problems),
            (reader.note,) if reader.note else (),
        ),
        workers=chosen.workers,
    )


def _part(count: int, options: SetOptions) -> list[int]:
    """All rows, or the random part that was asked for, in order."""
    if options.limit is None or options.limit >= count:
        return list(range(count))
    drawn = torch.randperm(count, generator=generator(options.seed))[: options.limit]
    return sorted(drawn.tolist())


def _stretched(size: int) -> Preprocessing:
    """A square view of the whole picture."""
    return Preprocessing((size, size), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3)


def _mask_view(file: Path, preprocessing: Preprocessing) -> Tensor:
    """The part of a mask that the model sees, 1 or 0."""
    mask = Image.fromarray(decode_mask(file).astype(np.uint8) * 255)
    plain = replace(preprocessing, interpolation="nearest", mean=(0.0,), std=(1.0,), channels=1)
    return (plain.view(mask)[0][0] > 0).to(torch.uint8)
