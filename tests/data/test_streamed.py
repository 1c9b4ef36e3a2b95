"""Streamed images are the images in memory, decoded later; what changes or is damaged is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError
from figureground.data import LabeledImages, LazyImages, decode_image, in_memory
from figureground.data.decoding import full_size
from figureground.data.fitting import Covering
from figureground.data.one_size import streamed
from figureground.data.streamed import StreamedImages
from figureground.models import Preprocessing

PREPROCESSING = Preprocessing((20, 20), "crop", 0.875, "bicubic", (0.5,) * 3, (0.5,) * 3)


def photos(folder: Path, sizes, quality=95):
    """Smooth photos whose red is the column and green the row, in 255ths of the sides."""
    paths = []
    for number, (width, height) in enumerate(sizes):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = np.linspace(0, 255, width)[None]
        pixels[..., 1] = np.linspace(0, 255, height)[:, None]
        pixels[..., 2] = 40 * number
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=quality)
    return paths


def of_files(paths, boxes=None):
    return LabeledImages(
        LazyImages.of_files(paths), torch.arange(len(paths)) % 2, ("a", "b"), boxes=boxes
    )


@pytest.mark.parametrize("fit", [Covering((16, 24)), PREPROCESSING], ids=["covering", "network"])
def test_pixels_boxes_and_shape_are_those_in_memory(tmp_path, fit):
    paths = photos(tmp_path, [(40, 30), (33, 57), (400, 300), (24, 16)])
    boxes = tuple(torch.tensor([[4.0, 6.0, 20.0, 14.0]]) for _ in paths)
    held, flowing = in_memory(of_files(paths, boxes), fit), streamed(of_files(paths, boxes), fit)
    assert isinstance(flowing.images, StreamedImages)
    assert flowing.images.shape == held.pixels.shape
    rows = torch.tensor([2, 0, 3, 2])
    assert torch.equal(flowing.images[rows], held.pixels[rows])
    assert torch.equal(flowing.images[1:3], held.pixels[1:3])
    assert torch.equal(flowing.images[1], held.pixels[1])
    assert torch.equal(flowing.pixels, held.pixels)
    some = flowing.subset(torch.tensor([3, 1]))
    assert torch.equal(some.pixels, held.pixels[[3, 1]])
    assert held.boxes is not None
    assert flowing.boxes is not None
    for one, other in zip(held.boxes, flowing.boxes, strict=True):
        assert torch.equal(one, other)


def test_images_that_are_in_memory_stream_too():
    pixels = torch.randint(256, (5, 3, 40, 40), dtype=torch.uint8)
    data = LabeledImages(pixels, torch.zeros(5, dtype=torch.int64), ("a",))
    flowing = streamed(data, PREPROCESSING)
    assert torch.equal(flowing.pixels, in_memory(data, PREPROCESSING).pixels)


def test_a_large_jpeg_is_decoded_small_and_its_size_and_boxes_are_its_own(tmp_path):
    (path,) = photos(tmp_path, [(400, 240)])
    small = decode_image(path, enough=lambda size: (size[0] // 6, size[1] // 6))
    assert small.size == (100, 60)  # a quarter: an eighth would be smaller than a sixth
    assert full_size(small) == (400, 240)
    whole = np.asarray(decode_image(path).resize((100, 60), Image.Resampling.BOX), np.int16)
    assert np.abs(np.asarray(small, np.int16) - whole).max() <= 4
    box = (torch.tensor([[100.0, 60.0, 300.0, 180.0]]),)
    flowing = streamed(of_files([path], box), Covering((30, 50), "stretch"))
    assert flowing.boxes is not None
    assert flowing.boxes[0].tolist() == [[12.5, 7.5, 37.5, 22.5]]
    held = in_memory(of_files([path], box), Covering((30, 50), "stretch"))
    assert held.boxes is not None
    assert held.boxes[0].tolist() == [[12.5, 7.5, 37.5, 22.5]]


def test_a_photo_on_its_side_is_decoded_small_upright(tmp_path):
    (path,) = photos(tmp_path, [(400, 240)])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.jpg"
    Image.open(path).save(turned, exif=exif, quality=95)
    small = decode_image(turned, enough=lambda size: (size[0] // 2, size[1] // 2))
    assert (small.size, full_size(small)) == ((120, 200), (240, 400))
    red = np.asarray(small)[..., 0].astype(int)
    assert red[0].mean() < 20  # columns of the file run down now
    assert red[-1].mean() > 235


def test_what_cannot_be_decoded_is_black_and_named(tmp_path):
    paths = photos(tmp_path, [(40, 30)] * 3)
    paths[1].write_bytes(paths[1].read_bytes()[:300])
    flowing = streamed(of_files(paths), PREPROCESSING)
    assert isinstance(flowing.images, StreamedImages)
    pixels = flowing.images[:]
    assert pixels.flatten(1).any(1).tolist() == [True, False, True]
    assert list(flowing.images.damaged) == [1]
    assert "1.jpg" in flowing.images.damaged[1]


@pytest.mark.parametrize("change", ["gone", "longer"])
def test_a_file_that_changes_is_an_error_and_changes_the_identity(tmp_path, change):
    paths = photos(tmp_path, [(40, 30)] * 2)
    flowing = streamed(of_files(paths), PREPROCESSING).images
    assert isinstance(flowing, StreamedImages)
    before = flowing.identity()
    if change == "gone":
        paths[0].unlink()
    else:
        paths[0].write_bytes(paths[0].read_bytes() + b" ")
    with pytest.raises(DataError, match=r"changed while they were in use: .*0\.jpg"):
        flowing[:]
    again = streamed(of_files(paths), PREPROCESSING).images
    assert isinstance(again, StreamedImages)
    assert again.identity() != before
    assert flowing.identity() == before


def test_the_original_and_what_is_seen_of_it(tmp_path):
    (path,) = photos(tmp_path, [(400, 300)])
    flowing = streamed(of_files([path]), PREPROCESSING).images
    assert isinstance(flowing, StreamedImages)
    pixels, window = flowing.original(0)
    assert tuple(pixels.shape) == (3, 300, 400)
    assert window == PREPROCESSING.view(decode_image(path))[1].window
