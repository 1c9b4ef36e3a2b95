"""What an image is known by: a digest of its pixels, a hash of its layout, a thumbnail."""

__all__ = ["HASH_BITS", "MIRRORED", "Fingerprints", "fingerprints"]

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64
from PIL import Image

from figureground.base.errors import ImageError
from figureground.base.progress import Progress, no_progress
from figureground.data.background.fetching import fetched
from figureground.data.background.source import BackgroundSource, ImageArray

HASH_BITS = 64
_SIDE, _THUMBNAIL = 32, 16
_BLANK = 2.0  # grey levels of standard deviation below which the layout is only rounding

# the 64 lowest spatial frequencies (v down, u across) but the mean
_FREQUENCIES = np.array(
    sorted(
        ((v, u) for v in range(12) for u in range(12) if v + u),
        key=lambda p: (p[0] ** 2 + p[1] ** 2, p),
    )[:HASH_BITS]
)
_BITS = np.uint64(1) << np.arange(HASH_BITS, dtype=np.uint64)
_ANGLES = np.pi * np.outer(np.arange(12), np.arange(_SIDE) + 0.5) / _SIDE
_COSINES = np.cos(_ANGLES)

MIRRORED = np.bitwise_or.reduce(_BITS[_FREQUENCIES[:, 1] % 2 == 1])
"""The bits that change when an image is mirrored left to right: those of odd waves across."""


@dataclass(frozen=True)
class Fingerprints:
    """Of the images of one source that could be decoded.

    Args:
        rows: Which image each belongs to.
        digests: Of size and pixels: equal for equal images only.
        hashes: Signs of the 64 lowest cosine waves of the grey image: nearly equal for images
            of one layout, whatever their size, contrast or compression; all bits change when it is
            inverted.
        thumbnails: 16 x 16 pixels in colour.
        blank: Images without layout, whose hash means nothing.
        unreadable: Row and reason of the others.
    """

    rows: Int64[np.ndarray, " N"]
    digests: UInt64[np.ndarray, " N"]
    hashes: UInt64[np.ndarray, " N"]
    thumbnails: UInt8[np.ndarray, "N 16 16 3"]
    blank: Bool[np.ndarray, " N"]
    unreadable: tuple[tuple[int, str], ...]


def fingerprints(
    source: BackgroundSource, *, stage: str, progress: Progress = no_progress, workers: int = 4
) -> Fingerprints:
    """Fingerprints of all images of a source, each looked at once.

    Args:
        source: The images.
        stage: What to call this when ``progress`` is called.
        progress: Called as the job goes on.
        workers: Threads that decode.

    Returns:
        About 1 kB for each image.
    """
    count = len(source)
    rows = np.empty(count, np.int64)
    digests, hashes = np.empty(count, np.uint64), np.empty(count, np.uint64)
    thumbnails = np.empty((count, _THUMBNAIL, _THUMBNAIL, 3), np.uint8)
    blank = np.empty(count, np.bool_)
    unreadable: list[tuple[int, str]] = []
    at = 0
    for row, image in fetched(source, range(count), workers=workers):
        if isinstance(image, ImageError):
            unreadable.append((row, str(image)))
        else:
            rows[at], digests[at] = row, _digest(image)
            hashes[at], blank[at], thumbnails[at] = _layout(image)
            at += 1
        if row % 64 == 63 or row + 1 == count:
            progress(stage, row + 1, count)
    kept = slice(0, at)
    return Fingerprints(
        rows[kept], digests[kept], hashes[kept], thumbnails[kept], blank[kept], tuple(unreadable)
    )


def _digest(image: ImageArray) -> int:
    """64 bits of size and pixels."""
    content = np.ascontiguousarray(image)
    salt = ",".join(map(str, content.shape)).encode()
    return int.from_bytes(hashlib.blake2b(content.data, digest_size=8, key=salt).digest(), "little")


def _layout(image: ImageArray) -> tuple[np.uint64, bool, np.ndarray]:
    """Hash, whether there is nothing to hash, thumbnail."""
    small = Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    grey = np.asarray(small.convert("L"), np.float64)
    waves = _COSINES @ (grey - grey.mean()) @ _COSINES.T
    signs = waves[_FREQUENCIES[:, 0], _FREQUENCIES[:, 1]] > 0
    thumbnail = small.reduce(_SIDE // _THUMBNAIL)
    return np.bitwise_or.reduce(_BITS[signs]), bool(grey.std() < _BLANK), np.asarray(thumbnail)
