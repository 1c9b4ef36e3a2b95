"""Images on disk or in memory as upright RGB, whatever kind of file they came in."""

__all__ = [
    "IMAGE_EXTENSIONS",
    "decode_image",
    "decode_mask",
    "full_size",
    "image_size",
    "is_image_name",
]

import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool
from PIL import Image, TiffImagePlugin

from figureground.base.errors import DataError, ImageError
from figureground.base.places import Member
from figureground.base.storage import RemoteFile
from figureground.base.value_range import FULL, ValueRange
from figureground.data.depth import Depth, deep_values, depth_of, eight_bits
from figureground.data.holding import holding
from figureground.data.jpeg_scans import refuse_many_scans
from figureground.data.notices import Notice, attach, noticing

IMAGE_EXTENSIONS = frozenset(
    {
        *(
            ".apng",
            ".avif",
            ".bmp",
            ".dib",
            ".gif",
            ".heic",
            ".heif",
            ".hif",
            ".j2k",
            ".jfif",
            ".jp2",
            ".jpe",
            ".jpeg",
            ".jpf",
        ),
        *(".jpg", ".jpx", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    }
)
# photographs and scans in kinds that cannot be read: found, so that each is named among what could not be used
_FOREIGN_EXTENSIONS = frozenset(
    {
        *(".jxl", ".jp2k", ".dcm", ".dicom", ".nii", ".mha", ".nrrd"),
        *(".svs", ".ndpi", ".czi", ".psd", ".exr", ".hdr", ".tga", ".pcx", ".raw", ".dng", ".cr2"),
        *(".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".mpo"),
    }
)
_NAMED = IMAGE_EXTENSIONS | _FOREIGN_EXTENSIONS
# a closed list, most frequent first: other plug-ins of Pillow run programs or accept any bytes
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_Stream: TypeAlias = io.BytesIO | io.BufferedReader
Encoded: TypeAlias = Path | str | RemoteFile | Member | bytes | io.BufferedIOBase
Size: TypeAlias = tuple[int, int]
_FULL_SIZE = "figureground full size"
_BANDS_TAG, _BITS_TAG = 277, 258
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
    MemoryError: "the memory does not suffice to decode it",
}


def decode_image(
    source: Encoded,
    value_range: str = FULL,
    *,
    enough: Callable[[Size], Size] | None = None,
) -> Image.Image:
    """The image as upright 8-bit RGB.

    The EXIF orientation is applied; grey, palette and CMYK images are converted; what is
    transparent is laid on white; 16-bit numbers are scaled, not clipped; of an animation the
    first frame counts. Colour profiles are ignored. JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, JPEG 2000
    and AVIF are read, and HEIC where pillow-heif is installed, told apart by content, not by name. No setting of
    Pillow is changed, so any number of threads may decode at once; of large images, one at a time. The largest size
    is Pillow's own ``Image.MAX_IMAGE_PIXELS``, read at each call.

    Args:
        source: A file, here or in a storage, or inside a larger one; its bytes; or an open binary stream (read to
            its end).
        value_range: Of images with more than 8 bits a channel, what becomes black to white: ``full``, all that the
            file can hold; ``data``, from the lowest to the highest number of the image; ``12-bit`` and the like; or
            ``lo,hi``. Floating-point numbers need one of the last three.
        enough: From the image's width and height to those that suffice: a JPEG is then decoded at 1/2, 1/4 or 1/8 of
            its size where that is no smaller, in a fraction of the time. `full_size` tells its size in the file.

    Returns:
        The image in mode RGB, loaded, independent of the file; `notices_of` tells what was odd about it.

    Raises:
        ImageError: It cannot be decoded; ``reason`` says why.
        DataError: The storage, or the larger file, cannot be read.

    Examples:
        >>> content = io.BytesIO()
        >>> Image.new("LA", (3, 2), (0, 128)).save(content, "PNG")  # half-transparent black
        >>> picture = decode_image(content.getvalue())
        >>> picture.mode, picture.size, picture.getpixel((0, 0))
        ('RGB', (3, 2), (127, 127, 127))
    """
    wanted = ValueRange(value_range)
    with noticing() as met, _opened(source) as (image, stream), holding(image.width * image.height):
        full = None if enough is None else _draft(image, enough)
        depth = _loaded(image, stream)
        turn = _UPRIGHT.get(_orientation(image))
        shallow, found = image, list[Notice]()
        if depth is not None:
            again = partial(_identified, stream)
            shallow, found = eight_bits(image, depth, again, value_range=wanted)
        rgb = _to_rgb(shallow)
        upright = rgb if turn is None else rgb.transpose(turn)
        if full is not None:
            upright.info[_FULL_SIZE] = full
        return attach(upright, [*met, *found])


def full_size(image: Image.Image) -> Size:
    """Width and height of the image in its file, upright.

    Args:
        image: Of `decode_image`.

    Returns:
        Those of the image, unless it was decoded smaller.
    """
    size: Size = image.info.get(_FULL_SIZE, image.size)
    return size


def is_image_name(name: str) -> bool:
    """Whether a name, perhaps behind folders, is that of a visible image.

    Args:
        name: Of a file or a member of one.

    Returns:
        Whether it ends as names of images do, in any case, and does not begin with a dot. Kinds that cannot be read
        count, so that they are told.
    """
    base = name.rpartition("/")[2]
    extension = os.path.splitext(base)[1]  # noqa: PTH122 - a Path of each of a million names takes seconds
    return extension.lower() in _NAMED and not base.startswith(".")


def image_size(source: Encoded) -> tuple[int, int]:
    """Width and height of the upright image in pixels, from its header where that is enough.

    Args:
        source: A file, here or in a storage, or inside a larger one; its bytes; or an open binary stream (read to
            its end).

    Returns:
        ``(width, height)`` of what `decode_image` gives.

    Raises:
        ImageError: It is not an image that can be read; damage behind the header is not looked
            for.
    """
    with noticing(), _opened(source) as (image, stream):
        width, height = image.size
        sideways = _may_be_turned(image, stream) and _orientation(image) in _SIDEWAYS
        return (height, width) if sideways else (width, height)


def decode_mask(source: Encoded) -> Bool[np.ndarray, "H W"]:
    """Which pixels of a mask image are marked: those that are not black.

    Alpha channels are ignored; palette colours count, not their numbers; 16-bit values are not
    rounded.

    Args:
        source: A file, here or in a storage, or inside a larger one; its bytes; or an open binary stream (read to
            its end).

    Returns:
        True where marked.

    Raises:
        ImageError: It cannot be decoded; ``reason`` says why.
    """
    with noticing(), _opened(source) as (image, stream), holding(image.width * image.height):
        depth = _loaded(image, stream)
        if depth is not None:
            values = deep_values(image, depth, partial(_identified, stream))
            white = (
                math.nan if depth.top is None else depth.top
            )  # of floating point nobody knows it
            marked = np.less(values, white) if depth.white_is_zero else np.greater(values, 0)
            return marked if marked.ndim == 2 else np.any(marked, axis=2)
        if image.mode not in {"1", "L"}:
            return np.asarray(image.convert("RGBA"))[..., :3].max(axis=2) > 0
        return np.greater(np.asarray(image), 0)


@contextmanager
def _opened(source: Encoded) -> Iterator[tuple[Image.Image, _Stream]]:
    """The image, its header read, and its stream; all that fails inside is an ImageError."""
    name = str(source) if isinstance(source, Path | str | RemoteFile | Member) else "<bytes>"
    if isinstance(source, RemoteFile | Member):
        source = source.read()  # a storage that cannot be reached is no damaged image
    try:
        with _stream(source) as stream, _identified(stream) as image:
            yield image, stream
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ImageError(name, _reason(error)) from error


def _draft(image: Image.Image, enough: Callable[[Size], Size]) -> Size | None:
    """Have a JPEG decoded at the smallest of its sizes that is enough; its own size upright, None for other files."""
    if image.format not in {"JPEG", "MPO"}:
        return None
    turned, stored = _orientation(image) in _SIDEWAYS, image.size
    upright = stored[::-1] if turned else stored
    size = enough(upright)
    image.draft(None, size[::-1] if turned else size)
    return upright


def _loaded(image: Image.Image, stream: _Stream) -> Depth | None:
    """Decode what Pillow can; how the image lies in its file where that is with more than 8 bits."""
    depth = depth_of(image)
    if image.format in {"JPEG", "MPO"}:
        stream.seek(0)
        refuse_many_scans(stream.read())
    if depth is None or not depth.in_planes:
        image.load()
    return depth


def _stream(source: Encoded) -> _Stream:
    """A seekable stream over the source."""
    if isinstance(source, Path | str):
        path = Path(source)
        if path.exists() and not path.is_file() and not path.is_dir():
            raise DataError("not an ordinary file")  # opening a pipe would wait for ever
        return path.open("rb")
    return io.BytesIO(source if isinstance(source, bytes) else source.read())


def _identified(stream: _Stream) -> Image.Image:
    """The image, not yet decoded, small enough to be."""
    # Image.open would warn about sizes, and a warning can be silenced for all threads only
    Image.init()
    stream.seek(0)
    prefix = stream.read(16)
    if not prefix:
        raise DataError("the file is empty")
    if prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF_BRANDS and not _is_avif(prefix, stream):
        photograph = _heif(stream)
        _refuse_huge(photograph)
        return photograph
    for name in _FORMATS:
        image = _tried(name, prefix, stream)
        if image is not None:
            _refuse_huge(image)
            return image
    raise DataError(f"not an image of a kind that can be read ({', '.join(_FORMATS)})")


def _tried(name: str, prefix: bytes, stream: _Stream) -> Image.Image | None:
    """The image if it is of this format."""
    if name not in Image.OPEN:
        return None  # a Pillow built without it
    factory, accepts = Image.OPEN[name]
    accepted = accepts is None or accepts(prefix)
    if isinstance(accepted, str):
        raise DataError(accepted)
    if not accepted:
        return None
    stream.seek(0)
    try:
        return factory(stream, "")
    except SyntaxError as error:
        if name == "TIFF":
            _refuse_layout(stream)
        raise DataError(f"cut short or damaged ({error})") from error


def _is_avif(prefix: bytes, stream: _Stream) -> bool:
    """Whether a file that does not name its coding at once names AVIF among what it is compatible with."""
    stream.seek(0)
    brands = stream.read(min(int.from_bytes(prefix[:4], "big"), 4096))
    return b"avif" in brands or b"avis" in brands


def _heif(stream: _Stream) -> Image.Image:
    """A photograph of a telephone, mostly."""
    if find_spec("pillow_heif") is None:
        raise DataError("a HEIC image is read with pillow-heif: pip install 'figureground[heic]'")
    stream.seek(0)
    image: Image.Image = import_module("pillow_heif").HeifImageFile(stream, "")
    return image


def _refuse_layout(stream: _Stream) -> None:
    """Say what a TIFF holds, if that can be told and is nothing for us."""
    stream.seek(0)
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
        stream.seek(tags.next)
        tags.load(stream)
        bands, bits = tags.get(_BANDS_TAG, 1), tags.get(_BITS_TAG, (1,))
    except Exception:  # noqa: BLE001 - what is damaged raises nearly anything, and is called so elsewhere
        return
    depths = " or ".join(dict.fromkeys(map(str, bits)))
    raise DataError(
        f"a TIFF of {bands} band{'' if bands == 1 else 's'} of {depths} bits, laid out as it cannot be read; save it "
        "as grey or RGB with 8 or 16 bits"
    )


def _refuse_huge(image: Image.Image) -> None:
    """A small file can unfold to more pixels than the machine has memory for."""
    limit = Image.MAX_IMAGE_PIXELS
    width, height = image.size
    if limit is not None and width * height > limit:
        raise DataError(f"{width}x{height} pixels; at most {limit} in all are decoded")


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
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _reason(error: Exception) -> str:
    """What went wrong, in plain words."""
    if isinstance(error, DataError):
        return str(error)
    for kind, reason in _PLAIN_REASONS.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"cut short or damaged ({str(error) or type(error).__name__})"
