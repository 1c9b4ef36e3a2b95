"""Data that could be read, and would be read wrongly, are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError
from figureground.data import read_annotations
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.data.loaders.image_folder import image_folder


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path)


@pytest.mark.parametrize(
    "parts", [("train", "val"), ("Train", "valid", "test", "other"), ("train",)]
)
def test_folders_of_parts_are_no_classes(parts: tuple[str, ...], tmp_path: Path):
    for part in parts:
        for name in ("cat", "dog"):
            _image(tmp_path / part / name / "0.png")
    with pytest.raises(DataError, match=r"parts of a divided set .*name one of them: "):
        image_folder(tmp_path)
    assert image_folder(tmp_path / parts[0]).class_names == ("cat", "dog")


def test_one_class_may_be_called_as_a_part(tmp_path: Path):
    for name in ("bus", "train"):
        _image(tmp_path / name / "0.png")
    assert image_folder(tmp_path).class_names == ("bus", "train")


def _csv(folder: Path, box: tuple[float, ...]) -> Path:
    rows = folder / "boxes.csv"
    rows.write_text(f"path,label,x0,y0,x1,y1\na.png,0,{','.join(map(str, box))}\n")
    return rows


def _coco(folder: Path, box: tuple[float, ...]) -> Path:
    place = folder / "boxes.json"
    x0, y0, x1, y1 = box
    rows = [{"image_id": 1, "category_id": 0, "bbox": [x0, y0, x1 - x0, y1 - y0]}]
    images = [{"id": 1, "file_name": "a.png"}]
    place.write_text(json.dumps({"images": images, "annotations": rows}))
    return place


def _wsol(folder: Path, box: tuple[float, ...]) -> Path:
    (folder / "image_ids.txt").write_text("a.png\n")
    (folder / "class_labels.txt").write_text("a.png,0\n")
    (folder / "localization.txt").write_text(f"a.png,{','.join(map(str, box))}\n")
    return folder


def _voc(folder: Path, box: tuple[float, ...]) -> Path:
    corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in corners)
    xml = f"<annotation><filename>a.png</filename><object><name>0</name><bndbox>{inner}</bndbox>"
    (folder / "a.xml").write_text(f"{xml}</object></annotation>")
    return folder


@pytest.mark.parametrize("write", [_csv, _coco, _wsol, _voc])
def test_boxes_in_fractions_are_refused_in_every_format(write, tmp_path: Path):
    _image(tmp_path / "a.png")
    with pytest.raises(DataError, match="look like fractions of the image; give pixels"):
        read_annotations(write(tmp_path, (0.25, 0.2, 0.75, 0.9)), images=tmp_path)
    found = read_annotations(write(tmp_path, (10, 6, 30, 27)), images=tmp_path)
    assert found[0].boxes[0].min() > 4


def test_a_set_that_was_not_divided_tells_what_is_set_aside(tmp_path: Path):
    for name in ("cat", "dog"):
        for number in range(10):
            _image(tmp_path / name / f"{number}.png")
    for part in ("train", "val"):
        found = load_dataset("folder", tmp_path, part=part, options=LoadOptions(0))
        assert "4 of 20 images are set aside as test images" in found.notes[-1]


def test_names_of_windows_are_found_and_names_that_cannot_be_are_missing(tmp_path: Path):
    _image(tmp_path / "in" / "a.png")
    rows = ["in\\a.png,0,1,2,20,21", f"{'x' * 5000}.png,0,1,2,20,21"]
    place = tmp_path / "boxes.csv"
    place.write_text("\n".join(["path,label,x0,y0,x1,y1", *rows]))
    found = read_annotations(place)
    assert [one.path.name for one in found] == ["a.png"]
    assert found.problem_counts == {"missing-file": 1}
