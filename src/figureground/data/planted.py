"""Images whose background tells the class by a chosen amount, with everything known that usually is not."""

__all__ = [
    "GROUNDS",
    "Planted",
    "PlantedSpec",
    "check_rho",
    "make_planted",
    "shipped_photographs",
]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer, UInt8
from PIL import Image
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError

Grounds = Literal["photos", "tints", "patch"]
GROUNDS: tuple[str, ...] = get_args(Grounds)
"""Kinds of background that can tell the class."""

_PHOTOGRAPHS = (
    *("brick", "grass", "gravel", "hubble_deep_field", "moon"),
    *("coffee", "retina", "rocket", "chelsea", "immunohistochemistry"),
)
_COLOURS = np.array(
    [[.9, .1, .1], [.1, .9, .1], [.1, .1, .9], [.9, .9, .1], [.9, .1, .9], [.1, .9, .9], [.95, .55, .1], [.55, .2, .75],
     [.98, .98, .98], [.05, .05, .05]]
)  # fmt: skip
_SHARES = {
    "train": (0.0, 0.6),
    "val": (0.6, 0.78),
    "test": (0.78, 1.0),
}  # of a photograph's columns
_TINT, _TINT_NOISE = 0.4, 0.12
_PATCH_EDGE = 5 / 32  # of the side, so that the object does not cover the square
_OPACITY, _LEAST_ALPHA = 0.85, 0.1
_SIZES = (0.5, 0.7)  # of the object, shares of the side
_CLASSES = 10


@dataclass(frozen=True, eq=False)
class Planted:
    """Images, and what they were made of.

    Args:
        images: ``(N, 3, S, S)``.
        labels: Class of the object.
        grounds: Class that the background speaks for.
        masks: Exactly the object.
        boxes: Tight around it, xyxy pixels, half-open.
        clean: The same images without the object.
        alpha: How much of each pixel is object, in [0, 1].
        paint: What the object is painted with.
        sources: Row of the object in the set it was taken from.
    """

    images: UInt8[Tensor, "N 3 S S"]
    labels: Int[Tensor, " N"]
    grounds: Int[Tensor, " N"]
    masks: Bool[Tensor, "N S S"]
    boxes: Float[Tensor, "N 4"]
    clean: UInt8[Tensor, "N 3 S S"]
    alpha: Float[Tensor, "N S S"]
    paint: UInt8[Tensor, "N 3 S S"]
    sources: Int[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.labels)

    def composite(self, front: Tensor, back: Tensor) -> Tensor:
        """Objects on clean backgrounds, as this world would have made them: the truth that a measurement is held to.

        Args:
            front: Rows that give the objects.
            back: Rows that give the backgrounds.

        Returns:
            ``(n, 3, S, S)`` float in [0, 1].
        """
        alpha = self.alpha[front][:, None]
        ground, paint = self.clean[back].float() / 255, self.paint[front].float() / 255
        return ground + alpha * (paint - ground)


@cache
def shipped_photographs() -> tuple[UInt8[np.ndarray, "_ _ 3"], ...]:
    """Ten photographs that scikit-image ships, in colour where they have any.

    Brick, grass and gravel are CC0 (CC0Textures); coffee, chelsea and retina CC0 by their authors; the Hubble deep
    field, the moon, the rocket and the tissue are in the public domain or without known restrictions, all by
    scikit-image's own registry.

    Returns:
        Pixels ``(H, W, 3)``.
    """
    from skimage import data  # noqa: PLC0415 - slow to import

    found = []
    for name in _PHOTOGRAPHS:
        pixels = getattr(data, name)()
        found.append(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))
    return tuple(np.ascontiguousarray(one[..., :3]) for one in found)


def check_rho(rho: float | tuple[float, ...]) -> None:
    """Refuse what is no probability.

    Args:
        rho: One for all classes, or one for each of the ten.

    Raises:
        OptionError: It lies outside of [0, 1], or there are other than ten.
    """
    given = rho if isinstance(rho, tuple) else (rho,) * _CLASSES
    if len(given) != _CLASSES or not all(0 <= one <= 1 for one in given):
        raise OptionError(
            f"rho is a number in [0, 1], or ten of them, one for each class; not {rho}"
        )


@dataclass(frozen=True)
class PlantedSpec:
    """What the backgrounds tell.

    ``photos``: each class has photographs of its own, of which crops are cut. ``tints``: crops of any photograph in
    grey, tinted with the colour of the class: the whole background tells it. ``patch``: a coloured square in a random
    corner of a crop: a small part does.

    Args:
        rho: Probability that a background is the class's own, else it is that of any of the ten; 0 plants nothing. Ten
            numbers are those of the ten classes.
        grounds: One of ``GROUNDS``.
        side: Of the images, pixels.

    Raises:
        OptionError: An option does not exist or is out of range.
    """

    rho: float | tuple[float, ...] = 0.95
    grounds: str = "photos"
    side: int = 64

    def __post_init__(self) -> None:
        check_rho(self.rho)
        if self.grounds not in GROUNDS:
            raise OptionError(f"grounds is one of {', '.join(GROUNDS)}, not '{self.grounds}'")
        if self.side < 16:
            raise OptionError(f"side must be at least 16 pixels, not {self.side}")

    @property
    def rhos(self) -> tuple[float, ...]:
        """Of each class."""
        return self.rho if isinstance(self.rho, tuple) else (self.rho,) * _CLASSES


_DEFAULT = PlantedSpec()


@checked
def make_planted(
    objects: UInt8[np.ndarray, "M h w"] | UInt8[np.ndarray, "M h w 3"],
    labels: Integer[np.ndarray, " M"],
    *,
    count: int,
    seed: int,
    spec: PlantedSpec = _DEFAULT,
    part: str = "train",
    photographs: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]] | None = None,
    columns: tuple[float, float] | None = None,
) -> Planted:
    """Objects on backgrounds that speak for the object's class with a chosen probability, else for any of the ten.

    Parts take their crops from different columns of the photographs, so no pixel of a background is in two parts.

    Args:
        objects: Grey strokes, painted black or white with 85 % opacity; or pictures in colour, pasted whole.
        labels: Their classes, 0 to 9.
        count: How many images.
        seed: Any non-negative integer.
        spec: What the backgrounds tell.
        part: ``train``, ``val`` or ``test``.
        photographs: For each class those of its own; the ten of ``shipped_photographs`` where omitted.
        columns: Share of their columns that crops come from, where parts have different photographs.

    Returns:
        The images.

    Raises:
        OptionError: There is no such part, or a number is out of range.
        ShapeError: There is no object, or a label is out of range.
    """
    if part not in _SHARES:
        raise OptionError(f"part is one of {', '.join(_SHARES)}, not '{part}'")
    if count < 1 or seed < 0:
        raise OptionError(f"count must be positive and seed not negative: {count}, {seed}")
    if len(labels) == 0 or labels.min() < 0 or labels.max() > 9:
        raise ShapeError("there must be objects, of the classes 0 to 9")
    random = np.random.default_rng([seed, list(_SHARES).index(part), GROUNDS.index(spec.grounds)])
    photos = [[one] for one in shipped_photographs()] if photographs is None else photographs
    crop = _cutter(photos, columns=columns or _SHARES[part], side=spec.side)
    passes = [random.permutation(len(objects)) for _ in range(-(-count // len(objects)))]
    rows = np.concatenate(passes)[:count]
    edge = _PATCH_EDGE if spec.grounds == "patch" else 0.0
    made = []
    for row in rows:
        label = int(labels[row])
        own = random.random() < spec.rhos[label]
        ground = label if own else int(random.integers(_CLASSES))
        back = _GROUNDS[spec.grounds](random, crop, ground)
        made.append((ground, back, *_painted(random, objects[row], back, edge=edge)))
    return _stacked(made, rows, labels)


def _cutter(
    photos: Sequence[Sequence[np.ndarray]], *, columns: tuple[float, float], side: int
) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Cuts a square of a class's photographs, in [0, 1]."""
    begin, end = columns

    def crop(random: np.random.Generator, label: int) -> np.ndarray:
        own = photos[label % len(photos)]
        one = own[int(random.integers(len(own)))]
        height, width = one.shape[:2]
        left, right = round(begin * width), round(end * width)
        size = min(int(side * random.uniform(1.0, 1.3)), right - left, height)
        y, x = (
            random.integers(0, height - size + 1),
            left + random.integers(0, right - left - size + 1),
        )
        cut = Image.fromarray(one[y : y + size, x : x + size]).resize(
            (side, side), Image.Resampling.BILINEAR
        )
        found = np.asarray(cut, np.float32) / 255
        return found[:, ::-1] if random.random() < 0.5 else found

    return crop


_Crop = Callable[[np.random.Generator, int], np.ndarray]


def _photo(random: np.random.Generator, crop: _Crop, ground: int) -> np.ndarray:
    """A crop of the class's own."""
    return crop(random, ground)


def _tint(random: np.random.Generator, crop: _Crop, ground: int) -> np.ndarray:
    """A grey crop of any, in the colour of the class."""
    grey = crop(random, int(random.integers(10))).mean(-1, keepdims=True)
    colour = np.clip(_COLOURS[ground] + random.normal(0, _TINT_NOISE, 3), 0, 1)
    return np.clip((1 - _TINT) * grey + _TINT * colour, 0, 1).astype(np.float32)


def _patch(random: np.random.Generator, crop: _Crop, ground: int) -> np.ndarray:
    """A crop of any, with a coloured square in a corner."""
    back = crop(random, int(random.integers(10))).copy()
    size = max(3, back.shape[0] // 8)
    y, x = ((1, back.shape[0] - size - 1)[one] for one in random.integers(0, 2, 2))
    back[y : y + size, x : x + size] = _COLOURS[ground]
    return back


_GROUNDS = {"photos": _photo, "tints": _tint, "patch": _patch}


def _painted(
    random: np.random.Generator, thing: np.ndarray, back: np.ndarray, *, edge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Opacity and paint of an object somewhere on a background, a share ``edge`` of the side away from its border."""
    side = back.shape[0]
    edge = round(edge * side)
    most = side - 2 * edge
    size = min(most, int(random.integers(int(_SIZES[0] * side), int(_SIZES[1] * side) + 1)))
    y, x = edge + random.integers(0, most - size + 1, 2)
    small = (
        np.asarray(
            Image.fromarray(thing).resize((size, size), Image.Resampling.BILINEAR), np.float32
        )
        / 255
    )
    alpha, paint = np.zeros((side, side), np.float32), np.zeros((side, side, 3), np.float32)
    window = (slice(y, y + size), slice(x, x + size))
    if thing.ndim == 3:
        alpha[window], paint[window] = 1, small
    else:
        alpha[window] = _OPACITY * small
        paint[:] = 1.0 if back[window].mean() < 0.5 else 0.0
    return alpha, paint


def _stacked(
    made: Sequence[tuple[int, np.ndarray, np.ndarray, np.ndarray]],
    rows: np.ndarray,
    labels: np.ndarray,
) -> Planted:
    """All images as bytes, as stored images would be."""
    grounds, backs, alphas, paints = zip(*made, strict=True)
    clean, paint = (_bytes(np.stack(one)) for one in (backs, paints))
    alpha = torch.from_numpy(np.stack(alphas))
    mixed = clean + alpha[:, None] * (paint.float() - clean)
    masks = alpha > _LEAST_ALPHA
    return Planted(
        images=mixed.round().to(torch.uint8),
        labels=torch.from_numpy(labels[rows].astype(np.int64)),
        grounds=torch.tensor(grounds),
        masks=masks,
        boxes=_tight(masks),
        clean=clean,
        alpha=alpha,
        paint=paint,
        sources=torch.from_numpy(rows.astype(np.int64)),
    )


def _bytes(pixels: np.ndarray) -> Tensor:
    """``(N, H, W, 3)`` in [0, 1] to ``(N, 3, H, W)`` bytes."""
    return (
        torch.from_numpy(np.round(255 * pixels).astype(np.uint8)).permute(0, 3, 1, 2).contiguous()
    )


def _tight(masks: Tensor) -> Tensor:
    """Boxes around masks."""
    ends = []
    for axis in (1, 2):  # over rows: columns that are used; over columns: rows that are
        used = masks.any(axis).int()
        ends.append((used.argmax(1), used.shape[1] - used.flip(1).argmax(1)))
    (left, right), (top, bottom) = ends
    return torch.stack([left, top, right, bottom], 1).float()
