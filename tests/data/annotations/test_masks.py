"""Mask folders: the image of the same name, one box around all that is marked."""

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError
from figureground.data import read_annotations
from figureground.data.annotations.entries import MaskFiles


def write(photos, name, size, *spots):
    mask = np.zeros(size[::-1], np.uint8)
    for x, y in spots:
        mask[y, x] = 255
    path = photos.parent / "masks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return photos.parent / "masks"


def test_box_holds_all_marked_pixels_and_the_folder_is_the_label(photos):
    write(photos, "dog.png", (40, 30), (3, 4), (39, 10))
    write(photos, "n1/10.png", (8, 8), (0, 7))
    folder = write(photos, "n1/2.PNG", (8, 8), (1, 1), (2, 1))
    made = read_annotations(folder)
    assert made.format == "masks"
    assert made.problems == ()
    assert [(image.path.name, image.label) for image in made] == [
        ("dog.jpg", None),
        ("2.JPEG", "n1"),
        ("10.JPEG", "n1"),
    ]
    assert [image.boxes.tolist() for image in made] == [
        [[3, 4, 40, 11]],
        [[1, 1, 3, 2]],
        [[0, 7, 1, 8]],
    ]
    assert made[0].mask == MaskFiles((folder / "dog.png",))


def test_mask_is_not_taken_for_its_own_picture(photos):
    folder = write(photos, "bird.png", (8, 8), (1, 1))
    assert read_annotations(folder).problem_counts == {"missing-file": 1}
    with pytest.raises(DataError, match="no folder of images is known"):
        read_annotations(folder, images=folder)


def test_blank_broken_and_misfitting_masks_are_reported(photos):
    write(photos, "dog.png", (40, 30))
    folder = write(photos, "cat.png", (21, 50), (1, 1))
    (folder / "a.png").write_bytes(b"no image")
    made = read_annotations(folder)
    assert [image.boxes.shape for image in made] == [(0, 4)]
    assert made.problem_counts == {"unreadable-file": 1, "size-mismatch": 1, "no-boxes": 1}
