"""The user's own images with boxes: every format gives the same images, classes, boxes and groups."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError
from figureground.data import LoadOptions, load_dataset
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders.boxes_file import boxed_images
from figureground.data.one_size import in_memory

SIZES = {"one.png": (40, 30), "two.png": (20, 20), "three.png": (16, 24)}
MARKS = [
    ("one.png", "dog", (5, 6, 20, 16)),
    ("one.png", "cat 10", (21, 1, 39, 29)),
    ("two.png", "cat 2", (0, 0, 10, 10)),
    ("two.png", "cat 2", (12, 12, 20, 20)),
    ("three.png", "dog", (1, 2, 3, 4)),
]
WANTED = [
    ("one.png", "dog", [[5, 6, 20, 16]]),
    ("one.png", "cat 10", [[21, 1, 39, 29]]),
    ("two.png", "cat 2", [[0, 0, 10, 10], [12, 12, 20, 20]]),
    ("three.png", "dog", [[1, 2, 3, 4]]),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, (name, size) in enumerate(SIZES.items()):
        Image.new("RGB", size, (number, 100, 200)).save(folder / name)
    return folder


def file_name(data: LabeledImages, row: int) -> str:
    assert isinstance(data.images, LazyImages)
    file = data.images.file(row)
    assert file is not None
    return file.name


def as_csv(place: Path, more: str = "") -> Path:
    rows = [",".join([name, label, *map(str, box)]) for name, label, box in MARKS]
    file = place / "boxes.csv"
    file.write_text("\n".join(["path,label,x0,y0,x1,y1", *rows]) + "\n" + more)
    return file


def as_coco(place: Path) -> Path:
    labels = sorted({label for _, label, _ in MARKS})
    images = [
        {"id": at, "file_name": name, "width": size[0], "height": size[1]}
        for at, (name, size) in enumerate(SIZES.items())
    ]
    annotations = [
        {
            "image_id": [*SIZES].index(name),
            "category_id": labels.index(label),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
        }
        for name, label, (x0, y0, x1, y1) in MARKS
    ]
    named = [{"id": at, "name": label} for at, label in enumerate(labels)]
    file = place / "instances.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": named}))
    return file


def as_voc(place: Path) -> Path:
    folder = place / "Annotations"
    folder.mkdir()
    for name, size in SIZES.items():
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for image, label, (x0, y0, x1, y1) in MARKS
            if image == name
        )
        (folder / f"{Path(name).stem}.xml").write_text(
            f"<annotation><filename>{name}</filename><size><width>{size[0]}</width>"
            f"<height>{size[1]}</height></size>{objects}</annotation>"
        )
    for name in SIZES:
        (place / "JPEGImages").mkdir(exist_ok=True)
        (place / name).rename(place / "JPEGImages" / name)
    return folder


@pytest.mark.parametrize("write", [as_csv, as_coco, as_voc])
def test_every_format_gives_the_same_images(place: Path, write):
    data = boxed_images(write(place))
    assert data.class_names == ("cat 2", "cat 10", "dog")
    assert data.boxes is not None
    assert data.groups is not None
    found = sorted(
        (file_name(data, row), data.class_names[label], data.boxes[row].tolist())
        for row, label in enumerate(data.labels.tolist())
    )
    assert found == sorted(WANTED)
    by_group: dict[int, set[str]] = {}
    for row, group in enumerate(data.groups.tolist()):
        by_group.setdefault(group, set()).add(file_name(data, row))
    assert sorted(map(sorted, by_group.values())) == [["one.png"], ["three.png"], ["two.png"]]
    assert data.notes == ("1 image shows several classes, with an entry for each",)
    assert data.left_out == ()


def test_numbers_of_classes_of_wsolevaluation_are_names(place: Path):
    folder = place / "metadata"
    folder.mkdir()
    (folder / "image_ids.txt").write_text("one.png\ntwo.png\n")
    (folder / "class_labels.txt").write_text("one.png,10\ntwo.png,2\n")
    (folder / "localization.txt").write_text("one.png,5,6,19,15\ntwo.png,0,0,9,9\n")
    (folder / "images").mkdir()
    for name in ("one.png", "two.png"):
        (place / name).rename(folder / "images" / name)
    data = boxed_images(folder)
    assert data.class_names == ("2", "10")
    assert data.labels.tolist() == [1, 0]
    assert data.boxes is not None
    assert [one.tolist() for one in data.boxes] == [[[5, 6, 20, 16]], [[0, 0, 10, 10]]]


def test_a_folder_with_one_annotation_file_stands_for_it(place: Path):
    as_csv(place)
    assert len(boxed_images(place)) == 4
    as_coco(place)
    with pytest.raises(DataError, match=r"several annotation files; name one of boxes.csv"):
        boxed_images(place)


def test_problems_of_the_annotations_are_told(place: Path):
    Image.new("RGB", (30, 30)).save(place / "plain.png")
    more = (
        "absent.png,dog,1,1,5,5\ntwo.png,dog,50,50,60,60\nthree.png,dog,0,0,99,9\nplain.png,,,,,\n"
    )
    data = boxed_images(as_csv(place, more))
    told = "\n".join(data.left_out)
    assert "absent.png" in told
    assert "box (50, 50, 60, 60) left out: it is outside the 20x20 image" in told
    assert len(data.left_out) == 2
    assert data.notes[0].startswith("1 boxes reach beyond their image and are cut")
    assert data.notes[1].startswith("2 images have no box")  # the one outside, and the plain one
    assert data.labels.tolist()[-1] == -1


def test_background_has_the_last_label(place: Path):
    data = boxed_images(as_csv(place, "three.png,Background,,,,\n"))
    assert data.class_names == ("cat 2", "cat 10", "dog")
    assert int(data.labels[-1]) == data.background_index == 3


def test_boxes_follow_their_image_into_memory(place: Path):
    """Of 40 x 30 pixels to 20 x 20: a third of the width is cut, the rest scaled by two thirds."""
    data = in_memory(boxed_images(as_csv(place)), (20, 20))
    scale = 20 / 30
    assert data.boxes is not None
    wanted = torch.tensor([[0, 6, 15, 16]]) * scale  # 5 pixels are cut on each side
    torch.testing.assert_close(data.boxes[0], wanted)
    torch.testing.assert_close(data.boxes[1], torch.tensor([[16 * scale, scale, 20, 29 * scale]]))


def test_no_annotations_and_no_class_are_refused(place: Path):
    with pytest.raises(DataError, match="holds no annotations: name a COCO"):
        boxed_images(place)
    (place / "boxes.csv").write_text("path,label,x0,y0,x1,y1\nabsent.png,dog,1,2,3,4\n")
    with pytest.raises(DataError, match=r"names no class of an image that can be used \(.*absent"):
        boxed_images(place)


def test_an_image_is_on_one_side_of_every_division(tmp_path: Path):
    """40 images of two classes each: 80 entries, of which a fifth of the images is test, a quarter of the rest val."""
    rows = ["path,label,x0,y0,x1,y1"]
    for number in range(40):
        pixels = np.full((8, 8, 3), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        first, second = "ab" if number % 2 else "ba"
        rows += [f"{number}.png,{first},0,0,2,2", f"{number}.png,{second},4,4,8,8"]
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    options = LoadOptions(seed=3, val_fraction=0.25)
    parts = {
        part: load_dataset("boxes", tmp_path, part=part, options=options)
        for part in ("train", "val", "test")
    }
    assert {part: len(data) for part, data in parts.items()} == {"train": 48, "val": 16, "test": 16}
    files = {
        part: {file_name(data, row) for row in range(len(data))} for part, data in parts.items()
    }
    assert {part: len(names) for part, names in files.items()} == {
        "train": 24,
        "val": 8,
        "test": 8,
    }
    assert not files["train"] & files["val"]
    assert not (files["train"] | files["val"]) & files["test"]
    assert [data.class_counts() for data in parts.values()] == [[24, 24], [8, 8], [8, 8]]
    other = load_dataset("boxes", tmp_path, part="test", options=LoadOptions(3, 0.5))
    assert {file_name(other, row) for row in range(len(other))} == files["test"]
