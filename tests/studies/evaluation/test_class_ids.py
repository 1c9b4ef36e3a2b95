"""Ids of another list of classes are mapped to the model's."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError
from figureground.studies.evaluation.class_ids import read_class_ids
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.image_set import open_images
from figureground.studies.evaluation.items import read_source


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Three images whose categories are numbers of a list of their own."""
    for number in range(3):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / f"{number}.png")
    content = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(3)],
        "annotations": [
            {"image_id": n, "category_id": category, "bbox": [1, 2, 10, 8]}
            for n, category in enumerate((489, 7, 12))
        ],
    }
    place = tmp_path / "boxes.json"
    place.write_text(json.dumps(content))
    return place


def test_ids_become_the_classes_of_the_file(coco: Path, tmp_path: Path):
    (tmp_path / "ids.txt").write_text("489 0\n7 3\n")
    source = read_source(str(coco), DataOptions(class_ids=tmp_path / "ids.txt"))
    assert [item.label for item in source.items] == [0, 3]
    assert [(one.kind, one.where) for one in source.problems] == [("unknown-label", "2.png")]
    assert "no id '12'" in source.problems[0].message
    plain = read_source(str(coco), DataOptions())
    assert [item.label for item in plain.items] == [489, 7, 12]


def test_the_labels_arrive(coco: Path, tmp_path: Path):
    (tmp_path / "ids.json").write_text(json.dumps({"489": 5, "7": 6, "12": 7}))
    found = open_images(coco, None, DataOptions(class_ids=tmp_path / "ids.json"))
    assert found.labels.tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("1\n", "has no class"), ("1 2\n1 3\n", "comes twice"), (None, "cannot read class ids")],
)
def test_a_file_that_says_nothing_sure_is_refused(text: str | None, reason: str, tmp_path: Path):
    place = tmp_path / "ids.txt"
    if text is not None:
        place.write_text(text)
    with pytest.raises(DataError, match=reason):
        read_class_ids(place)
