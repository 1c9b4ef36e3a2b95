"""Every kind of image file comes out upright, RGB and with the right values, or with a plain reason."""

import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import ImageError
from figureground.data import decode_image, decode_mask, image_size

# what a camera held that way would have stored: the upright image undone by numpy, per EXIF value
STORED = {
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: up[::-1, ::-1],
    4: lambda up: up[::-1],
    5: lambda up: up.transpose(1, 0, 2),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: up[::-1, ::-1].transpose(1, 0, 2),
    8: lambda up: np.rot90(up, -1),
}


def encoded(picture, kind, **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def pixel(picture, x, y):
    return np.asarray(picture)[y, x].astype(int).tolist()


def colours(height=6, width=9):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_stands_upright_for_every_exif_orientation(orientation, kind):
    upright = colours()
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(stored, kind, exif=exif, **options)
    np.testing.assert_array_equal(np.asarray(decode_image(content)), upright)
    assert image_size(content) == (9, 6)


def test_damaged_exif_does_not_lose_the_picture():
    picture = Image.new("RGB", (4, 3), (9, 9, 9))
    content = encoded(picture, "PNG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00")
    assert decode_image(content).size == (4, 3)


def test_grey_is_repeated_in_three_channels():
    grey = colours()[..., 0]
    rgb = np.asarray(decode_image(encoded(Image.fromarray(grey), "PNG")))
    np.testing.assert_array_equal(rgb, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_by_257_and_not_clipped(kind):
    grey = np.array([[0, 128, 129, 257], [32896, 65535, 65406, 300]], np.uint16)
    rgb = np.asarray(decode_image(encoded(Image.fromarray(grey), kind)))
    np.testing.assert_array_equal(rgb[..., 1], np.rint(grey / 257).astype(np.uint8))


def test_big_endian_sixteen_bit_grey_is_read_alike():
    grey = Image.frombytes("I;16B", (2, 1), b"\x80\x80\xff\xff")
    assert np.asarray(decode_image(encoded(grey, "TIFF")))[0, :, 0].tolist() == [128, 255]


def test_whole_numbers_beyond_sixteen_bits_are_refused():
    wide = Image.fromarray(np.array([[0, 70000]], np.int32))
    with pytest.raises(ImageError, match=r"outside 0\.\.65535"):
        decode_image(encoded(wide, "TIFF"))


def test_floating_point_pixels_are_refused_not_guessed():
    with pytest.raises(ImageError, match="floating-point pixels of unknown range"):
        decode_image(encoded(Image.new("F", (2, 2), 0.5), "TIFF"))


@pytest.mark.parametrize(("alpha", "red"), [(255, 200), (0, 255), (51, 244)])
def test_transparent_is_laid_on_white(alpha, red):
    for picture, kind in (
        (Image.new("RGBA", (3, 2), (200, 200, 200, alpha)), "PNG"),
        (Image.new("LA", (3, 2), (200, alpha)), "PNG"),
        (Image.new("RGBA", (3, 2), (200, 200, 200, alpha)), "TIFF"),
    ):
        assert abs(pixel(decode_image(encoded(picture, kind)), 1, 1)[0] - red) <= 1


def test_palette_with_transparency_is_laid_on_white():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1])
    for transparency in (1, b"\xff\x00"):
        rgb = decode_image(encoded(picture, "PNG", transparency=transparency))
        assert [rgb.getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30), (255, 255, 255)]


def test_black_and_white_becomes_0_and_255():
    picture = Image.fromarray(np.array([[True, False]]))
    assert np.asarray(decode_image(encoded(picture, "PNG")))[0, :, 2].tolist() == [255, 0]


def test_cmyk_jpeg_has_its_own_colours():
    cyan = decode_image(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"))
    np.testing.assert_allclose(pixel(cyan, 4, 4), (0, 255, 255), atol=3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation_counts(kind):
    first, second = (Image.new("RGB", (5, 4), colour) for colour in ("red", "blue"))
    content = encoded(first, kind, save_all=True, append_images=[second], duration=50)
    red, green, blue = pixel(decode_image(content), 2, 2)
    assert red > 245
    assert max(green, blue) < 10


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP", "JPEG2000", "GIF", "PPM", "AVIF"])
def test_uniform_colour_survives_every_kind(kind):
    if kind not in Image.SAVE and (Image.init() or kind not in Image.SAVE):
        pytest.skip(f"this Pillow was built without {kind}")
    content = encoded(Image.new("RGB", (16, 16), (200, 100, 50)), kind)
    np.testing.assert_allclose(pixel(decode_image(content), 8, 8), (200, 100, 50), atol=4)


def test_file_bytes_and_stream_give_the_same(tmp_path):
    content = encoded(Image.fromarray(colours()), "PNG")
    path = tmp_path / "no_extension"
    path.write_bytes(content)
    results = [np.asarray(decode_image(s)) for s in (path, str(path), content, io.BytesIO(content))]
    for result in results:
        np.testing.assert_array_equal(result, colours())


def test_decoded_picture_does_not_need_its_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(colours()), "PNG"))
    picture = decode_image(path)
    path.unlink()
    assert picture.copy().getpixel((0, 0)) == tuple(colours()[0, 0].tolist())


def test_more_pixels_than_the_limit_are_an_error_and_never_a_warning(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        assert decode_image(encoded(Image.new("L", (10, 10)), "PNG")).size == (10, 10)
        for width in (11, 30, 500):  # Pillow alone would warn at 11, fail from 21
            with pytest.raises(ImageError, match=rf"{width}x10 pixels; at most 100"):
                decode_image(encoded(Image.new("L", (width, 10)), "PNG"))
    assert not met


def test_a_bomb_is_refused_from_its_header_alone():
    header = b"P5\n100000 100000\n255\n"
    with pytest.raises(ImageError, match="100000x100000 pixels"):
        decode_image(header)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, I am text", "not an image of a kind that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a kind"),
        (b"\x89PNG\r\n\x1a\n", "cut short or damaged"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_plain_reason(tmp_path, content, reason):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        decode_image(path)
    assert caught.value.path == str(path)
    assert caught.value.reason.startswith(reason)


def test_missing_file_folder_and_pipe_have_plain_reasons(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, reason in (
        (tmp_path / "none.png", "no such file"),
        (tmp_path, "a folder, not an image"),
        (pipe, "not an ordinary file"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(ImageError) as caught:
            decode_image(path)
        assert caught.value.reason == reason


def test_forbidden_file_says_permission_denied(tmp_path, monkeypatch):
    def deny(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(ImageError) as caught:
        decode_image(tmp_path / "a.png")
    assert caught.value.reason == "permission denied"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_cut_short_file_is_an_error_not_a_grey_half(kind):
    content = encoded(Image.fromarray(colours(64, 64)), kind)
    with pytest.raises(ImageError, match="cut short or damaged"):
        decode_image(content[: len(content) // 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "JPEG2000"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, about odd metadata
def test_random_damage_gives_a_picture_or_an_image_error(kind):
    random = np.random.default_rng(1)
    content = np.frombuffer(encoded(Image.fromarray(colours(24, 24)), kind), np.uint8)
    refused = 0
    for _ in range(60):
        broken = content.copy()
        broken[random.integers(0, len(broken), 12)] = random.integers(0, 256, 12)
        try:
            assert decode_image(broken.tobytes()).mode == "RGB"
        except ImageError:
            refused += 1
    assert refused > 0


def test_size_of_a_png_is_known_without_its_pixels():
    content = encoded(Image.fromarray(colours(64, 64)), "PNG")
    assert image_size(content[:200]) == (64, 64)


def test_many_threads_decode_at_once_and_leave_pillow_as_it_was():
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    content = encoded(Image.fromarray(colours(40, 50)), "PNG")
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(decode_image, [content] * 64))
    assert all(np.array_equal(np.asarray(picture), colours(40, 50)) for picture in pictures)
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_mask_marks_what_is_not_black():
    marks = np.array([[0, 1, 0], [255, 0, 7]], np.uint8)
    palette = Image.fromarray(marks, "L").convert("P")
    palette.putpalette([0, 0, 0] + [9, 0, 0] * 255)
    faint = Image.fromarray(marks.astype(np.uint16))  # 1 of 65535 would round to 0
    clear = Image.merge("LA", [Image.fromarray(marks), Image.new("L", (3, 2), 0)])
    for picture in (Image.fromarray(marks), palette, faint, clear, Image.fromarray(marks > 0)):
        marked = decode_mask(encoded(picture, "PNG"))
        np.testing.assert_array_equal(marked, marks > 0)


def test_mask_with_transparent_palette_gives_no_warning():
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, 40, 50, 60])
    picture.putdata([0, 1])
    content = encoded(picture, "PNG", transparency=b"\x00\xff")
    assert decode_mask(content).tolist() == [[False, True]]
