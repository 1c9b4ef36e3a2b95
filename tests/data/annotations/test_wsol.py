"""Metadata folders: four text files by image id, boxes with the last pixel inside."""

import numpy as np
from PIL import Image

from figureground.data import read_annotations
from figureground.data.annotations.entries import MaskFiles


def read(photos, **files):
    folder = photos.parent / "metadata"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return read_annotations(folder, num_classes=10)


def test_entries_follow_the_ids_with_half_open_boxes(photos):
    made = read(
        photos,
        image_ids="n1/10.JPEG\ndog.jpg\n",
        class_labels="dog.jpg,3\nn1/10.JPEG,0\n",
        localization="dog.jpg,0,0,39,29\nn1/10.JPEG,2,2,2,3\ndog.jpg,1,1,4,4\n",
        image_sizes="dog.jpg,40,30\nn1/10.JPEG,8,8\n",
    )
    assert made.format == "wsol"
    assert made.problems == ()
    assert [image.label for image in made] == [0, 3]
    assert made[0].boxes.tolist() == [[2, 2, 3, 4]]
    assert made[1].boxes.tolist() == [[0, 0, 40, 30], [1, 1, 5, 5]]


def test_only_the_ids_are_required(photos):
    made = read(photos, image_ids="dog.jpg\n")
    assert made[0].label is None
    assert made.problem_counts == {"no-boxes": 1}


def test_unusable_lines_and_stray_ids_are_reported(photos):
    made = read(
        photos,
        image_ids="dog.jpg\ncat.png,1\nn1/2.JPEG\n",
        class_labels="dog.jpg,3\nbird.jpg,1\nn1/2.JPEG,10\ndog.jpg,4\n",
        localization="dog.jpg,0,0,9\ndog.jpg,0,0,9,9\n",
        image_sizes="dog.jpg,40,x\n",
    )
    assert [(image.label, image.boxes.tolist()) for image in made] == [(3, [[0, 0, 10, 10]])]
    assert [(problem.where, problem.kind) for problem in made.problems] == [
        ("image_ids.txt line 2", "bad-row"),
        ("localization.txt line 1", "bad-row"),
        ("image_sizes.txt line 1", "bad-row"),
        ("class_labels.txt", "bad-row"),  # a stray id
        ("class_labels.txt", "bad-row"),  # a second label
        ("image_ids.txt 'n1/2.JPEG'", "unknown-label"),
    ]


def test_masks_of_instances_are_joined_and_what_is_ignored_is_none_of_them(photos):
    for name, spots in {"a": [(1, 2)], "b": [(3, 4)], "i": [(3, 4), (0, 0)]}.items():
        mask = np.zeros((15, 20), np.uint8)
        for x, y in spots:
            mask[y, x] = 255
        Image.fromarray(mask).save(photos / f"dog_{name}.png")
    made = read(
        photos,
        image_ids="dog.jpg\nn1/10.JPEG\nn1/2.JPEG\n",
        class_labels="dog.jpg,3\nn1/10.JPEG,0\nn1/2.JPEG,1\n",
        localization="dog.jpg,dog_a.png,dog_i.png\ndog.jpg,dog_b.png,\nn1/10.JPEG,gone.png,\n",
    )
    one, other = made
    assert one.mask == MaskFiles((photos / "dog_a.png", photos / "dog_b.png"), photos / "dog_i.png")
    mask = one.mask.decode()
    assert mask[2, 1] == mask[4, 3] == 1
    assert mask[0, 0] == 255
    assert mask.sum() == 2 + 255
    assert one.boxes.tolist() == [[2, 4, 8, 10]]  # the mask is half as large as the image, 40 x 30
    assert other.mask is None
    assert [problem.kind for problem in made.problems] == ["unreadable-file", "no-boxes"]
    assert "gone.png" in made.problems[0].where
