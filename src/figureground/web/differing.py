"""Where the maps of two models differ: a signed picture, and in which part of the photo each has more."""

__all__ = ["Difference", "differences", "mass_sentence", "normalised_in"]

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from figureground.base.shapes import Maps
from figureground.maps import colour
from figureground.maps.window import place, seen_part
from figureground.web.looking import LONGEST, Look, Picture, magnified
from figureground.web.map_values import ShownMap

_OPACITY = 0.65
_COLOURS = "blue-red"
_PARTS = (
    ("at the top left", "at the top", "at the top right"),
    ("at the left", "in the middle", "at the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)


@dataclass(frozen=True)
class Difference:
    """What differs between two maps.

    Args:
        picture: The photo in grey; red where the second map is higher, blue where the first is, pale where they agree.
            Full colours are a difference of one: the highest place of one map, where the other has nothing.
        sentence: Which has more of its mass where.
    """

    picture: Picture
    sentence: str


def differences(
    looks: tuple[Look, Look], photo: Image.Image, names: tuple[str, str]
) -> list[Difference]:
    """The differences of all maps that both models have of a photo; concepts of two models cannot be matched.

    Args:
        looks: By the first model and by the second, of the same photo.
        photo: RGB.
        names: Of the models.

    Returns:
        One for each method and class, in the order of the first.
    """
    small = photo.copy()
    small.thumbnail((LONGEST, LONGEST))
    found, left = [], list(looks[1].maps)
    for one in looks[0].maps:
        other = next((each for each in left if _matches(one, each)), None)
        if other is None:
            continue
        left.remove(other)
        size = (small.height, small.width)
        first, second = normalised_in(one, size), normalised_in(other, size)
        words = one.words if one.words == other.words else f"{one.words} / {other.words}"
        picture = Picture(magnified(_painted(small, second - first)), words)
        told = mass_sentence(first.numpy(), second.numpy(), names)
        found.append(Difference(picture, f"{words}: {told}"))
    return found


def normalised_in(one: ShownMap, size: tuple[int, int]) -> Float[torch.Tensor, "H W"]:
    """A normalised map where it lies in the photo.

    Args:
        one: The map, not of concepts.
        size: Height and width that the photo is shown at.

    Returns:
        ``(H, W)`` in [0, 1]; zero where the network did not see the photo.
    """
    wide, high = size[1] / one.size[0], size[0] / one.size[1]
    x0, y0, x1, y1 = one.window
    window = (x0 * wide, y0 * high, x1 * wide, y1 * high)
    return place(one.normalised, window, size)[0] * seen_part(window, size)


def mass_sentence(
    first: Float[np.ndarray, "H W"], second: Float[np.ndarray, "H W"], names: tuple[str, str]
) -> str:
    """Which of two maps has more of its mass in which ninth of the photo.

    Args:
        first: Not negative.
        second: Not negative.
        names: Whose they are.

    Returns:
        How much of the mass lies elsewhere (half the sum of absolute differences of the maps, each divided by its sum),
        and the ninth in which each of them gains most, in points of its mass.

    Examples:
        >>> left, right = np.zeros((3, 3)), np.zeros((3, 3))
        >>> left[:, 0], right[1, 2] = 1.0, 1.0
        >>> print(mass_sentence(left, right, ("a", "b")))
        100 % of the mass lies elsewhere: b has more at the right (100 against 0 %), a at the top left (33 against 0 %).
    """
    totals = [float(one.sum()) for one in (first, second)]
    if not all(totals):
        empty = [name for name, total in zip(names, totals, strict=True) if not total]
        return f"{' and '.join(empty)} {'show' if len(empty) > 1 else 'shows'} nothing."
    shares = [one / total for one, total in zip((first, second), totals, strict=True)]
    moved = float(np.abs(shares[0] - shares[1]).sum()) / 2
    if moved < 0.005:
        return "the mass lies in the same places."
    ninths = [_ninths(one) for one in shares]
    gains = [_gain(ninths[1], ninths[0]), _gain(ninths[0], ninths[1])]
    return f"{100 * moved:.0f} % of the mass lies elsewhere: {names[1]} has more {gains[0]}, {names[0]} {gains[1]}."


def _gain(mine: Float[np.ndarray, "3 3"], theirs: Float[np.ndarray, "3 3"]) -> str:
    """The part in which one has most more than the other."""
    row, column = np.unravel_index((mine - theirs).argmax(), mine.shape)
    shares = f"({100 * mine[row, column]:.0f} against {100 * theirs[row, column]:.0f} %)"
    return f"{_PARTS[row][column]} {shares}"


def _matches(one: ShownMap, other: ShownMap) -> bool:
    """Whether two maps are of the same method and of the class at the same position."""
    same = one.position == other.position and not set(one.methods).isdisjoint(other.methods)
    return same and len(one.maps) == len(other.maps) == 1


def _painted(
    photo: Image.Image, difference: Float[torch.Tensor, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """A photo in grey with a signed map over it."""
    signed: Maps = (difference[None] + 1) / 2
    over = colour(signed, _COLOURS)[0].numpy()
    grey = np.asarray(photo.convert("L"))[..., None]
    return (_OPACITY * over + (1 - _OPACITY) * grey).round().astype(np.uint8)


def _ninths(share: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "3 3"]:
    """Sums of three by three parts."""
    rows = np.array_split(share, 3, axis=0)
    return np.array([[part.sum() for part in np.array_split(row, 3, axis=1)] for row in rows])
