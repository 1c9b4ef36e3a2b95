"""Which runs can be compared, and on which images."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json, write_json
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.studies.comparison.arms import Arm, read_arms
from figureground.studies.comparison.held_out import held_out
from figureground.studies.training.runs import TrainedRun, load_run


def test_runs_are_read_with_what_they_were_trained_with(runs: Path):
    plain, bg = read_arms({"plain": [runs / "plain-1", runs / "plain-0"], "bg": [runs / "bg-0"]})
    assert [run.seed for run in plain.runs] == [0, 1]
    assert [run.data_seed for run in plain.runs] == [0, 0]
    assert not plain.has_background
    assert bg.has_background
    assert bg.runs[0].num_classes == 10
    assert bg.runs[0].classifier.num_classes == 11
    assert not bg.runs[0].classifier.training


def test_an_unfinished_run_is_named_with_the_way_on(runs: Path, tmp_path: Path):
    shutil.copytree(runs / "bg-0", tmp_path / "half")
    (tmp_path / "half" / "record.json").unlink()
    with pytest.raises(
        DataError, match=r"half is not finished: there is no record.json; .*--resume"
    ):
        read_arms({"plain": [runs / "plain-0"], "bg": [tmp_path / "half"]})


def test_a_folder_without_a_run_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="holds no training run"):
        load_run(tmp_path)


def test_runs_of_other_classes_are_refused(runs: Path, tmp_path: Path):
    shutil.copytree(runs / "plain-0", tmp_path / "other")
    names = read_json(tmp_path / "other" / "classes.json")
    write_json(tmp_path / "other" / "classes.json", ["zero", *names[1:]])
    with pytest.raises(
        OptionError, match="different classes: the second has also zero and lacks 0"
    ):
        read_arms({"plain": [runs / "plain-0"], "other": [tmp_path / "other"]})
    write_json(tmp_path / "other" / "classes.json", names[::-1])
    with pytest.raises(OptionError, match="same classes in other order"):
        read_arms({"plain": [runs / "plain-0"], "other": [tmp_path / "other"]})


def test_one_arm_is_no_comparison(runs: Path):
    with pytest.raises(OptionError, match="two arms at least, not 1"):
        read_arms({"plain": [runs / "plain-0"]})
    with pytest.raises(OptionError, match="holds one folder twice"):
        read_arms({"plain": [runs / "plain-0", runs / "." / "plain-0"], "bg": [runs / "bg-0"]})


def test_the_default_is_the_test_part_of_the_first_runs_data(runs: Path):
    arms = read_arms({"plain": [runs / "plain-0"], "bg": [runs / "bg-0"]})
    found = held_out(arms).of(arms[1].runs[0]).data
    expected = load_dataset("cluttered-digits", part="test", options=LoadOptions(seed=0))
    assert found.pixels.equal(expected.pixels)
    assert found.labels.equal(expected.labels)


def test_a_limit_draws_the_same_images_for_all(runs: Path):
    arms = read_arms({"plain": [runs / "plain-0"], "bg": [runs / "bg-1"]})
    first, again = held_out(arms, limit=20, seed=4), held_out(arms, limit=20, seed=4)
    one, other = first.of(arms[0].runs[0]), again.of(arms[1].runs[0])
    assert len(one) == 20
    assert one.data.pixels.equal(other.data.pixels)
    assert not one.data.pixels.equal(
        held_out(arms, limit=20, seed=5).of(arms[0].runs[0]).data.pixels
    )


def digits(seed: int) -> dict[str, object]:
    return {"name": "cluttered-digits", "seed": seed}


def test_runs_that_divided_the_data_by_themselves_are_tested_on_their_own_part(
    toy_run: Callable[..., TrainedRun],
):
    names = tuple(map(str, range(10)))
    made = [toy_run(seed=seed, names=names, data=digits(seed)) for seed in (0, 1)]
    found = held_out([Arm("a", tuple(made)), Arm("b", tuple(made))], limit=10)
    assert found.key(made[0]) != found.key(made[1])
    assert not found.of(made[0]).data.pixels.equal(found.of(made[1]).data.pixels)
    assert any("their images are pooled" in note for note in found.notes)


def test_arms_whose_test_images_may_be_the_others_training_images_are_refused(
    toy_run: Callable[..., TrainedRun],
):
    one, other = (toy_run(data=digits(seed)) for seed in (0, 1))
    with pytest.raises(
        OptionError, match=r"divided by seeds \[1\], those of the first arm by \[0\]"
    ):
        held_out([Arm("a", (one,)), Arm("b", (other,))])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Class folders b and a with an image each, and a background."""
    for name, level in (("a", 0), ("b", 100), ("background", 255)):
        (tmp_path / "val" / name).mkdir(parents=True)
        Image.new("L", (2, 2), level).save(tmp_path / "val" / name / "x.png")
    return tmp_path / "val"


def test_a_folder_is_tested_on_as_a_whole_with_labels_by_name(
    images: Path, toy_run: Callable[..., TrainedRun]
):
    run = toy_run(names=("b", "c", "a"))
    found = held_out([Arm("x", (run,)), Arm("y", (run,))], str(images))
    seen = found.of(run).view(run.classifier.preprocessing)
    assert seen.labels.tolist() == [2, 0]  # a, b; the background is no known class
    assert seen.pixels.flatten(1)[:, 0].tolist() == [0, 100]
    assert found.background(run).data.labels.tolist() == [3]


def test_strange_classes_and_names_are_refused(images: Path, toy_run: Callable[..., TrainedRun]):
    run = toy_run(names=("a", "c"))
    arms = [Arm("x", (run,)), Arm("y", (run,))]
    with pytest.raises(OptionError, match="classes that the runs do not know: b; known: a, c"):
        held_out(arms, str(images)).of(run)
    with pytest.raises(
        OptionError,
        match="'fotos' is neither a folder nor a data set; data sets: boxes, caltech101",
    ):
        held_out(arms, "fotos")


def test_the_folder_that_was_trained_on_gives_its_test_part_only(
    images: Path, toy_run: Callable[..., TrainedRun]
):
    for name in ("a", "b"):
        for number in range(9):
            Image.new("L", (2, 2), number).save(images / name / f"{number}.png")
    run = toy_run(names=("a", "b"), data={"name": "folder", "root": str(images)})
    found = held_out([Arm("x", (run,)), Arm("y", (run,))], str(images))
    assert len(found.of(run)) == 4  # a fifth of each class
    assert torch.bincount(found.of(run).data.labels).tolist() == [2, 2]


def test_runs_are_read_at_the_checkpoint_that_is_asked_for(runs: Path, tmp_path: Path):
    folders = {}
    for name in ("plain", "bg"):
        folders[name] = [Path(shutil.copytree(runs / f"{name}-0", tmp_path / name))]
        values = load_file(folders[name][0] / "last.safetensors")
        save_file(
            {key: value * 2 for key, value in values.items()},
            folders[name][0] / "step-3.safetensors",
        )
    early, last = (read_arms(folders, checkpoint=which) for which in ("step-3", "last"))
    for one, other in zip(early, last, strict=True):
        pairs = zip(
            one.runs[0].classifier.parameters(),
            other.runs[0].classifier.parameters(),
            strict=True,
        )
        assert all(torch.equal(first, 2 * second) for first, second in pairs)
