"""The question: which images can serve as background for this data set?"""

__all__ = ["make_background_pool"]

from collections.abc import Sequence
from pathlib import Path

from figureground.base.claim import claimed
from figureground.base.errors import OptionError
from figureground.base.progress import Progress, no_progress
from figureground.data import sklearn_digits
from figureground.data.background import (
    PAPER_PARTS,
    BackgroundSource,
    ClutterOnly,
    Concat,
    CropGrid,
    Folder,
    GridCrops,
    Invert,
    Monochrome,
    PoolOptions,
    PoolRecord,
    Procedural,
    ScreenOptions,
    build_pool,
    choose_ratio,
    paper_recipe,
    screen,
)
from figureground.data.background.named_sources import class_counts, image_source
from figureground.data.background.pool import refuse_finished
from figureground.data.background.pool_record import POOL_FILES
from figureground.data.lazy import FileDecoder
from figureground.studies.background.options import PoolRequest


def make_background_pool(
    request: PoolRequest,
    folder: Path | str,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> PoolRecord:
    """Gather, screen, divide and write.

    Args:
        request: What.
        folder: Where the pool goes.
        overwrite: Replace a finished pool.
        progress: Called with the stages ``background``, ``target`` and ``writing``.

    Returns:
        The record, as written.

    Raises:
        OptionError: The request names no source, or contradicts itself.
        DataError: A source cannot be used, a finished pool is there, or the folder holds something else or is in use.
    """
    with claimed(folder, "background", writes=POOL_FILES):
        refuse_finished(Path(folder), overwrite=overwrite)
        return _made_pool(request, Path(folder), overwrite=overwrite, progress=progress)


def _made_pool(
    request: PoolRequest, folder: Path, *, overwrite: bool, progress: Progress
) -> PoolRecord:
    """The pool, in a folder that is ours."""
    decode = FileDecoder(request.value_range)
    mix = Concat(*_sources(request, decode))
    targets = [image_source(text, decode) for text in request.screen_against]
    target = Concat(*targets) if targets else None
    screening = ScreenOptions(max_hamming=request.max_hamming)
    report = screen(mix, target, options=screening, progress=progress)
    train, val, test = request.split
    count = request.count
    if request.ratio is not None:
        counts = class_counts(request.screen_against[0])
        trained = choose_ratio(counts, int(len(report.kept) * train), ratio=request.ratio).count
        count = max(1, round(trained / train))
    writing = PoolOptions(
        (train, val, test), count, request.seed, longest=request.longest, overwrite=overwrite
    )
    return build_pool(
        mix,
        folder,
        screened=report,
        target=target,
        options=writing,
        decode=decode,
        progress=progress,
    )


def _sources(request: PoolRequest, decode: FileDecoder) -> list[BackgroundSource]:
    """Everything that was asked for, in a fixed order."""
    given = [image_source(text, decode) for text in request.sources]
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
        raise OptionError("name at least one source of background images")
    return sources


def _made(request: PoolRequest) -> list[BackgroundSource]:
    """Sources that need no files."""
    made: list[BackgroundSource] = [Monochrome()] * request.monochrome
    seed = request.seed
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
            f"no image of '{crops.name}' has {side} pixels on each side; ask for smaller crops"
        )
    return crops
