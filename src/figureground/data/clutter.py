"""Cluttered digits: images that come with true boxes, and the same clutter without a digit."""

__all__ = ["Clutter", "ClutterSpec", "clutter_only", "make_clutter"]

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError

_CHUNK = 1024  # images whose windows are gathered at once; bounds memory


@dataclass(frozen=True)
class ClutterSpec:
    """How a cluttered image is laid out, in pixels.

    Args:
        size: Side of the square canvas.
        distractors: How many pieces of other digits lie around.
        patch: Side of such a piece.
        border: How far the digit's window stays away from the edge.

    Raises:
        OptionError: A number is out of range.
    """

    size: int = 100
    distractors: int = 8
    patch: int = 8
    border: int = 0

    def __post_init__(self) -> None:
        for name, least in (("size", 1), ("distractors", 0), ("patch", 1), ("border", 0)):
            if getattr(self, name) < least:
                raise OptionError(f"{name} is {getattr(self, name)}; at least {least} is needed")
        if self.patch > self.size:
            raise OptionError(
                f"a patch of {self.patch} pixels does not fit a canvas of {self.size}"
            )


@dataclass(frozen=True)
class Clutter:
    """Cluttered images and where everything lies. Boxes are xyxy pixels, half-open.

    Args:
        images: Grey images, 0 (ground) to 255.
        labels: The digit, or the background label where there is none.
        boxes: Tight around the digit's pixels above 0; four zeros where there is no digit.
        origins: x, y of the upper left corner of the digit's window; -1 where there is none.
        distractors: The windows of the pieces; a piece may be blank.
        sources: Row of the digit in the set it was taken from; -1 where there is none.
    """

    images: UInt8[np.ndarray, "N H W"]
    labels: Int[np.ndarray, " N"]
    boxes: Float[np.ndarray, "N 4"]
    origins: Int[np.ndarray, "N 2"]
    distractors: Float[np.ndarray, "N D 4"]
    sources: Int[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.images)


_DEFAULT = ClutterSpec()


@checked
def make_clutter(
    digits: UInt8[np.ndarray, "M h w"],
    labels: Integer[np.ndarray, " L"],
    *,
    count: int,
    spec: ClutterSpec = _DEFAULT,
    seed: int,
) -> Clutter:
    """Digits among pieces of digits.

    On a black canvas come first the pieces, then one whole digit; sums are clipped at 255. Each
    piece is a window of a digit drawn with replacement, laid anywhere; the digits come in random
    permutations of the whole set, so each is used once per pass; a digit's place is uniform.
    Image i depends on the seed and on i only, not on ``count``: a longer set begins with the
    shorter one.

    Args:
        digits: Grey digits, none of them blank.
        labels: Their classes.
        count: How many images.
        spec: The layout; the default is the one of the published cluttered MNIST, 100x100 with 8
            pieces.
        seed: Any non-negative integer.

    Returns:
        The images with labels, boxes and places.

    Raises:
        OptionError: The layout does not fit the digits, or count or seed is negative.
        ShapeError: There are no digits, one is blank, or the labels do not match.

    References:
        DeepMind, mnist-cluttered (2015), ``mnist_cluttered.lua``. *Differs:* sums are of whole grey
        levels, which equals the original's sums of fractions after rounding to 8 bits; the random
        numbers are NumPy's.

    Examples:
        >>> ones = np.full((2, 3, 3), 255, np.uint8)
        >>> made = make_clutter(
        ...     ones, np.array([4, 7]), count=2, seed=0, spec=ClutterSpec(8, 0, patch=1)
        ... )
        >>> (made.images.sum(axis=(1, 2)) // 255).tolist(), sorted(made.labels.tolist())
        ([9, 9], [4, 7])
        >>> bool((made.boxes[:, :2] == made.origins).all()), made.boxes[0, 2:] - made.boxes[0, :2]
        (True, array([3., 3.], dtype=float32))
    """
    _check(digits, count=count, spec=spec, seed=seed)
    if len(labels) != len(digits):
        raise ShapeError(f"{len(digits)} digits but {len(labels)} labels")
    tight = _tight_boxes(digits)
    images, distractors = _ground(digits, count=count, spec=spec, seed=seed)
    order, place = _streams(seed)[1:]
    sources = _permutations(order, len(digits), count)
    room = np.array(digits.shape[:0:-1])  # width, height
    free = spec.size - 2 * spec.border - room + 1
    origins = spec.border + place.integers(0, free, size=(count, 2))
    for part in _chunks(count):
        _add(images[part], digits[sources[part]], origins[part])
    boxes = (tight[sources] + np.tile(origins, 2)).astype(np.float32)
    return Clutter(images, labels[sources].astype(np.int64), boxes, origins, distractors, sources)


@checked
def clutter_only(
    digits: UInt8[np.ndarray, "M h w"],
    *,
    background: int,
    count: int,
    spec: ClutterSpec = _DEFAULT,
    seed: int,
) -> Clutter:
    """What `make_clutter` gives with this seed before the digit is added: natural background.

    Equal seeds give pairs with and without the digit; give another seed for images that share
    nothing.

    Args:
        digits: Grey digits that the pieces are cut from.
        background: The label to give, by convention the number of classes.
        count: How many images.
        spec: The layout.
        seed: Any non-negative integer.

    Returns:
        The images; boxes are zeros, origins and sources -1.

    Raises:
        OptionError: The layout does not fit the digits, or count or seed is negative.
        ShapeError: There are no digits.

    Examples:
        >>> twos = np.full((1, 4, 4), 2, np.uint8)
        >>> empty = clutter_only(
        ...     twos, background=10, count=1, seed=0, spec=ClutterSpec(4, 3, patch=4)
        ... )
        >>> empty.images.max(), empty.labels
        (np.uint8(6), array([10]))
    """
    _check(digits, count=count, spec=spec, seed=seed)
    images, distractors = _ground(digits, count=count, spec=spec, seed=seed)
    nowhere = np.full((count, 2), -1, np.int64)
    none = np.zeros((count, 4), np.float32)
    labels = np.full(count, background, np.int64)
    return Clutter(images, labels, none, nowhere, distractors, nowhere[:, 0])


def _check(digits: np.ndarray, *, count: int, spec: ClutterSpec, seed: int) -> None:
    """Refuse what cannot be laid out."""
    if count < 0 or seed < 0:
        raise OptionError(f"count is {count} and seed is {seed}; neither may be negative")
    if len(digits) == 0:
        raise ShapeError("no digits to choose from")
    height, width = digits.shape[1:]
    if spec.patch > min(height, width):
        raise OptionError(f"a patch of {spec.patch} pixels does not fit {height}x{width} digits")
    if max(height, width) + 2 * spec.border > spec.size:
        raise OptionError(
            f"{height}x{width} digits with a border of {spec.border} do not fit a canvas of {spec.size}"
        )


def _streams(seed: int) -> list[np.random.Generator]:
    """Independent random streams for the pieces, the order of the digits, and their places."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)]


def _ground(
    digits: np.ndarray, *, count: int, spec: ClutterSpec, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Canvases with the pieces on them, and the windows of the pieces (N, D, 4)."""
    height, width = digits.shape[1:]
    top = np.array([len(digits), width - spec.patch + 1, height - spec.patch + 1])
    top = np.append(top, [spec.size - spec.patch + 1] * 2)
    drawn = _streams(seed)[0].integers(0, top, size=(count, spec.distractors, 5))
    source, inside, corner = drawn[..., 0], drawn[..., 1:3], drawn[..., 3:5]
    images = np.zeros((count, spec.size, spec.size), np.uint8)
    for part in _chunks(count):
        for slot in range(spec.distractors):
            rows, columns = _window(inside[part, slot], (spec.patch, spec.patch))
            pieces = digits[source[part, slot, None, None], rows, columns]
            _add(images[part], pieces, corner[part, slot])
    return images, np.concatenate([corner, corner + spec.patch], axis=-1).astype(np.float32)


def _add(images: np.ndarray, pieces: np.ndarray, corners: np.ndarray) -> None:
    """Add one piece to each image of a chunk, in place, clipped at 255."""
    which = np.arange(len(images))[:, None, None]
    rows, columns = _window(corners, pieces.shape[1:])
    old = images[which, rows, columns]
    images[which, rows, columns] = old + np.minimum(pieces, 255 - old)


def _window(corners: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column indices (n, h, 1) and (n, 1, w) of windows whose x, y corners are given."""
    rows = corners[:, 1, None, None] + np.arange(shape[0])[:, None]
    columns = corners[:, 0, None, None] + np.arange(shape[1])
    return rows, columns


def _tight_boxes(digits: np.ndarray) -> np.ndarray:
    """Half-open xyxy boxes (M, 4) around the pixels above 0."""
    blank = np.flatnonzero(digits.max(axis=(1, 2)) == 0)
    if len(blank):
        raise ShapeError(f"digit {blank[0]} is blank; it has no box")
    sides = []
    for axis in (1, 2):  # over rows: which columns are used; over columns: which rows are
        used = digits.max(axis=axis) > 0
        sides.append((used.argmax(axis=1), used.shape[1] - used[:, ::-1].argmax(axis=1)))
    (left, right), (upper, lower) = sides
    return np.stack([left, upper, right, lower], axis=1)


def _permutations(order: np.random.Generator, size: int, count: int) -> np.ndarray:
    """The first ``count`` of an endless row of random permutations."""
    passes = [order.permutation(size) for _ in range(-(-count // size))]
    return np.concatenate([*passes, np.zeros(0, np.int64)])[:count]


def _chunks(count: int) -> Iterator[slice]:
    """Slices that cover ``count`` images."""
    for start in range(0, count, _CHUNK):
        yield slice(start, start + _CHUNK)
