"""What changes when a part of a photo, or all but it, is replaced; and what differs between two models."""

__all__ = ["FILLS", "Change", "Spot", "ask", "changed_photo", "compared", "covered"]

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageFilter, ImageOps

from figureground.base.errors import OptionError, unknown_option
from figureground.studies.explain.options import ExplainOptions
from figureground.web.looking import Look, look
from figureground.web.served import ServedModel

FILLS = ("blur", "grey", "noise", "another photo")
_BLUR = 0.08  # standard deviation, of the shorter side: nothing can be told any more
_TOP = 5


@dataclass(frozen=True)
class Spot:
    """A disc that was painted.

    Args:
        x: Of its middle, pixels of the photo.
        y: Of its middle.
        radius: Pixels.
    """

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Change:
    """A class before and after, or by one model and by another.

    Args:
        label: The class.
        before: Its probability; None where the first model does not know the class.
        after: Its probability; None where the second does not.
    """

    label: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float | None:
        """After minus before."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


def covered(size: tuple[int, int], spots: Sequence[Spot]) -> Bool[np.ndarray, "H W"]:
    """Which pixels were painted.

    Args:
        size: Width and height of the photo.
        spots: Discs; a pixel is in one if its middle is.

    Returns:
        True where painted.

    Examples:
        >>> covered((4, 3), [Spot(1.5, 1.5, 0.6)]).astype(int).tolist()
        [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    """
    y, x = (axis + 0.5 for axis in np.ogrid[: size[1], : size[0]])
    found = np.zeros((size[1], size[0]), dtype=bool)
    for one in spots:
        found |= (x - one.x) ** 2 + (y - one.y) ** 2 <= one.radius**2
    return found


def changed_photo(
    photo: Image.Image,
    replaced: Bool[np.ndarray, "H W"],
    fill: str,
    *,
    other: Image.Image | None = None,
    seed: int = 0,
) -> Image.Image:
    """A photo of which a part is replaced.

    Args:
        photo: RGB. Not changed.
        replaced: True where it is.
        fill: ``blur``, the photo out of focus; ``grey``, its mean colour; ``noise``, pixels drawn at random;
            ``another photo``, what another photo has at the same place.
        other: That photo, RGB: scaled until it covers the first, and cut at both ends of the side that is too long.
        seed: Of the noise.

    Returns:
        The new photo; elsewhere it has the pixels of the old one.

    Raises:
        OptionError: There is no such fill, or no other photo.
    """  # noqa: DOC501 - unknown_option makes an OptionError
    pixels = np.asarray(photo)
    if fill == "blur":
        radius = _BLUR * min(photo.size)
        filled = np.asarray(photo.filter(ImageFilter.GaussianBlur(radius)))
    elif fill == "grey":
        filled = np.broadcast_to(pixels.mean((0, 1)).round().astype(np.uint8), pixels.shape)
    elif fill == "noise":
        filled = np.random.default_rng(seed).integers(0, 256, pixels.shape, dtype=np.uint8)
    elif fill != "another photo":
        raise unknown_option("fill", fill, FILLS)
    elif other is None:
        raise OptionError("pick or bring the other photo first")
    else:
        filled = np.asarray(ImageOps.fit(other, photo.size, Image.Resampling.BILINEAR))
    return Image.fromarray(np.where(replaced[..., None], filled, pixels))


def ask(
    model: ServedModel, photos: tuple[Image.Image, Image.Image], options: ExplainOptions
) -> tuple[Look, Look, list[Change]]:
    """What a classifier sees before and after a change, the same classes explained in both.

    Args:
        model: The classifier.
        photos: As it was, and as it is now.
        options: As for ``look``.

    Returns:
        Before, after, and the probabilities of the classes that lead in either.
    """
    before = look(model, photos[0], options)
    after = look(model, photos[1], replace(options, classes=list(before.classes) or None))
    return before, after, _changes(before, after)


def compared(
    models: tuple[ServedModel, ServedModel], photo: Image.Image, options: ExplainOptions
) -> tuple[Look, Look, list[Change]]:
    """What two classifiers see in one photo.

    Args:
        models: Both.
        photo: RGB, upright.
        options: As for ``look``; classes by name or number of each. Where none are named, each model's maps are of the
            class that it predicts.

    Returns:
        By the first, by the second, and the probabilities of the classes that lead in either, matched by name.
    """
    first, second = (look(one, photo, options) for one in models)
    return first, second, _changes(first, second)


def _changes(first: Look, second: Look) -> list[Change]:
    """Leading classes of both, those of the first first."""
    leading = dict.fromkeys([*list(first.probabilities)[:_TOP], *list(second.probabilities)[:_TOP]])
    return [
        Change(name, first.probabilities.get(name), second.probabilities.get(name))
        for name in leading
    ]
