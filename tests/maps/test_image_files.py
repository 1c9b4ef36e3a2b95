"""Files, thumbnails, enlargement and names of images."""

import base64
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from figureground.base.identity import path_identity, shown
from figureground.data import decode_image
from figureground.maps.image_files import enlarged, file_stem, png_bytes, thumbnail

IMAGE = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)


def test_a_png_holds_every_pixel():
    assert (np.asarray(decode_image(png_bytes(IMAGE))) == IMAGE).all()


@pytest.mark.parametrize(("longest", "size"), [(15, (15, 10)), (30, (30, 20)), (99, (30, 20))])
def test_a_thumbnail_is_a_small_jpeg_that_a_page_can_hold(longest: int, size: tuple[int, int]):
    head, _, content = thumbnail(IMAGE, longest).partition(",")
    assert head == "data:image/jpeg;base64"
    assert decode_image(base64.b64decode(content)).size == size


def test_every_pixel_of_a_small_image_becomes_a_square():
    small = torch.arange(6).reshape(1, 2, 3)
    large = enlarged(small, 7)
    assert large.shape == (1, 8, 12)
    for row in range(8):
        for column in range(12):
            assert large[0, row, column] == small[0, row // 4, column // 4]
    assert enlarged(small, 2) is small


def test_names_of_files_are_safe_and_different():
    paths = [Path("a/x y<b>.jpg"), Path("b/x y<b>.jpg"), Path("a/x_y_b_.jpg"), Path("a/x y<b>.png")]
    stems = [file_stem(path) for path in paths]
    assert len(set(stems)) == 4
    assert all(stem.startswith("x_y_b_-") for stem in stems)
    assert file_stem(Path("a/../b/x.jpg")) == file_stem(Path("b/x.jpg").absolute())


@pytest.mark.parametrize("name", ["猫" * 80 + ".jpg", "é" * 120, "a" * 250, "..", ".hidden"])
def test_names_of_files_fit_into_a_file_name(name: str):
    stem = file_stem(Path(name))
    assert len(stem.encode()) < 100
    assert Path(stem).name == stem


def test_bytes_that_are_no_text_can_be_written():
    path = Path(os.fsdecode(b"gr\xfcn.jpg"))
    assert shown(path) == "gr\ufffdn.jpg"
    assert file_stem(path).encode().startswith(b"gr")
    assert path_identity(path) != path_identity(Path(os.fsdecode(b"gr\xf9n.jpg")))
