"""Images of more than 8 bits a channel, brought to 8."""

__all__ = ["Depth", "deep_values", "depth_of", "eight_bits"]

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

from figureground.base.errors import DataError
from figureground.base.value_range import FULL, ValueRange
from figureground.data.notices import Notice

_BITS_TAG, _PHOTOMETRIC_TAG, _PLANES_TAG, _SIGN_TAG = 258, 262, 284, 339
_GREY_MODES = ("I", "F")
# what Pillow decodes to the high bytes of -> what it decodes to the low ones of; N is the machine's own order
_SWAPPED = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
_TWO_PASSES = ("RGB;16", "RGBX;16", "RGBA;16")
_SMALL = 8  # below this part of its range an image is dark to the eye
_ROWS = 256  # scaled at a time, so that no second image of larger numbers is held


@dataclass(frozen=True)
class Depth:
    """How an image of more than 8 bits is stored.

    Args:
        top: The largest number that the file can hold; None for floating point.
        rawmode: Pillow's name of the layout where it keeps the high bytes alone; empty where it keeps all.
        white_is_zero: Whether 0 is white.
        in_planes: Whether each colour is stored by itself, which Pillow takes for 8 bits.
    """

    top: int | None
    rawmode: str = ""
    white_is_zero: bool = False
    in_planes: bool = False


def depth_of(image: Image.Image) -> Depth | None:
    """How the numbers of an image lie in its file.

    Args:
        image: Opened, not yet decoded.

    Returns:
        None where a channel has 8 bits or less.
    """
    rawmode = _rawmode(image)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _depth_of_tiff(image, rawmode)
    if image.mode.startswith(_GREY_MODES):
        return Depth(65535)
    return Depth(65535, rawmode) if ";16" in rawmode else None


def deep_values(image: Image.Image, depth: Depth, again: Callable[[], Image.Image]) -> np.ndarray:
    """The numbers as they are stored.

    Args:
        image: Decoded.
        depth: Of the image.
        again: Opens the image another time.

    Returns:
        ``(H, W)`` or ``(H, W, 3)``.

    Raises:
        DataError: They cannot be got at.
    """
    if depth.in_planes:
        other = again()
        assert isinstance(other, ImageFile.ImageFile)  # noqa: S101 - as the first time
        return _planes(other)
    if not depth.rawmode:
        return np.asarray(image)
    if depth.rawmode[:-1] not in _TWO_PASSES:
        raise DataError(
            f"16-bit pixels of the kind {depth.rawmode} are read at their full range only; save the image as grey "
            "or RGB"
        )
    high, other = np.asarray(image)[..., :3].astype(np.uint16), again()
    assert isinstance(other, ImageFile.ImageFile)  # noqa: S101 - as the first time
    other.tile = [tile._replace(args=_low_bytes(tile.args)) for tile in other.tile]
    other.load()
    return (high << 8) | np.asarray(other)[..., :3]


def eight_bits(
    image: Image.Image, depth: Depth, again: Callable[[], Image.Image], *, value_range: ValueRange
) -> tuple[Image.Image, list[Notice]]:
    """The image with 8 bits a channel.

    Args:
        image: Decoded, unless it lies in planes.
        depth: Of the image.
        again: Opens the image another time.
        value_range: What becomes black and what white.

    Returns:
        It, transparency and all, and what is to be said about it.

    Raises:
        DataError: It has numbers outside of what the range can be, or of unknown meaning.
    """
    if depth.rawmode and value_range.text == FULL:
        # the high bytes are the answer, and what is bright needs no second look
        channels: Any = image.getextrema()  # of several, so pairs
        brightest = max(high for _, high in channels[:3])
        known = depth.rawmode[:-1] in _TWO_PASSES
        dark = brightest < 256 // _SMALL and known
        return image, _small(deep_values(image, depth, again), depth) if dark else []
    values = deep_values(image, depth, again)
    low, high = _bounds(values, depth, value_range)
    grey = _scaled(values, low, high)
    made = Image.fromarray(255 - grey if depth.white_is_zero else grey)
    if depth.rawmode and image.has_transparency_data:
        made.putalpha(image.convert("RGBA").getchannel("A"))
    return made, _small(values, depth) if value_range.text == FULL else []


def _depth_of_tiff(image: TiffImagePlugin.TiffImageFile, rawmode: str) -> Depth | None:
    """Of a TIFF, whose tags say it."""
    tags = image.tag_v2
    bits, sign = tags.get(_BITS_TAG, (1,))[0], tags.get(_SIGN_TAG, (1,))[0]
    if bits <= 8:
        return None
    # numbers of 32 bits hold 16 of them at most, as Pillow and others write grey images
    top = None if sign == 3 else min(2 ** (bits - (sign == 2)) - 1, 65535)
    grey = image.mode.startswith(_GREY_MODES)
    in_planes = not grey and tags.get(_PLANES_TAG, 1) == 2
    return Depth(
        top,
        "" if grey or in_planes else rawmode,
        grey and tags.get(_PHOTOMETRIC_TAG) == 0,
        in_planes,
    )


def _rawmode(image: Image.Image) -> str:
    """Pillow's name of the layout in the file; empty where the format has none."""
    tiles = getattr(image, "tile", None) or []
    args = tiles[0].args if tiles else ""
    found = args[0] if isinstance(args, tuple) and args else args
    return found if isinstance(found, str) else ""


def _low_bytes(args: tuple[object, ...] | str | None) -> tuple[object, ...] | str:
    """The arguments of Pillow's decoder for the other byte of each number."""
    if isinstance(args, tuple):
        mode = str(args[0])
        return (mode[:-1] + _SWAPPED[mode[-1]], *args[1:])
    mode = str(args)
    return mode[:-1] + _SWAPPED[mode[-1]]


def _planes(image: ImageFile.ImageFile) -> np.ndarray:
    """Colours of 16 bits that are stored one after the other."""
    if find_spec("tifffile") is None:
        raise DataError(
            "a TIFF whose colours of more than 8 bits are stored one after the other is read with tifffile: "
            "pip install 'figureground[tiff]'"
        )
    assert image.fp is not None  # noqa: S101 - it is not decoded yet
    image.fp.seek(0)
    with import_module("tifffile").TiffFile(io.BytesIO(image.fp.read())) as file:
        page = file.pages[0]
        values = np.asarray(page.asarray())
    if page.photometric != 2 or values.ndim != 3 or len(values) != 3:
        raise DataError(
            f"a TIFF of {page.samplesperpixel} planes of {page.bitspersample} bits, of which only red, green and blue "
            "can be read"
        )
    return np.moveaxis(values, 0, -1)


def _bounds(values: np.ndarray, depth: Depth, value_range: ValueRange) -> tuple[float, float]:
    """What becomes black and what white; numbers that cannot be are refused."""
    if not np.isfinite(values.min()) or not np.isfinite(values.max()):
        raise DataError("some pixels are not finite numbers")
    least, most = float(values.min()), float(values.max())
    if value_range.text == "data":
        return least, most
    low, high = value_range.bounds or (0.0, float(depth.top or 0))
    if value_range.bounds is None:
        if depth.top is None:
            raise DataError(
                "floating-point pixels of unknown range; say the range (lo,hi or data), or save it with 8 or 16 bits"
            )
        if least < 0 or most > depth.top:
            raise DataError(
                f"whole-number pixels outside 0..{depth.top}; say the range (lo,hi or data), or save it "
                "with 8 or 16 bits"
            )
    elif value_range.is_depth and (least < 0 or most > high):
        raise DataError(
            f"pixels from {least:g} to {most:g}: more than {value_range.text}, whose range is 0 to {high:g}"
        )
    return low, high


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers as bytes: ``low`` and below is 0, ``high`` and above 255."""
    made = np.empty(values.shape, np.uint8)
    factor = 255 / (high - low) if high > low else 0.0
    for start in range(0, len(values), _ROWS):
        part = (values[start : start + _ROWS].astype(np.float64) - low) * factor
        made[start : start + _ROWS] = np.rint(part.clip(0, 255))
    return made


def _small(values: np.ndarray, depth: Depth) -> list[Notice]:
    """A word on an image whose largest number is far below what the file can hold."""
    most = int(values.max())
    if depth.top is None or not 0 < most < depth.top / _SMALL:
        return []
    return [Notice("small-range", f"numbers up to {most} of {depth.top}")]
