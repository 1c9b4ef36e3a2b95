"""Images on disk or in memory as upright RGB, whatever kind of file they came in."""

__all__ = ["decode_image", "decode_mask", "image_size"]

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool
from PIL import Image

from figureground.base.errors import ImageError

# a closed list, most frequent first: other plug-ins of Pillow run programs or accept any bytes
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_Stream: TypeAlias = io.BytesIO | io.BufferedReader
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_PLAIN_REASONS: dict[type[Exception], str] = {
    FileNotFoundError: "no such file",
    IsADirectoryError: "a folder, not an image",
    PermissionError: "permission denied",
}


def decode_image(source: Path | str | bytes | io.BufferedIOBase) -> Image.Image:
    """The image as upright 8-bit RGB.

    The EXIF orientation is applied; grey, palette and CMYK images are converted; what is
    transparent is laid on white; 16-bit grey is scaled by 1/257, not clipped; of an animation the
    first frame counts. Colour profiles are ignored. JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, JPEG 2000
    and AVIF are read, told apart by content, not by name. No setting of Pillow is changed, so any
    number of threads may decode at once. The largest size is Pillow's own
    ``Image.MAX_IMAGE_PIXELS``, read at each call.

    Args:
        source: A file, its bytes, or an open binary stream (read to its end).

    Returns:
        The image in mode RGB, loaded, independent of the file.

    Raises:
        ImageError: It cannot be decoded; ``reason`` says why.

    Examples:
        >>> content = io.BytesIO()
        >>> Image.new("LA", (3, 2), (0, 128)).save(content, "PNG")  # half-transparent black
        >>> picture = decode_image(content.getvalue())
        >>> picture.mode, picture.size, picture.getpixel((0, 0))
        ('RGB', (3, 2), (127, 127, 127))
    """
    with _opened(source) as (image, _):
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        rgb = _to_rgb(image)
        return rgb if turn is None else rgb.transpose(turn)


def image_size(source: Path | str | bytes | io.BufferedIOBase) -> tuple[int, int]:
    """Width and height of the upright image in pixels, from its header where that is enough.

    Args:
        source: A file, its bytes, or an open binary stream (read to its end).

    Returns:
        ``(width, height)`` of what `decode_image` gives.

    Raises:
        ImageError: It is not an image that can be read; damage behind the header is not looked
            for.
    """
    with _opened(source) as (image, stream):
        width, height = image.size
        sideways = _may_be_turned(image, stream) and _orientation(image) in _SIDEWAYS
        return (height, width) if sideways else (width, height)


def decode_mask(source: Path | str | bytes | io.BufferedIOBase) -> Bool[np.ndarray, "H W"]:
    """Which pixels of a mask image are marked: those that are not black.

    Alpha channels are ignored; palette colours count, not their numbers; 16-bit values are not
    rounded.

    Args:
        source: A file, its bytes, or an open binary stream (read to its end).

    Returns:
        True where marked.

    Raises:
        ImageError: It cannot be decoded; ``reason`` says why.
    """
    with _opened(source) as (image, _):
        if image.mode not in {"1", "L", "I", "F"} and not image.mode.startswith("I;"):
            return np.asarray(image.convert("RGBA"))[..., :3].max(axis=2) > 0
        return np.greater(np.asarray(image), 0)


@contextmanager
def _opened(
    source: Path | str | bytes | io.BufferedIOBase,
) -> Iterator[tuple[Image.Image, _Stream]]:
    """The image, its header read, and its stream; all that fails inside is an ImageError."""
    name = str(source) if isinstance(source, Path | str) else "<bytes>"
    try:
        with _stream(source) as stream, _identified(stream) as image:
            yield image, stream
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ImageError(name, _reason(error)) from error


def _stream(source: Path | str | bytes | io.BufferedIOBase) -> _Stream:
    """A seekable stream over the source."""
    if isinstance(source, Path | str):
        path = Path(source)
        if path.exists() and not path.is_file() and not path.is_dir():
            raise _RefusedError("not an ordinary file")  # opening a pipe would wait for ever
        return path.open("rb")
    return io.BytesIO(source if isinstance(source, bytes) else source.read())


def _identified(stream: _Stream) -> Image.Image:
    """The image, not yet decoded, small enough to be."""
    # Image.open would warn about sizes, and a warning can be silenced for all threads only
    Image.init()
    prefix = stream.read(16)
    if not prefix:
        raise _RefusedError("the file is empty")
    for name in _FORMATS:
        image = _tried(name, prefix, stream)
        if image is not None:
            _refuse_huge(image)
            return image
    raise _RefusedError(f"not an image of a kind that can be read ({', '.join(_FORMATS)})")


def _tried(name: str, prefix: bytes, stream: _Stream) -> Image.Image | None:
    """The image if it is of this format."""
    if name not in Image.OPEN:
        return None  # a Pillow built without it
    factory, accepts = Image.OPEN[name]
    accepted = accepts is None or accepts(prefix)
    if isinstance(accepted, str):
        raise _RefusedError(accepted)
    if not accepted:
        return None
    stream.seek(0)
    return factory(stream, "")


def _refuse_huge(image: Image.Image) -> None:
    """A small file can unfold to more pixels than the machine has memory for."""
    limit = Image.MAX_IMAGE_PIXELS
    width, height = image.size
    if limit is not None and width * height > limit:
        raise _RefusedError(f"{width}x{height} pixels; at most {limit} in all are decoded")


def _may_be_turned(image: Image.Image, stream: _Stream) -> bool:
    """Whether to ask: Pillow gives the size of a TIFF upright, that of others as stored."""
    if image.format != "PNG":
        return image.format != "TIFF"
    # asking a PNG without such a chunk would decode it in full
    stream.seek(0)
    content = stream.read()
    return b"eXIf" in content or b"com.adobe.xmp" in content or b"Raw profile" in content


def _orientation(image: Image.Image) -> Any:  # noqa: ANN401 - a file can hold anything here
    """The EXIF orientation; 1 where there is none or it is damaged (the pixels may be good)."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF raises nearly anything
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Eight-bit RGB without transparency."""
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    elif image.mode == "F":
        raise _RefusedError("floating-point pixels of unknown range; save it with 8 or 16 bits")
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits (in whatever integer mode Pillow holds it) rounded to 8."""
    grey = np.asarray(image).astype(np.int64)
    if grey.min() < 0 or grey.max() > 65535:
        raise _RefusedError("whole-number pixels outside 0..65535; save it with 8 or 16 bits")
    return Image.fromarray(((grey + 128) // 257).astype(np.uint8))


def _reason(error: Exception) -> str:
    """What went wrong, in plain words."""
    if isinstance(error, _RefusedError):
        return str(error)
    for kind, reason in _PLAIN_REASONS.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"cut short or damaged ({str(error) or type(error).__name__})"


class _RefusedError(ValueError):
    """A reason of our own not to decode an image."""
