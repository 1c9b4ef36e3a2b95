"""Which background images are images of the target data after all, and what was done about it."""

__all__ = ["Dropped", "ScreenOptions", "ScreenReport", "screen"]

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from figureground.base.errors import OptionError, ShapeError
from figureground.base.progress import Progress, no_progress
from figureground.data.background.copies import Copy, find_copies
from figureground.data.background.fingerprints import HASH_BITS, Fingerprints, fingerprints
from figureground.data.background.source import BackgroundSource

Reason: TypeAlias = Literal["exact", "near", "derived", "repeated", "confident", "unreadable"]


@dataclass(frozen=True)
class ScreenOptions:
    """When a background image counts as one of the target's.

    Args:
        max_hamming: Bits of 64 in which the hashes of two images may differ. At 8, all of 500 CIFAR
            images saved anew as JPEG of quality 20 are found (at 4, 465), and none of 5,860 unrelated
            ones is taken for a copy.
        min_correlation: Least correlation of their thumbnails, so that no image is left out for its hash alone.
        max_confidence: Largest confidence of a target class (where confidences are given).
        workers: Threads that decode.

    Raises:
        OptionError: A value is out of range.
    """

    max_hamming: int = 8
    min_correlation: float = 0.9
    max_confidence: float = 0.5
    workers: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.max_hamming < HASH_BITS // 2:
            raise OptionError(f"max_hamming lies in 0 to 31, not {self.max_hamming}")
        if not (-1 <= self.min_correlation <= 1 and 0 <= self.max_confidence <= 1):
            raise OptionError(
                f"min_correlation {self.min_correlation} or max_confidence {self.max_confidence} "
                "is out of range"
            )


@dataclass(frozen=True)
class Dropped:
    """A background image that was left out.

    Args:
        row: Which.
        reason: ``exact`` (the same pixels as a target image), ``near`` (its layout and colours),
            ``derived`` (made from the same original as one of those), ``repeated`` (the same
            pixels as an earlier background image), ``confident``, ``unreadable``.
        detail: In words.
        match: The target image, or the earlier background image; None where there is none.
    """

    row: int
    reason: Reason
    detail: str
    match: int | None = None


@dataclass(frozen=True)
class ScreenReport:
    """What stays, and what was left out and why.

    Args:
        kept: Rows that stay.
        dropped: All others, by row.
        targets: How many target images they were compared with.
        unreadable_targets: Target images that could not be decoded, and so not compared with.
    """

    kept: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    targets: int
    unreadable_targets: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many were left out for each reason."""
        return dict(Counter(one.reason for one in self.dropped))


_DEFAULT = ScreenOptions()


def screen(
    source: BackgroundSource,
    target: BackgroundSource | None = None,
    *,
    confidences: Float[np.ndarray, " N"] | None = None,
    options: ScreenOptions = _DEFAULT,
    progress: Progress = no_progress,
) -> ScreenReport:
    """Compare every background image with every target image; every image that is left out is reported with the reason.

    Found are copies of a target image: exact, resized, recompressed, with other contrast, grey,
    mirrored left to right, inverted; and with a copy goes all that was made from it. **Not** found
    are crops of target images, turned copies, and other images of the same kind of thing: for
    the last, look at the pool, or give confidences. Those drop the hardest and most useful
    backgrounds too, so they are optional.

    Args:
        source: Background images.
        target: Images of the classes, training and test; None compares the background with itself
            only.
        confidences: Of each background image, the largest probability of a target class, from any
            classifier.
        options: Thresholds.
        progress: Called as the job goes on, stages ``background`` and ``target``.

    Returns:
        Kept and dropped rows; kept and dropped together are all.

    Raises:
        ShapeError: There is not one confidence for each image.

    References:
        Outlier exposure (arXiv:1812.04606) removes images of the classes from its outliers; the
        background of arXiv:2305.03238 was chosen by eye.
    """
    if confidences is not None and len(confidences) != len(source):
        raise ShapeError(f"{len(source)} images but {len(confidences)} confidences")
    ours = fingerprints(source, stage="background", progress=progress, workers=options.workers)
    dropped: dict[int, Dropped] = {
        row: Dropped(row, "unreadable", reason) for row, reason in ours.unreadable
    }
    compared = 0
    unreadable: tuple[tuple[int, str], ...] = ()
    if target is not None:
        theirs = fingerprints(target, stage="target", progress=progress, workers=options.workers)
        compared, unreadable = len(theirs.rows), theirs.unreadable
        for copy in find_copies(
            ours,
            theirs,
            max_hamming=options.max_hamming,
            min_correlation=options.min_correlation,
        ):
            dropped.setdefault(copy.row, _copied(copy, target))
    for one in _derived(source, dropped):
        dropped.setdefault(one.row, one)
    for one in [*_repeated(ours), *_confident(confidences, options.max_confidence)]:
        dropped.setdefault(one.row, one)
    return ScreenReport(
        tuple(row for row in range(len(source)) if row not in dropped),
        tuple(dropped[row] for row in sorted(dropped)),
        compared,
        tuple(reason for _, reason in unreadable),
    )


def _copied(copy: Copy, target: BackgroundSource) -> Dropped:
    """Why a copy is left out."""
    name = f"target image {copy.match} ({Path(target.group(copy.match)).name})"
    if copy.exact:
        return Dropped(copy.row, "exact", f"the pixels of {name}", copy.match)
    how = f", {copy.how}" if copy.how else ""
    alike = f"{copy.bits} of 64 bits differ, thumbnails correlate {copy.correlation:.2f}"
    return Dropped(copy.row, "near", f"{name}{how}: {alike}", copy.match)


def _derived(source: BackgroundSource, dropped: dict[int, Dropped]) -> list[Dropped]:
    """What was cut or made from an original that is a target image: crops are not recognised."""
    originals: dict[str, Dropped] = {}
    for one in dropped.values():
        if one.reason in {"exact", "near"}:
            originals.setdefault(source.group(one.row), one)
    if not originals:
        return []
    groups = [source.group(row) for row in range(len(source))]
    return [
        Dropped(row, "derived", f"of one original with image {first.row}, left out", first.match)
        for row, group in enumerate(groups)
        if row not in dropped and (first := originals.get(group)) is not None
    ]


def _repeated(ours: Fingerprints) -> Iterator[Dropped]:
    """All but the first of equal images."""
    first: dict[int, int] = {}
    for digest, row in zip(ours.digests.tolist(), ours.rows.tolist(), strict=True):
        earlier = first.setdefault(digest, row)
        if earlier != row:
            yield Dropped(row, "repeated", f"the pixels of background image {earlier}", earlier)


def _confident(confidences: np.ndarray | None, most: float) -> Iterator[Dropped]:
    """Those that a classifier is sure of."""
    if confidences is None:
        return
    for row in np.flatnonzero(~(confidences <= most)).tolist():
        yield Dropped(
            row, "confident", f"a class with confidence {confidences[row]:.2f}, above {most:g}"
        )
