"""The images of a diagnosis as the network sees them, with three masks and without their objects."""

__all__ = ["FEWEST", "Scenes", "check_enough", "is_enough", "read_scenes", "scenes_of"]

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from figureground.base.errors import DataError
from figureground.base.progress import Progress
from figureground.metrics.reliance import background_of, dilated, filled_boxes, nested_masks
from figureground.studies.diagnosis.options import MASKS
from figureground.studies.diagnosis.rows import DiskRows, MemoryRows, Rows
from figureground.studies.evaluation.image_set import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.tables import ImageProblem

_BATCH = 16
_MOST_AREA = 0.95
_MARGIN = 0.02  # of the shorter side around exact masks, whose edges hold some of the object
_IGNORED = 255

FEWEST = 10
"""Images of two classes that a verdict needs at least."""


@dataclass(eq=False)
class Scenes:
    """What composites are made of.

    Args:
        pixels: ``(3, H, W)`` each.
        masks: ``given``, ``inner`` and ``outer``: 0 or 1, ``(H, W)`` each.
        backgrounds: The same images without their objects; ``given`` (also for ``inner``) and ``outer``.
        names: Of the images.
        labels: Class of each, as the model numbers them.
        areas: Share of the view that is object.
        exact: Whether the annotation follows the outline.
        groups: Images of one number are not paired: two objects of one image, or copies.
        rows: Position of each among the images that were read.
        unmarked: Positions of images that could take part but have no box and no mask.
        problems: What was left out, and why.
    """

    pixels: Rows
    masks: Mapping[str, Rows]
    backgrounds: Mapping[str, Rows]
    names: tuple[str, ...] = ()
    labels: Int[Tensor, " N"] = None  # type: ignore[assignment]  # filled by read_scenes
    areas: Float[Tensor, " N"] = None  # type: ignore[assignment]
    exact: Bool[Tensor, " N"] = None  # type: ignore[assignment]
    groups: Int[Tensor, " N"] = None  # type: ignore[assignment]
    rows: Int[Tensor, " N"] = None  # type: ignore[assignment]
    unmarked: tuple[int, ...] = ()
    problems: tuple[ImageProblem, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def close(self) -> None:
        """Give the room on the disk back."""
        for rows in (self.pixels, *self.masks.values(), *self.backgrounds.values()):
            rows.close()

    def images(self, rows: Tensor) -> Float[Tensor, "n c H W"]:
        """Some of the images.

        Args:
            rows: Which.

        Returns:
            In [0, 1].
        """
        return self.pixels[rows].float() / 255

    def without_objects(self, rows: Tensor, mask: str) -> Float[Tensor, "n c H W"]:
        """Backgrounds of some of the images.

        Args:
            rows: Which.
            mask: Which mask was removed.

        Returns:
            In [0, 1].
        """
        return self.backgrounds["outer" if mask == "outer" else "given"][rows].float() / 255

    def objects(self, rows: Tensor, mask: str) -> Bool[Tensor, "n H W"]:
        """Masks of some of the images.

        Args:
            rows: Which.
            mask: One of ``MASKS``.

        Returns:
            True on the object.
        """
        return self.masks[mask][rows].bool()


def read_scenes(
    images: EvaluationSet,
    folder: Path,
    *,
    fill: str,
    progress: Progress,
    centre: float | None = None,
    shared: bool = False,
) -> Scenes:
    """Decode all images once, make their masks and fill their objects.

    Where an image has several objects, of this class or another, its background is without all of them.

    Args:
        images: With boxes or masks.
        folder: Where there is room for 12 bytes a pixel.
        fill: How holes are filled.
        progress: Called after every batch.
        centre: Take a box in the middle for the object of every image, with this share of both sides; None takes what
            is annotated.
        shared: Worker processes are to read them.

    Returns:
        The images that can take part; ``problems`` tells the others. Close it in the end.

    Raises:
        DataError: The disk is full.
    """
    height, width = images.view_size
    with ExitStack() as stack:
        shape = (3, height, width)
        made = _empty(lambda *sides: DiskRows(folder, sides, named=shared), shape)
        stack.callback(made.close)
        facts = _Facts()
        for number, batch in enumerate(images.batches(_BATCH)):
            facts.problems += batch.problems
            if len(batch):
                part = _Part.of(batch) if centre is None else _Part.of_centre(batch, centre)
                _add(made, part, facts)
            progress("reading images", min((number + 1) * _BATCH, len(images)), len(images))
        _finish(made, facts, fill=fill, progress=progress)
        stack.pop_all()
    return made


def scenes_of(
    images: Float[Tensor, "N c H W"],
    labels: Int[Tensor, " N"],
    masks: Bool[Tensor, "N H W"],
    *,
    exact: bool,
    fill: str,
    progress: Progress,
) -> Scenes:
    """Scenes of images in memory.

    Args:
        images: In [0, 1], of three channels or one.
        labels: Class of each.
        masks: True on the object; boxes filled.
        exact: Whether the masks follow the outline.
        fill: How holes are filled.
        progress: Called after every batch.

    Returns:
        The images that can take part; ``problems`` tells the others.
    """
    made = _empty(lambda *sides: MemoryRows(sides), (3, *images.shape[2:]))
    facts = _Facts()
    for rows in torch.split(torch.arange(len(images)), _BATCH):
        names = tuple(f"image {row}" for row in rows.tolist())
        which = torch.full((len(rows),), exact)
        _add(made, _Part(rows, names, images[rows], labels[rows], masks[rows], which), facts)
    _finish(made, facts, fill=fill, progress=progress)
    return made


def is_enough(scenes: Scenes) -> bool:
    """Whether these images can have a verdict.

    Args:
        scenes: The images.

    Returns:
        At least ten of two classes.
    """
    return len(scenes) >= FEWEST and len(torch.unique(scenes.labels)) > 1


def check_enough(scenes: Scenes, images: EvaluationSet) -> None:
    """Refuse a set that nothing can be said of.

    Args:
        scenes: Those of its images that can take part.
        images: The set.

    Raises:
        DataError: Fewer than ten images, or one class.
    """
    if is_enough(scenes):
        return
    reasons = Counter(one.message.removeprefix("left out: ") for one in scenes.problems)
    why = "; ".join(f"{count} times: {text}" for text, count in reasons.most_common(3))
    raise DataError(
        f"{len(scenes)} of {len(images)} images of {images.description} can be crossed, of "
        f"{len(torch.unique(scenes.labels))} classes; at least {FEWEST} of two classes are needed, with boxes or "
        f"masks of their objects ({why or 'nothing was left out'})"
    )


class _Facts:
    """What is known of the images so far."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.labels: list[int] = []
        self.areas: list[float] = []
        self.exact: list[bool] = []
        self.sums: list[int] = []
        self.rows: list[int] = []
        self.unmarked: list[int] = []
        self.problems: list[ImageProblem] = []


@dataclass(frozen=True, eq=False)
class _Part:
    """Some images with their masks, and which of these follow the outline."""

    rows: Tensor
    names: tuple[str, ...]
    images: Tensor
    labels: Tensor
    masks: Tensor
    exact: Tensor
    hidden: frozenset[str] = frozenset()

    @classmethod
    def of(cls, batch: EvaluationBatch) -> "_Part":
        """A batch with what is annotated."""
        masks, exact = _annotated(batch)
        hidden = {one.where for one in batch.problems if one.kind == "cropped-away"}
        hidden |= {name for name, known in zip(batch.names, exact.tolist(), strict=True) if known}
        return cls(
            batch.rows, batch.names, batch.images, batch.labels, masks, exact, frozenset(hidden)
        )

    @classmethod
    def of_centre(cls, batch: EvaluationBatch, share: float) -> "_Part":
        """A batch with a box in the middle of every image."""
        height, width = batch.images.shape[2:]
        top, left = (round((1 - share) / 2 * side) for side in (height, width))
        masks = torch.zeros(len(batch), height, width, dtype=torch.bool)
        masks[:, top : height - top, left : width - left] = True
        exact = torch.zeros(len(batch), dtype=torch.bool)
        return cls(batch.rows, batch.names, batch.images, batch.labels, masks, exact)


def _empty(rows: Callable[..., Rows], shape: tuple[int, ...]) -> Scenes:
    """Room for everything."""
    return Scenes(
        rows(*shape),
        {name: rows(*shape[1:]) for name in MASKS},
        {name: rows(*shape) for name in ("given", "outer")},
    )


def _add(made: Scenes, part: _Part, facts: _Facts) -> None:
    """The images of a part that can take part."""
    areas = part.masks.flatten(1).float().mean(1)
    keep = []
    for at, name in enumerate(part.names):
        why = _unusable(int(part.labels[at]), float(areas[at]), hidden=name in part.hidden)
        if why is None:
            keep.append(at)
            continue
        facts.problems.append(ImageProblem(why[0], name, f"left out: {why[1]}"))
        if why[0] == "no-boxes":
            facts.unmarked.append(int(part.rows[at]))
    if not keep:
        return
    rows = torch.tensor(keep)
    pixels = part.images[rows].contiguous()
    pixels = pixels if pixels.shape[1] == 3 else pixels.expand(-1, 3, -1, -1)
    nested = nested_masks(pixels, part.masks[rows], exact=part.exact[rows])
    stored = (pixels * 255).round().to(torch.uint8)
    made.pixels.append(stored)
    for name in MASKS:
        made.masks[name].append(getattr(nested, name).to(torch.uint8))
    facts.names += [part.names[at] for at in keep]
    facts.labels += part.labels[rows].tolist()
    facts.areas += areas[rows].tolist()
    facts.exact += part.exact[rows].tolist()
    facts.rows += part.rows[rows].tolist()
    facts.sums += [crc32(one.numpy().tobytes()) for one in stored.contiguous()]


def _finish(made: Scenes, facts: _Facts, *, fill: str, progress: Progress) -> None:
    """Note what is known, and fill the objects."""
    made.names, made.problems = tuple(facts.names), tuple(facts.problems)
    made.labels = torch.tensor(facts.labels, dtype=torch.int64)
    made.areas = torch.tensor(facts.areas, dtype=torch.float32)
    made.exact = torch.tensor(facts.exact, dtype=torch.bool)
    made.rows = torch.tensor(facts.rows, dtype=torch.int64)
    made.unmarked = tuple(facts.unmarked)
    made.groups = _groups(facts.names, facts.sums)
    _fill(made, fill=fill, progress=progress)


def _annotated(batch: EvaluationBatch) -> tuple[Tensor, Tensor]:
    """Masks ``(N, H, W)`` of the batch, and which follow the outline; an empty mask where nothing is annotated."""
    found = filled_boxes(batch.boxes, batch.images.shape[2:])
    exact = torch.zeros(len(batch), dtype=torch.bool)
    for at, mask in enumerate(batch.masks if batch.masks is not None else ()):
        if not bool((mask == _IGNORED).all()):
            found[at], exact[at] = mask == 1, True
    return found, exact


def _unusable(label: int, area: float, *, hidden: bool) -> tuple[str, str] | None:
    """Why an image cannot take part."""
    if label < 0:
        return "unknown-label", "its class is not known"
    if area == 0:
        lost = "what is annotated of its object is not in what the network sees"
        return (
            ("cropped-away", lost) if hidden else ("no-boxes", "nothing of its object is annotated")
        )
    if area > _MOST_AREA:
        return "no-background", f"its object covers {area:.0%} of what the network sees"
    return None


def _groups(names: Sequence[str], sums: Sequence[int]) -> Tensor:
    """Equal numbers for one image, by its name or by its pixels."""
    parent: dict[object, int] = {}
    groups = []
    for row, keys in enumerate(zip(names, sums, strict=True)):
        number = min((parent[key] for key in keys if key in parent), default=row)
        for key in keys:
            parent[key] = number
        groups.append(number)
    return torch.tensor(groups, dtype=torch.int64)


def _fill(made: Scenes, *, fill: str, progress: Progress) -> None:
    """Every image without the objects of its group."""
    count = len(made.names)
    members: dict[int, list[int]] = {}
    for row, group in enumerate(made.groups.tolist()):
        members.setdefault(group, []).append(row)
    for start in range(0, count, _BATCH):
        rows = torch.arange(start, min(start + _BATCH, count))
        pixels = made.images(rows)
        for name, store in made.backgrounds.items():
            masks = torch.stack(
                [
                    made.objects(torch.tensor(members[int(made.groups[row])]), name).any(0)
                    for row in rows
                ]
            )
            if name == "given":
                margin = max(1, round(_MARGIN * min(masks.shape[1:])))
                wide = made.exact[rows]
                masks[wide] = dilated(masks[wide], margin)
            filled = background_of(pixels, masks, fill=fill)
            store.append((filled * 255).round().to(torch.uint8))
        progress("filling objects", min(start + _BATCH, count), count)
