"""iNaturalist's lists, and the ids of rare classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError
from figureground.data import load_dataset, with_rare
from figureground.data.loaders.inaturalist import inaturalist17
from figureground.data.rare import named_rare


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty training images and two of validation, of categories 7 and 40."""
    for part, count in (("train", 20), ("val", 2)):
        names = [f"{part}/{n}.png" for n in range(count)]
        (tmp_path / part).mkdir()
        for n, name in enumerate(names):
            Image.fromarray(np.full((4, 4, 3), n, dtype=np.uint8)).save(tmp_path / name)
        content = {
            "categories": [{"id": 40}, {"id": 7}],
            "images": [{"id": n + 5, "file_name": name} for n, name in enumerate(names)],
            "annotations": [
                {"image_id": n + 5, "category_id": 40 if n % 4 == 0 else 7}
                for n in reversed(range(count))
            ],
        }
        (tmp_path / f"{part}2017.json").write_text(json.dumps(content))
    return tmp_path


def test_classes_are_category_ids_and_pictures_come_with_their_own(folder: Path):
    data = inaturalist17(folder, "train")
    assert data.class_names == ("7", "40")
    assert data.labels.tolist() == [1 if n % 4 == 0 else 0 for n in range(20)]
    assert np.asarray(data.image(13))[0, 0, 0] == 13
    (folder / "ids.txt").write_text("40\n")
    rare = with_rare(data, named_rare([str(folder / "ids.txt")]))
    assert rare.class_names == ("40",)
    assert rare.background_count == 15


def test_the_test_part_is_the_official_validation(folder: Path):
    test = load_dataset("inaturalist17", folder, part="test")
    assert len(test) == 2
    sizes = [len(load_dataset("inaturalist17", folder, part=part)) for part in ("train", "val")]
    assert sum(sizes) == 20


def test_files_that_are_no_lists_are_refused(folder: Path):
    (folder / "train2017.json").write_text('{"images": []}')
    with pytest.raises(DataError, match="no 'categories'"):
        inaturalist17(folder, "train")
    (folder / "train2017.json").unlink()
    with pytest.raises(DataError, match=r"data\.root of inaturalist17 holds train2017.json and"):
        inaturalist17(folder, "train")
