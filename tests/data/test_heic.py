"""Photographs of telephones: read where pillow-heif is installed, named with the remedy where it is not."""

import io
from importlib.util import find_spec

import numpy as np
import pillow_heif as heif
import pytest
from PIL import Image

from figureground.base.errors import ImageError
from figureground.data import decode_image, decoding, find_images, image_size


def gradient():
    row = np.linspace(0, 255, 96).astype(np.uint8)
    grey = np.repeat(row[None], 64, axis=0)
    return np.stack([grey, 255 - grey, np.full_like(grey, 60)], axis=2)


def heic(pixels, **options):
    stream = io.BytesIO()
    heif.from_pillow(Image.fromarray(pixels)).save(stream, quality=95, **options)
    return stream.getvalue()


def test_heic_has_the_colours_and_the_size_that_were_written(tmp_path):
    content = heic(gradient())
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(content)
    assert find_images(tmp_path) == [path]
    for source in (content, path):
        found = np.asarray(decode_image(source)).astype(int)
        assert abs(found - gradient()).max() <= 12
        assert abs(found - gradient()).mean() <= 2
        assert image_size(source) == (96, 64)


def test_a_heic_photograph_that_was_turned_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(gradient(), 1))  # as a camera held that way stores it
    content = heic(stored, exif=exif.tobytes())
    assert image_size(content) == (96, 64)
    found = np.asarray(decode_image(content)).astype(int)
    assert abs(found - gradient()).mean() <= 2


def test_heic_is_named_with_the_remedy_where_pillow_heif_is_absent(monkeypatch):
    monkeypatch.setattr(
        decoding, "find_spec", lambda name: None if name == "pillow_heif" else find_spec(name)
    )
    for read in (decode_image, image_size):
        with pytest.raises(ImageError, match=r"pillow-heif: pip install 'figureground\[heic\]'"):
            read(heic(gradient()))


def test_damaged_heic_is_refused_and_a_registered_reader_is_not_needed():
    content, readers = heic(gradient()), set(Image.OPEN)
    with pytest.raises(ImageError, match="cut short or damaged"):
        decode_image(content[: len(content) // 2])
    assert set(Image.OPEN) == readers


def test_avif_that_does_not_name_its_coding_first_is_still_avif():
    stream = io.BytesIO()
    Image.fromarray(gradient()).save(stream, "AVIF", quality=95)
    content = stream.getvalue()
    assert content[8:12] == b"avif"
    hidden = content[:8] + b"mif1" + content[12:]
    assert abs(np.asarray(decode_image(hidden)).astype(int) - gradient()).mean() <= 2
