"""The question: which pictures can serve as background for this data set?"""

__all__ = ["PICTURE_KINDS", "PoolRequest", "make_background_pool", "picture_source"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from figureground.base.errors import DataError, OptionError
from figureground.data import read_annotations, sklearn_digits
from figureground.data.background import (
    PAPER_PARTS,
    BackgroundSource,
    ClutterOnly,
    Concat,
    CropGrid,
    Folder,
    FromLabeled,
    GridCrops,
    HeldOutClasses,
    Invert,
    Monochrome,
    OutsideBox,
    PatchShuffle,
    PoolOptions,
    PoolRecord,
    Procedural,
    ScreenOptions,
    build_pool,
    choose_ratio,
    paper_recipe,
    screen,
)
from figureground.data.background.fetching import Watch
from figureground.data.loaders import image_folder, load_dataset


@dataclass(frozen=True)
class PoolRequest:
    """What goes into a pool, and what it is compared with.

    Args:
        sources: Folders, or ``KIND:WHERE`` with one of `PICTURE_KINDS`.
        monochrome: Add the 216 monochromes.
        procedural: How many pictures made by rule to add.
        clutter: How many pictures of digit clutter to add.
        grid_crops: Add crops of the large pictures of the folders: squares side by side.
        crop: Side of these, pixels.
        invert: Add the inverse of every folder's pictures and crops.
        paper: Folder with the folders of the paper's mix, named as in `PAPER_PARTS`.
        screen_against: Folders, or ``set:NAME``, of the classes' pictures.
        ratio: Training pictures as a multiple of the mean class size of the first
            ``screen_against``; None takes all that pass.
        screening: Thresholds.
        writing: Shares, sizes, seed.
    """

    sources: tuple[str, ...] = ()
    monochrome: bool = False
    procedural: int = 0
    clutter: int = 0
    grid_crops: bool = False
    crop: int = 512
    invert: bool = False
    paper: Path | None = None
    screen_against: tuple[str, ...] = ()
    ratio: float | None = None
    screening: ScreenOptions = field(default_factory=ScreenOptions)
    writing: PoolOptions = field(default_factory=PoolOptions)


def make_background_pool(
    request: PoolRequest, folder: Path | str, *, watch: Watch | None = None
) -> PoolRecord:
    """Gather, screen, divide and write.

    Args:
        request: What.
        folder: Where the pool goes.
        watch: Told of progress, stages ``background``, ``target`` and ``writing``.

    Returns:
        The record, as written.

    Raises:
        OptionError: The request names no source, or contradicts itself.
        DataError: A source cannot be used, or a finished pool is there.
    """
    if (Path(folder) / "record.json").exists() and not request.writing.overwrite:
        raise DataError(f"a finished pool is in {folder}; give another folder, or overwrite it")
    if request.ratio is not None and (not request.screen_against or request.writing.count):
        raise OptionError("a ratio needs the classes' pictures to compare with, and no count")
    mix = Concat(*_sources(request))
    targets = [picture_source(text) for text in request.screen_against]
    target = Concat(*targets) if targets else None
    report = screen(mix, target, options=request.screening, watch=watch)
    writing = request.writing
    if request.ratio is not None:
        share = writing.fractions[0]
        counts = _class_counts(request.screen_against[0])
        trained = choose_ratio(counts, int(len(report.kept) * share), ratio=request.ratio).count
        writing = replace(writing, count=max(1, round(trained / share)))
    return build_pool(mix, folder, screened=report, target=target, options=writing, watch=watch)


def picture_source(text: str) -> BackgroundSource:
    """What a word of the command line stands for.

    Args:
        text: A folder, or ``KIND:WHERE``.

    Returns:
        Its pictures.
    """
    kind, _, where = text.partition(":")
    if kind in PICTURE_KINDS and where:
        return PICTURE_KINDS[kind](where)
    return Folder(text)


def _outside_boxes(where: str) -> BackgroundSource:
    annotated = read_annotations(where)
    source = OutsideBox.of_annotations(annotated)
    if annotated.problems:
        met = ", ".join(f"{count} {kind}" for kind, count in annotated.problem_counts.items())
        source.provenance["problems of the annotations"] = met
    source.provenance["annotations"] = Path(where).name
    return source


def _held_out(where: str) -> BackgroundSource:
    folder, _, classes = where.rpartition(":")
    if not folder:
        raise OptionError(f"write held-out:FOLDER:CLASS,CLASS, not held-out:{where}")
    names = [name.strip() for name in classes.split(",")]
    return HeldOutClasses(image_folder(folder), names, name=Path(folder).name)


def _data_set(where: str) -> BackgroundSource:
    name, _, root = where.partition(":")
    parts = [load_dataset(name, root or None, part=part) for part in ("train", "val", "test")]
    return Concat(
        *(
            FromLabeled(data, name=f"{name} {part}")
            for data, part in zip(parts, ("train", "val", "test"), strict=True)
        ),
        name=name,
    )


PICTURE_KINDS: dict[str, Callable[[str], BackgroundSource]] = {
    "folder": Folder,
    "outside-boxes": _outside_boxes,
    "held-out": _held_out,
    "patch-shuffle": lambda where: PatchShuffle(picture_source(where)),
    "set": _data_set,
}


def _sources(request: PoolRequest) -> list[BackgroundSource]:
    """Everything that was asked for, in a fixed order."""
    given = [picture_source(text) for text in request.sources]
    whole = [
        one
        for text, one in zip(request.sources, given, strict=True)
        if isinstance(one, Folder) or text.startswith("set:")
    ]
    if (request.grid_crops or request.invert) and not whole:
        raise OptionError("grid crops and inverses are made of folders and data sets; name one")
    crops: list[BackgroundSource] = []
    if request.grid_crops:
        grids = (CropGrid(request.crop, None),)
        crops = [
            _some_crops(GridCrops(one, grids=grids, whole=None, invert=False), request.crop)
            for one in whole
        ]
    inverses = [Invert(one) for one in (*whole, *crops)] if request.invert else []
    given += [*crops, *inverses]
    sources = [*_paper(request.paper), *given, *_made(request)]
    if not sources:
        raise OptionError("name at least one source of background pictures")
    return sources


def _made(request: PoolRequest) -> list[BackgroundSource]:
    """Sources that need no files."""
    made: list[BackgroundSource] = [Monochrome()] * request.monochrome
    seed = request.writing.seed
    if request.procedural:
        made.append(Procedural(request.procedural, seed=seed))
    if request.clutter:
        digits, _ = sklearn_digits()
        made.append(ClutterOnly(digits, count=request.clutter, seed=seed))
    return made


def _paper(root: Path | None) -> Sequence[BackgroundSource]:
    if root is None:
        return ()
    return paper_recipe({key: root / key for key in PAPER_PARTS}).sources


def _some_crops(crops: GridCrops, side: int) -> GridCrops:
    if not len(crops):
        raise OptionError(
            f"no picture of '{crops.name}' has {side} pixels on each side; ask for smaller crops"
        )
    return crops


def _class_counts(text: str) -> list[int]:
    """Pictures of each class."""
    kind, _, where = text.partition(":")
    if kind == "set":
        name, _, root = where.partition(":")
        return load_dataset(name, root or None, part="train").class_counts()
    return image_folder(where if kind == "folder" else text).class_counts()
