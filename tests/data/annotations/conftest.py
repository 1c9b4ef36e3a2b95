"""A folder of images for every format's tests."""

import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """``images/`` with dog.jpg 40x30, cat.png 20x50, n1/10.JPEG and n1/2.JPEG 8x8."""
    folder = tmp_path / "images"
    (folder / "n1").mkdir(parents=True)
    for name, size in (
        ("dog.jpg", (40, 30)),
        ("cat.png", (20, 50)),
        ("n1/10.JPEG", (8, 8)),
        ("n1/2.JPEG", (8, 8)),
    ):
        Image.new("RGB", size).save(folder / name)
    return folder
