"""Every kind of source, and what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.models import Classifier
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.items import read_source
from figureground.studies.training.runs import TrainedRun
from figureground.training.recipe import changed


def test_a_folder_with_one_csv_gives_its_rows(box_folder: Callable[..., Path]):
    source = read_source(str(box_folder(4)), DataOptions())
    assert [item.name for item in source.items] == ["00.png", "01.png", "02.png", "03.png"]
    assert [item.label for item in source.items] == ["tabby", "tiger cat", "lynx", "tabby"]
    assert all(item.boxes.shape == (1, 4) and item.load().size == (64, 48) for item in source.items)
    assert source.problems == ()


def test_two_annotation_files_in_a_folder_have_to_be_named(box_folder: Callable[..., Path]):
    folder = box_folder(2)
    (folder / "more.json").write_text("{}")
    with pytest.raises(
        DataError, match=r"several annotation files; name one of boxes.csv, more.json"
    ):
        read_source(str(folder), DataOptions())
    assert len(read_source(str(folder / "boxes.csv"), DataOptions()).items) == 2


def test_a_plain_folder_has_no_boxes_and_the_names_of_its_folders_as_labels(tmp_path: Path):
    (tmp_path / "lynx").mkdir()
    for place in ("lynx/a.png", "b.png"):
        Image.new("RGB", (5, 4)).save(tmp_path / place)
    source = read_source(str(tmp_path), DataOptions())
    assert {item.name: item.label for item in source.items} == {"a.png": "lynx", "b.png": None}
    assert all(len(item.boxes) == 0 for item in source.items)


def test_every_problem_of_the_annotations_is_handed_on(box_folder: Callable[..., Path]):
    folder = box_folder(3)
    with (folder / "boxes.csv").open("a") as file:
        file.write("gone.png,lynx,0,0,5,5\n00.png,tabby,70,0,90,10\n01.png,tiger cat,4,4,4,9\n")
    source = read_source(str(folder), DataOptions())
    assert [problem.kind for problem in source.problems] == [
        "outside-box",
        "empty-box",
        "missing-file",
    ]
    assert "outside the 64x48 image" in str(source.problems[0])
    assert len(source.items) == 3


def test_a_pack_gives_labels_names_and_half_open_boxes(tmp_path: Path):
    content = Image.new("RGB", (8, 6))
    content.save(tmp_path / "a.png")
    data = np.frombuffer((tmp_path / "a.png").read_bytes(), np.uint8)
    box = np.array([[1, 2, 3, 4]])
    np.savez(tmp_path / "p.npz", data=data, off=np.array([0, len(data)]), label=[7], box=box)
    (item,) = read_source(str(tmp_path / "p.npz"), DataOptions()).items
    assert (item.name, item.label, item.boxes.tolist()) == ("p[0]", 7, [[1, 2, 4, 5]])
    assert item.load().size == (8, 6)


def test_clutter_has_a_tight_box_round_each_digit():
    source = read_source("clutter", DataOptions(count=3))
    assert [item.load().size for item in source.items] == [(100, 100)] * 3
    x0, y0, x1, y1 = source.items[0].boxes[0].astype(int)
    grey = np.asarray(source.items[0].load())[..., 0]
    # distractors may fill the border rows too, but the digit reaches all four sides of its box
    inside = grey[y0:y1, x0:x1]
    assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


def test_clutter_of_test_digits_does_not_change_with_its_length():
    short, long = (read_source("clutter", DataOptions(count=count)).items for count in (2, 5))
    assert [item.label for item in long[:2]] == [item.label for item in short]


@pytest.mark.parametrize("wrong", [{"digits": "roman"}, {"count": 0}, {"limit": 0}, {"workers": 0}])
def test_impossible_options_are_refused(wrong: dict[str, Any]):
    with pytest.raises(OptionError):
        DataOptions(**wrong)


def test_a_source_that_is_not_there_is_named():
    with pytest.raises(DataError, match="no file or folder 'nowhere'"):
        read_source("nowhere", DataOptions())


@pytest.mark.parametrize(
    ("seed", "data_seed", "given", "divided_by"),
    [(5, None, None, 5), (5, 2, None, 2), (5, 2, 7, 7), (0, None, None, 0)],
)
def test_a_runs_own_data_are_divided_as_it_divided_them(
    seed: int, data_seed: int | None, given: int | None, divided_by: int, classifier: Classifier
):
    data = {"name": "cluttered-digits", "seed": data_seed}
    model = {"name": "figureground:lenet-gap"}
    recipe = changed({"name": "t", "epochs": 1, "seed": seed, "data": data, "model": model})
    run = TrainedRun(Path("run"), classifier, recipe, {}, tuple("0123456789"))
    items = read_source(None, DataOptions(split_seed=given), run).items
    wanted = load_dataset("cluttered-digits", part="test", options=LoadOptions(seed=divided_by))
    other = load_dataset("cluttered-digits", part="test", options=LoadOptions(seed=99))
    assert [item.label for item in items] == [str(label) for label in wanted.labels.tolist()]
    found = np.asarray(items[3].load().convert("L"))
    assert np.array_equal(found, wanted.pixels[3, 0].numpy())
    assert not np.array_equal(found, other.pixels[3, 0].numpy())
