"""Images of more than 8 bits: which number is black and which white, and a word where that was perhaps not meant."""

import io
import struct
import zlib
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
from PIL import Image

from figureground.base.errors import ImageError, OptionError
from figureground.base.value_range import ValueRange
from figureground.data import decode_image, decode_mask, depth, image_size, notices_of


def numbers(most=4095, shape=(5, 7)):
    found = np.random.default_rng(0).integers(0, most + 1, shape).astype(np.uint16)
    found.flat[:2] = 0, most
    return found


def bytes_of(values, low, high):
    """In whole numbers: (v - low) * 255 / (high - low), rounded, and cut off at the ends."""
    inside = np.clip(values.astype(np.int64), low, high) - low
    return ((inside * 510 + (high - low)) // (2 * (high - low))).astype(np.uint8)


def png(values):
    """As the standard lays it out; Pillow writes no 16-bit colours."""
    height, width, *rest = values.shape
    kind = {(): 0, (2,): 4, (3,): 2, (4,): 6}[tuple(rest)]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(values, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def pillow(values, kind):
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    return stream.getvalue()


RANGES = {"full": (0, 65535), "12-bit": (0, 4095), "data": (0, 4095), "100,3000": (100, 3000)}


@pytest.mark.parametrize("value_range", RANGES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_twelve_bits_in_a_grey_file_of_sixteen_come_out_by_the_range(kind, value_range):
    grey = numbers()
    rgb = np.asarray(decode_image(pillow(grey, kind), value_range))
    expected = bytes_of(grey, *RANGES[value_range])
    np.testing.assert_array_equal(rgb, np.repeat(expected[..., None], 3, axis=2))


COLOURS = {
    "png": png,
    "tiff, little end first": lambda v: tiff(v, photometric="rgb", byteorder="<"),
    "tiff, big end first": lambda v: tiff(v, photometric="rgb", byteorder=">"),
    "tiff, compressed": lambda v: tiff(v, photometric="rgb", compression="zlib"),
    "tiff, predicted": lambda v: tiff(v, photometric="rgb", compression="zlib", predictor=True),
    "tiff in planes": lambda v: tiff(
        v.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"
    ),
    "tiff in planes, compressed": lambda v: tiff(
        v.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate", compression="zlib"
    ),
}


@pytest.mark.parametrize("value_range", ["12-bit", "data", "100,3000"])
@pytest.mark.parametrize("kind", COLOURS)
def test_colours_of_sixteen_bits_keep_their_low_bytes(kind, value_range):
    colours = numbers(shape=(5, 7, 3))
    content = COLOURS[kind](colours)
    expected = bytes_of(colours, *RANGES[value_range])
    np.testing.assert_array_equal(np.asarray(decode_image(content, value_range)), expected)
    assert image_size(content) == (7, 5)


@pytest.mark.parametrize("kind", COLOURS)
def test_colours_of_sixteen_bits_at_their_full_range(kind):
    colours = numbers(65535, (5, 7, 3))
    found = np.asarray(decode_image(COLOURS[kind](colours))).astype(int)
    assert abs(found - bytes_of(colours, 0, 65535).astype(int)).max() <= 1


def test_transparency_of_sixteen_bits_is_kept():
    colours = numbers(shape=(5, 7, 4))
    colours[..., 3] = 65535
    colours[2, 3, 3] = 0
    expected = bytes_of(colours[..., :3], 0, 4095)
    expected[2, 3] = 255
    np.testing.assert_array_equal(np.asarray(decode_image(png(colours), "12-bit")), expected)


def test_the_channels_of_a_kind_that_cannot_be_split_are_refused_by_name():
    with pytest.raises(ImageError, match=r"LA;16B are read at their full range only"):
        decode_image(png(numbers(shape=(5, 7, 2))), "12-bit")
    assert decode_image(png(numbers(shape=(5, 7, 2)))).size == (7, 5)


@pytest.mark.parametrize("value_range", ["full", "12-bit"])
def test_white_is_zero_at_sixteen_bits(value_range):
    grey = numbers()
    content = tiff(grey, photometric="miniswhite")
    found = np.asarray(decode_image(content, value_range))[..., 0]
    np.testing.assert_array_equal(found, 255 - bytes_of(grey, *RANGES[value_range]))
    with_white = tiff(np.array([[65535, 0], [0, 3]], np.uint16), photometric="miniswhite")
    assert decode_mask(with_white).tolist() == [[False, True], [True, True]]


def test_a_tiff_of_twelve_bits_a_number_has_twelve_as_its_full_range():
    # pairs of numbers in three bytes, as the standard packs them
    tags = [
        (256, 2),
        (257, 1),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 122),
        (277, 1),
        (278, 1),
        (279, 3),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0" * 4
    content = head + bytes([0xFF, 0xF8, 0x00])  # 4095 and 2048
    assert len(head) == 122
    found = np.asarray(decode_image(content))[0, :, 0].tolist()
    assert found == [255, 128]


def test_colours_in_planes_are_refused_with_the_remedy_where_tifffile_is_absent(monkeypatch):
    monkeypatch.setattr(
        depth, "find_spec", lambda name: None if name == "tifffile" else find_spec(name)
    )
    content = COLOURS["tiff in planes"](numbers(shape=(5, 7, 3)))
    with pytest.raises(ImageError, match=r"pip install 'figureground\[tiff\]'"):
        decode_image(content)


def test_eight_bits_are_the_same_at_every_range():
    picture = np.random.default_rng(1).integers(0, 99, (4, 6, 3), dtype=np.uint8)
    for kind in ("PNG", "TIFF"):
        content = pillow(picture, kind)
        for value_range in RANGES:
            np.testing.assert_array_equal(decode_image(content, value_range), picture)


def test_floating_point_is_read_where_the_range_is_said():
    content = pillow(np.array([[0.0, 0.25], [0.5, 1.0]], np.float32), "TIFF")
    for value_range in ("data", "0,1"):
        found = np.asarray(decode_image(content, value_range))[..., 0]
        assert found.tolist() == [[0, 64], [128, 255]]
    broken = pillow(np.array([[0.0, np.nan]], np.float32), "TIFF")
    with pytest.raises(ImageError, match="not finite"):
        decode_image(broken, "data")


def test_negative_numbers_are_read_where_the_range_is_said():
    content = pillow(np.array([[-1000, 400], [-300, 3000]], np.int32), "TIFF")
    found = np.asarray(decode_image(content, "-1000,400"))[..., 0]
    assert found.tolist() == [[0, 255], [round(700 / 1400 * 255), 255]]


def test_more_than_the_bits_that_were_said_is_refused_not_cut_off():
    with pytest.raises(ImageError, match="pixels from 0 to 5000: more than 12-bit"):
        decode_image(pillow(numbers(5000), "PNG"), "12-bit")


def test_an_image_without_contrast_is_black_by_its_own_range():
    flat = pillow(np.full((3, 4), 700, np.uint16), "PNG")
    assert not np.asarray(decode_image(flat, "data")).any()


@pytest.mark.parametrize(
    ("most", "said"),
    [(4095, True), (8191, True), (8192, False), (65535, False), (0, False), (200, True)],
)
@pytest.mark.parametrize("colour", [False, True])
def test_what_uses_less_than_an_eighth_of_its_range_is_noticed(most, said, colour):
    values = numbers(most, (5, 7, 3) if colour else (5, 7))
    found = notices_of(decode_image(png(values)))
    assert [one.kind for one in found] == ["small-range"] * said
    assert all(one.detail == f"numbers up to {most} of 65535" for one in found)
    assert notices_of(decode_image(png(values), "data")) == ()


@pytest.mark.parametrize(
    "text", ["", "half", "17-bit", "0-bit", "5,5", "9,1", "1,2,3", "nan,1", "0,inf"]
)
def test_a_range_that_cannot_be_is_refused_with_those_that_can(text):
    with pytest.raises(OptionError, match="a range is full, data, a depth such as 12-bit"):
        ValueRange(text)
