"""Evaluation sets: any images with labels and boxes, as batches of what a model sees."""

__all__ = ["EvaluationBatch", "EvaluationSet", "LabelReader", "open_images", "without_class"]

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from figureground.base.errors import DataError, ImageError, OptionError
from figureground.base.identity import digest
from figureground.base.shapes import Boxes, Images, Labels
from figureground.data.ahead import ahead
from figureground.data.annotations.entries import MaskFiles
from figureground.data.holding import until_used
from figureground.data.notices import Notice, notices_of
from figureground.data.splits import random_subset
from figureground.metrics.localisation.box_accuracy import scale_boxes
from figureground.models import Classifier, Preprocessing, View
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.items import Item, Source, read_source
from figureground.studies.evaluation.tables import ImageProblem
from figureground.studies.failures import lost_image
from figureground.studies.loading import reading_threads
from figureground.studies.training.runs import TrainedRun

_UNKNOWN = -1
_NEAR = 2  # threads that read images of this machine


@dataclass(frozen=True)
class LabelReader:
    """Turns labels into class indices.

    Args:
        classifier: Whose classes; None where no model takes part.
        offset: Added to labels that are numbers.
        numbers: Class name of the data -> index, where names of a data set are taken in their order.
        note: What was assumed, for the record; empty where nothing was.
    """

    classifier: Classifier | None
    offset: int = 0
    numbers: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def of(
        cls, classifier: Classifier | None, source: Source, *, offset: int | None
    ) -> "LabelReader":
        """A reader with the offset that was given, or with the one that fits.

        A model of 1,001 ImageNet classes calls its first one "background"; data sets number theirs
        from 0. Where class 0 has that name and no label needs the last class, 1 is added. Classes of a data set that
        the model does not know by name are taken in the order of both.

        Args:
            classifier: Whose classes.
            source: The images.
            offset: None to find out.

        Returns:
            The reader.
        """
        if source.class_names:
            return cls._of_data_set(classifier, source.class_names)
        if offset is not None or not _counts_background(classifier, source):
            return cls(classifier, offset or 0)
        note = (
            "class 0 of the model is 'background' and the labels of the data fit without it: 1 is added to every label "
            "(--label-offset 0 keeps them)"
        )
        return cls(classifier, 1, note=note)

    @classmethod
    def _of_data_set(cls, classifier: Classifier | None, names: Sequence[str]) -> "LabelReader":
        """By name where the model has all of them, else in their order."""
        models = (classifier.class_names or ()) if classifier is not None else ()
        index = {name.casefold(): number for number, name in enumerate(models)}
        by_name = {name: index[name.casefold()] for name in names if name.casefold() in index}
        background = {"background": len(names)}
        if len(by_name) == len(names):
            return cls(classifier, numbers=background | by_name)
        note = "" if not models else (
            f"the model's class '{models[0]}' is taken to be the data's '{names[0]}', and so on: in the order of both"
        )  # fmt: skip
        in_order = {name: number for number, name in enumerate(names)}
        return cls(classifier, numbers=background | in_order, note=note)

    def index(self, label: int | str | None) -> int:
        """The class index of a label.

        Args:
            label: As the data set has it.

        Returns:
            The index; -1 where there is no label, or a name while no model takes part.

        Raises:
            LookupError: The model has no such class; the message says why.
        """
        if label is None:
            return _UNKNOWN
        if isinstance(label, str) and label not in self.numbers:
            return self._named(label)
        index = self.numbers[label] if isinstance(label, str) else label + self.offset
        count = None if self.classifier is None else self.classifier.classes.count
        if index < 0 or (count is not None and index >= count):
            shift = f" plus the offset {self.offset}" if self.offset else ""
            known = (
                "" if count is None else f", not in 0..{count - 1}: the model has {count} classes"
            )
            raise LookupError(f"the label is {label}{shift}{known}")
        return index

    def _named(self, name: str) -> int:
        """The index of a class name."""
        if self.classifier is None:
            return _UNKNOWN
        try:
            return self.classifier.class_index(name)
        except OptionError as error:
            raise LookupError(str(error)) from error


def _counts_background(classifier: Classifier | None, source: Source) -> bool:
    """Whether class 0 of the model is background, and the numbers of the data fit without it."""
    names = (classifier.class_names or ()) if classifier is not None else ()
    numbers = [item.label for item in source.items if isinstance(item.label, int)]
    first = bool(names) and names[0].casefold() == "background"
    return first and bool(numbers) and max(numbers) < len(names) - 1


_IGNORED = 255


@dataclass(frozen=True, eq=False)
class EvaluationBatch:
    """Images as a model sees them, with what is true of them. N may be 0 where all were unreadable.

    Args:
        rows: Positions in the set.
        names: Names of the images.
        images: ``(N, C, H, W)`` in [0, 1].
        labels: Class indices of the model; -1 where unknown.
        boxes: For each image its boxes, xyxy pixels of the view, half-open; none where nothing is marked.
        whole_boxes: The same in whole pixels as the published localisation code cuts them: the inclusive corners are
            scaled and truncated; half-open again.
        masks: 1 on the object, 0 elsewhere, 255 where not to be judged, ``(N, H, W)``; None where the set has none.
        views: How each view lies in its image.
        problems: What went wrong while these images were read.
        number: Position among the batches of the evaluation, for what is drawn at random.
    """

    rows: Int[Tensor, " N"]
    names: tuple[str, ...]
    images: Images
    labels: Labels
    boxes: tuple[Float[Tensor, "_ 4"], ...]
    whole_boxes: tuple[Float[Tensor, "_ 4"], ...]
    masks: UInt8[Tensor, "N H W"] | None
    views: tuple[View, ...]
    problems: tuple[ImageProblem, ...] = ()
    number: int = 0

    def __len__(self) -> int:
        return len(self.names)

    def part(self, keep: Sequence[int]) -> "EvaluationBatch":
        """Some of the images.

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
            tuple(self.whole_boxes[i] for i in keep),
            None if self.masks is None else self.masks[at],
            tuple(self.views[i] for i in keep),
            number=self.number,
        )

    def on(self, device: torch.device, number: int = 0) -> "EvaluationBatch":
        """The batch with images and labels on a device.

        Args:
            device: Where to.
            number: Its position among the batches of the evaluation.

        Returns:
            A batch with the same boxes and names, its images channels-last.
        """
        images = self.images.to(device).contiguous(memory_format=torch.channels_last)
        return replace(self, images=images, labels=self.labels.to(device), number=number)


def without_class(batch: EvaluationBatch) -> list[ImageProblem]:
    """What is said of images that an evaluation of predictions can do nothing with.

    Args:
        batch: Any.

    Returns:
        A problem for each image without a known class.
    """
    return [
        ImageProblem("not-judged", batch.names[row], "left out of the numbers: no known class")
        for row in (batch.labels < 0).nonzero()[:, 0].tolist()
    ]


class EvaluationSet:
    """Images with labels and boxes, decoded ahead by threads when iterated, in order.

    Nothing is stored of a batch that was handed out, so memory does not grow with the number of images.

    Args:
        source: The images; ``items`` are as many as ``labels``.
        labels: Class index of each, -1 where unknown.
        preprocessing: How the model wants its images.
        workers: Threads that decode; None for ``reading_threads``, two near ones.
        notes: What was assumed.
        asked: What decides which images and labels these are, name -> value.

    Attributes:
        names: Names of the images; two entries with one name are two classes of one image.
        labels: Class index of each image.
        has_masks: Whether any image has a mask.
        class_names: Of a data set; empty for other sources.
        description: What was read.
        name: The same, whatever was found in it.
        problems: What was wrong with the source.
        notes: What was assumed.
        asked: What decides which images and labels these are, name -> value.
    """

    def __init__(
        self,
        source: Source,
        labels: Sequence[int],
        preprocessing: Preprocessing,
        *,
        workers: int | None = None,
        notes: Sequence[str] = (),
        asked: Mapping[str, str] | None = None,
    ) -> None:
        self.asked = dict(asked or {})
        self._items: list[Item] = source.items
        self._preprocessing = preprocessing
        first = source.items[0].file if source.items else None
        self._workers = workers or reading_threads(first, near=_NEAR)
        self.labels = torch.tensor(list(labels), dtype=torch.int64)
        self.names = tuple(item.name for item in source.items)
        self.has_masks = any(item.mask is not None for item in source.items)
        self.class_names, self.description = source.class_names, source.description
        self.name = source.name or source.description
        self.problems, self.notes = source.problems, tuple(notes)

    def __len__(self) -> int:
        return len(self._items)

    def item(self, row: int) -> Item:
        """One of the images, not yet decoded.

        Args:
            row: Position in the set.

        Returns:
            It, as its source has it.
        """
        return self._items[row]

    @property
    def identity(self) -> str:
        """Changes with any image, label, box or mask, and with the way images are brought to the network."""
        told = [(one.name, one.identity, one.boxes.tolist()) for one in self._items]
        return digest(told, self.labels.tolist(), self._preprocessing)

    @property
    def view_size(self) -> tuple[int, int]:
        """Height and width of the views, pixels."""
        return self._preprocessing.size

    def batches(
        self, size: int, rows: Sequence[int] | None = None, *, lost: Iterable[int] = ()
    ) -> Iterator[EvaluationBatch]:
        """Batches of ``size`` rows each; an image that cannot be read is missing from its batch and noted there.

        Args:
            size: Rows at a time.
            rows: Positions in the set; all where None.
            lost: Those that end the process that opens them; they are not opened.

        Yields:
            One batch for every ``size`` rows.
        """
        wanted = range(len(self)) if rows is None else rows
        load = partial(self._load, frozenset(lost))
        waiting = max(2 * size, self._workers) + 1
        loaded = ahead(load, wanted, workers=self._workers, waiting=waiting)
        while part := list(islice(loaded, size)):
            yield self._batch(part)

    def _load(self, unopened: frozenset[int], row: int) -> "_Loaded | ImageProblem":
        """One image as the model sees it, or why there is none."""
        item = self._items[row]
        if row in unopened:
            reason = lost_image(item.name).reason
            return ImageProblem("unreadable-file", item.name, f"left out: {reason}")
        try:
            with until_used():
                image = item.load()
                pixels, view = self._preprocessing.view(image)
            mask = None if item.mask is None else _mask_view(item.mask, self._preprocessing)
        except ImageError as error:
            return ImageProblem("unreadable-file", item.name, f"left out: {error.reason}")
        original = torch.from_numpy(item.boxes).float()
        mapped = view.boxes_from_original(original)
        seen = (mapped[:, 2] > mapped[:, 0]) & (mapped[:, 3] > mapped[:, 1])
        whole = _whole_boxes(original[seen], view)
        lost = int((~seen).sum())
        return _Loaded(
            row, pixels, view, mapped[seen], whole, lost, mask, notices=notices_of(image)
        )

    def _batch(self, part: Sequence["_Loaded | ImageProblem"]) -> EvaluationBatch:
        """What was loaded, stacked."""
        good = [one for one in part if isinstance(one, _Loaded)]
        problems = [one for one in part if isinstance(one, ImageProblem)]
        problems += [self._lost(one) for one in good if one.lost]
        problems += [
            ImageProblem(notice.kind, self.names[one.row], notice.detail)
            for one in good
            for notice in one.notices
        ]
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
            tuple(one.whole for one in good),
            self._masks(good) if self.has_masks else None,
            tuple(one.view for one in good),
            tuple(problems),
        )

    def _lost(self, one: "_Loaded") -> ImageProblem:
        """Boxes that the model cannot see."""
        left = "" if len(one.boxes) else "; the image counts as one without boxes"
        return ImageProblem(
            "cropped-away", self.names[one.row], f"{one.lost} boxes lie outside the crop that the model sees{left}"
        )  # fmt: skip

    def _masks(self, good: Sequence["_Loaded"]) -> Tensor:
        """Masks of the batch; where an image has none, nothing is to be judged."""
        nothing = torch.full(self._preprocessing.size, _IGNORED, dtype=torch.uint8)
        masks = [nothing if one.mask is None else one.mask for one in good]
        return torch.stack(masks) if masks else nothing[None][:0]


@dataclass(frozen=True, eq=False)
class _Loaded:
    """One decoded image."""

    row: int
    pixels: Tensor
    view: View
    boxes: Boxes
    whole: Boxes
    lost: int
    mask: Tensor | None
    notices: tuple[Notice, ...] = ()


def open_images(
    data: str | Path | None,
    classifier: Classifier | None,
    options: DataOptions | None = None,
    *,
    run: TrainedRun | None = None,
) -> EvaluationSet:
    """The evaluation set that a word or path stands for, as this model sees it.

    Images whose label the model does not have are left out; they are among ``problems``, as is all that the
    annotations' reader repaired or left out. Images without boxes stay in.

    Args:
        data: ``clutter``, an ``.npz`` pack, annotations in any known format, a folder of images, the name of a data
            set, or None for the data of the run.
        classifier: Says how images are resized and which classes there are; None for a square stretched view.
        options: What the source leaves open.
        run: The training run that the model comes from, if any.

    Returns:
        The set.

    Raises:
        DataError: No image can be used.
    """
    chosen = options or DataOptions()
    if classifier is not None:
        chosen = replace(chosen, value_range=classifier.preprocessing.value_range)
    source = read_source(None if data is None else str(data), chosen, run)
    reader = LabelReader.of(classifier, source, offset=chosen.label_offset)
    kept, labels, problems = [], [], [one for one in source.problems if one.kind != "note"]
    for item in source.items:
        try:
            labels.append(reader.index(item.label))
        except LookupError as error:
            problems.append(chosen.unknown(item.name, str(error)))
            if chosen.needs_labels:
                continue
            labels.append(_UNKNOWN)
        kept.append(item)
    if not kept:
        examples = "; ".join(map(str, problems[:3])) or "it is empty"
        raise DataError(f"no image of {source.description} can be used: {examples}")
    rows = random_subset(len(kept), chosen.limit, seed=chosen.seed).tolist()
    description = f"{source.description} ({len(rows)} of {len(kept)} usable images)"
    some = [kept[row] for row in rows]
    found = Source(some, description, tuple(problems), source.class_names, name=source.description)
    notes = [one.message for one in source.problems if one.kind == "note"]
    return EvaluationSet(
        found,
        [labels[row] for row in rows],
        _stretched(chosen) if classifier is None else classifier.preprocessing,
        workers=chosen.workers,
        notes=[*notes, *([reader.note] if reader.note else [])],
        asked=chosen.asked,
    )


def _whole_boxes(boxes: Boxes, view: View) -> Boxes:
    """Boxes of the original in whole pixels of the view, by the arithmetic of the published code."""
    (width, height), last = view.original_size, torch.tensor([0.0, 0, 1, 1])
    resized = (round(view.scale_x * width), round(view.scale_y * height))
    offset = torch.tensor([view.offset_x, view.offset_y] * 2)
    inclusive = scale_boxes(boxes - last, (width, height), resized, whole=True) - offset
    limit = torch.tensor([*view.view_size] * 2) - 1.0
    return torch.minimum(inclusive.trunc().clamp(min=0), limit) + last


def _stretched(options: DataOptions) -> Preprocessing:
    """A square view of the whole image."""
    size, nothing, one = (options.view_size,) * 2, (0.0,) * 3, (1.0,) * 3
    return Preprocessing(
        size, "stretch", 1.0, "bilinear", nothing, one, value_range=options.value_range
    )


def _mask_view(files: MaskFiles, preprocessing: Preprocessing) -> Tensor:
    """The part of a mask that the model sees: 1, 0, or 255 where nothing is to be judged."""
    plain = replace(preprocessing, interpolation="nearest", mean=(0.0,), std=(1.0,), channels=1)
    return plain.view(Image.fromarray(files.decode()))[0][0]
