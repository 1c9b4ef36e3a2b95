"""Which images of one source are copies of images of another, by their fingerprints."""

__all__ = ["Copy", "find_copies"]

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from figureground.data.background.fingerprints import HASH_BITS, MIRRORED, Fingerprints

_PAIRS_AT_ONCE = 2**22
_THUMBNAILS_AT_ONCE = 2**13
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
_LEVELS = 2  # grey levels by which two images of one colour may differ


@dataclass(frozen=True)
class Copy:
    """A pair of images.

    Args:
        row: Of the one.
        match: Row of the other.
        exact: The pixels are equal.
        bits: In how many of 64 the hashes differ.
        correlation: Of the thumbnails.
        how: What was done to the copy: nothing, ``mirrored``, ``inverted``, or both.
    """

    row: int
    match: int
    exact: bool = True
    bits: int = 0
    correlation: float = 1.0
    how: str = ""


def find_copies(
    ours: Fingerprints, theirs: Fingerprints, *, max_hamming: int = 8, min_correlation: float = 0.9
) -> Iterator[Copy]:
    """For each of ours that is one of theirs, the most like it.

    Every image is compared with every other, some millions of pairs at a time; a pair whose
    hashes are near must also have thumbnails that correlate.

    Args:
        ours: N images.
        theirs: M images.
        max_hamming: Bits of 64 in which the hashes may differ.
        min_correlation: Least correlation of the thumbnails.

    Yields:
        At most one copy for each of ours, in order.
    """
    first = {int(digest): at for at, digest in reversed(list(enumerate(theirs.digests)))}
    step = max(1, _PAIRS_AT_ONCE // max(1, len(theirs.rows)))
    for start in range(0, len(ours.rows), step):
        part = range(start, min(start + step, len(ours.rows)))
        near = _near(ours, theirs, part=part, limits=(max_hamming, min_correlation))
        near |= _same_colour(ours, theirs, part)
        for at in part:
            same = first.get(int(ours.digests[at]))
            if same is not None:
                yield Copy(int(ours.rows[at]), int(theirs.rows[same]))
            elif at in near:
                yield near[at]


def _near(
    ours: Fingerprints, theirs: Fingerprints, *, part: range, limits: tuple[int, float]
) -> dict[int, Copy]:
    """Place in ours -> its best copy, for those that have one."""
    best: dict[int, Copy] = {}
    mine = slice(part.start, part.stop)
    layout = ~ours.blank[mine, None] & ~theirs.blank[None]
    for mirrored in (False, True):
        hashes = ours.hashes[mine, None] ^ (MIRRORED if mirrored else np.uint64(0))
        apart = np.bitwise_count(hashes ^ theirs.hashes[None])
        for inverted in (False, True):
            bits = HASH_BITS - apart if inverted else apart
            pairs = np.argwhere((bits <= limits[0]) & layout)
            placed = pairs + np.array([part.start, 0])
            correlations = _correlation(ours, theirs, placed, mirrored=mirrored)
            correlations = -correlations if inverted else correlations
            how = " and ".join(["mirrored"] * mirrored + ["inverted"] * inverted)
            order = np.argsort(correlations)
            for at, pair in dict(zip(pairs[order, 0].tolist(), order, strict=True)).items():
                place, other, correlation = (
                    at + part.start,
                    pairs[pair, 1],
                    float(correlations[pair]),
                )
                if correlation >= limits[1] and (
                    place not in best or correlation > best[place].correlation
                ):
                    best[place] = Copy(
                        int(ours.rows[place]),
                        int(theirs.rows[other]),
                        exact=False,
                        bits=int(bits[at, other]),
                        correlation=correlation,
                        how=how,
                    )
    return best


def _correlation(
    ours: Fingerprints, theirs: Fingerprints, pairs: np.ndarray, *, mirrored: bool
) -> np.ndarray:
    """Correlation of the thumbnails of each pair, in brightness."""
    correlations = np.empty(len(pairs))
    for start in range(0, len(pairs), _THUMBNAILS_AT_ONCE):
        part = slice(start, start + _THUMBNAILS_AT_ONCE)
        a, b = ours.thumbnails[pairs[part, 0]], theirs.thumbnails[pairs[part, 1]]
        a = _centred(a[:, :, ::-1] if mirrored else a)
        b = _centred(b)
        norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
        correlations[part] = (a * b).sum(axis=1) / np.maximum(norms, 1e-6)
    return correlations


def _centred(thumbnails: np.ndarray) -> np.ndarray:
    """Brightness, one row each, without the mean; a grey copy is a copy."""
    rows = (thumbnails @ _BRIGHTNESS).reshape(len(thumbnails), -1)
    centred: np.ndarray = rows - rows.mean(axis=1, keepdims=True)
    return centred


def _same_colour(ours: Fingerprints, theirs: Fingerprints, part: range) -> dict[int, Copy]:
    """Images without layout are copies where the colour is the same all over."""
    found: dict[int, Copy] = {}
    others = np.flatnonzero(theirs.blank)
    for at in np.flatnonzero(ours.blank[part.start : part.stop]) + part.start:
        apart = theirs.thumbnails[others].astype(np.int16) - ours.thumbnails[at]
        same = others[np.abs(apart).max(axis=(1, 2, 3), initial=0) <= _LEVELS]
        if len(same):
            found[int(at)] = Copy(int(ours.rows[at]), int(theirs.rows[same[0]]), exact=False)
    return found
