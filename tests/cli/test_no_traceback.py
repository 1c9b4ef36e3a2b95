"""Values and files that cannot be end in one line, whoever finds them out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def _is_one_line(done: Result, *words: str) -> None:
    """Status 1 and a last line that says what is wrong."""
    assert done.exit_code == 1, (done.output, done.exception)
    assert isinstance(done.exception, SystemExit)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "100000"), "at most 16384"),
        (("--crop-fraction", "inf"), "crop_fraction"),
        (("--crop-fraction", "1e-9"), "crop_fraction"),
        (("--crop-fraction", "nan"), "crop_fraction"),
        (("--mean", "nan"), "finite"),
        (("--std", "inf"), "finite"),
        (("--weights", "PHOTOS/0.png"), "is not a weights file"),
    ],
)
def test_numbers_and_files_that_cannot_be(
    type_in: Run, images: Path, model: str, tmp_path: Path, words: tuple[str, ...], said: str
):
    typed = [word.replace("PHOTOS", str(images)) for word in words]
    _is_one_line(
        type_in("explain", images, "--model", model, *typed, "--out", tmp_path / "o"), said
    )


@pytest.mark.parametrize(
    "change",
    [
        "augmentation.crop_padding=1000000",
        "optimiser.lr=1e300",
        "optimiser.lr=.inf",
        "optimiser.weight_decay=.nan",
        "schedule={kind: steps, milestones: [.nan]}",
        "schedule.gamma=.inf",
        "keep_steps=[-3]",
        "epochs=99999999999999999999",
    ],
)
def test_recipes_with_numbers_that_cannot_be(type_in: Run, tmp_path: Path, change: str):
    out = tmp_path / "run"
    done = type_in("train", "cluttered-digits-lenet", "--out", out, "--set", change)
    _is_one_line(done, change.partition("=")[0].partition(".")[0])
    assert not out.exists()


def test_a_damaged_folder_of_timm(type_in: Run, images: Path, tmp_path: Path):
    config = {"architecture": "resnet18", "num_classes": 3, "pretrained_cfg": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_text("hello")
    _is_one_line(type_in("explain", images, "--model", f"timm:local-dir:{tmp_path}"), "timm")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/x"), "Permission denied"),
        (MemoryError("Unable to allocate 11 TiB"), "the memory does not suffice"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "the memory does not suffice"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deep"),
    ],
)
def test_limits_of_the_machine_end_in_one_line(
    type_in: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
):
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("figureground.training.shipped.shipped_recipes", fails)
    _is_one_line(type_in("cp", "recipe"), said)


def test_other_errors_are_bugs_and_show_all(type_in: Run, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr("figureground.training.shipped.shipped_recipes", fails)
    assert isinstance(type_in("cp", "recipe").exception, RuntimeError)


def test_an_interrupted_training_says_how_it_goes_on(
    type_in: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(_recipe: object, folder: Path, **_: object) -> None:
        folder.mkdir()
        (folder / "recipe.yaml").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("figureground.studies.training.train.train", interrupted)
    done = type_in("train", "cluttered-digits-lenet", "--out", tmp_path / "run")
    assert done.exit_code == 130
    assert f"figureground train {tmp_path / 'run'} --resume" in done.stderr
