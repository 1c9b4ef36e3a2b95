"""Whatever a command leaves out is counted, named, in the record, and sets the exit status."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from figureground.studies.training.train import train
from figureground.training.recipe import changed

Run = Callable[..., Result]

BAD = {
    "IMG_1.HEIC": b"\0\0\0 ftypheic",
    "scan.dcm": b"\0" * 128 + b"DICM",
    "cut.jpg": b"\xff\xd8\xff",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten photos, and three files of each that cannot be read."""
    place = tmp_path / "data"
    for label, name in enumerate(("cat", "dog")):
        (place / name).mkdir(parents=True)
        for row in range(10):
            pixels = np.random.default_rng(row).integers(0, 255, (16, 16, 3), dtype=np.uint8)
            pixels[label * 8 :][:8] = 255
            Image.fromarray(pixels).save(place / name / f"{row}.png")
    for name, content in BAD.items():
        (place / "cat" / name).write_bytes(content)
    return place


def _recipe(folder: Path, *changes: str) -> Any:
    model = {
        "name": "figureground:lenet-gap",
        "arguments": {"channels": 3},
        "preprocessing": {"size": [12, 12]},
    }
    content = {
        "name": "tiny",
        "epochs": 1,
        "batch_size": 8,
        "data": {"name": "folder", "root": str(folder)},
        "model": model,
    }
    return changed(content, changes)


def _record(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "record.json").read_text())
    return found


def _check(done: Result, named: list[str]) -> None:
    """All three are named, on screen and in the record."""
    assert done.exit_code == 2, done.output
    assert "3 files could not be used" in done.stderr
    for name in BAD:
        assert name in done.stderr
        assert any(name in line for line in named)
    assert len(named) == 3


def test_explain_and_rank(type_in: Run, folder: Path, model: str, tmp_path: Path):
    out = tmp_path / "o"
    _check(
        type_in("explain", folder / "cat", "--model", model, "--out", out),
        [one["path"] for one in _record(out)["failed"]],
    )
    out = tmp_path / "r"
    _check(
        type_in("rank", folder, "--model", model, "--classes", "0", "--out", out),
        [one["path"] for one in _record(out)["failed"]],
    )


def test_evaluate_names_all(type_in: Run, folder: Path, model: str, tmp_path: Path):
    out = tmp_path / "o"
    words = ("--model", model, "--methods", "grad-cam", "--label-offset", "0")
    rows = [f"cat/{name},0,1,2,9,10" for name in BAD] + [
        f"cat/{row}.png,0,1,2,9,10" for row in range(4)
    ]
    rows += [f"cat/none{row}.png,0,1,2,9,10" for row in range(30)]
    table = folder / "boxes.csv"
    table.write_text("\n".join(["path,label,x0,y0,x1,y1", *rows]))
    done = type_in("evaluate", "localisation", table, *words, "--out", out)
    assert done.exit_code == 2, done.output
    assert "33 items could not be used" in done.stderr
    assert "and 13 more, all of them in" in done.stderr
    named = _record(out)["left_out"]
    assert len(named) == 33
    for name in (*BAD, *(f"none{row}.png" for row in range(30))):
        assert any(name in line for line in named)


def test_train_and_compare(type_in: Run, folder: Path, tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "tiny.yaml"
    file.write_text(json.dumps(_recipe(folder).model_dump(mode="json")))
    runs = [tmp_path / f"run{seed}" for seed in range(2)]
    lost: set[str] = set()
    for seed, run in enumerate(runs):
        done = type_in("train", file, "--out", run, "--set", f"seed={seed}", "--set", "data.seed=0")
        named = _record(run)["data"]["left_out"]
        assert done.exit_code == (2 if named else 0), done.output
        assert not named or f"{len(named)} file" in done.stderr
        assert "of 23 images are set aside as test images" in done.stderr
        lost = {Path(line.partition(": ")[0]).name for line in named}
    # those in the test part are met by the comparison alone
    out = tmp_path / "c"
    words = ("--examples", "0", "--ood", folder / "cat", "--out", out)
    done = type_in("compare", *runs, *words)
    assert (out / "record.json").exists(), done.output
    named = _record(out)["left_out"]
    assert done.exit_code == 2, done.output
    assert {Path(line.partition(": ")[0]).name for line in named} == set(BAD) >= lost


def test_a_pool_of_backgrounds_counts_too(folder: Path, tmp_path: Path):
    pool = tmp_path / "pool"
    pool.mkdir()
    Image.new("RGB", (16, 16)).save(pool / "a.png")
    (pool / "b.heic").write_bytes(b"no")
    for name in BAD:
        (folder / "cat" / name).unlink()
    change = f"algorithms=[{{background-class: {{pools: ['{pool}']}}}}]"
    record = train(_recipe(folder, change), tmp_path / "run", accelerator="cpu")
    assert [Path(line.partition(": ")[0]).name for line in record.data["left_out"]] == ["b.heic"]


def test_folders_that_are_not_searched_are_named(
    type_in: Run, folder: Path, model: str, tmp_path: Path
):
    Image.new("RGB", (16, 16)).save(folder / "top.png")
    done = type_in("explain", folder, "--model", model, "--out", tmp_path / "o")
    assert done.exit_code == 0
    assert "note: not searched: cat, dog (--recursive" in done.stderr


def test_validation_images_that_are_background_are_counted(
    type_in: Run, tmp_path: Path, tiny_recipe: dict[str, Any]
):
    data = tiny_recipe["data"] | {"background": True, "count": 60}
    file = tmp_path / "tiny.yaml"
    changes = {"data": data, "algorithms": [{"background-class": {}}]}
    file.write_text(json.dumps(tiny_recipe | changes))
    done = type_in("train", file, "--out", tmp_path / "run")
    (told,) = _record(tmp_path / "run")["data"]["left_out"]
    assert "validation images of no known class" in told
    assert done.exit_code == 2, done.output
    assert told in done.stderr


def test_images_without_a_class_are_left_out_of_what_is_said_of_predictions(
    type_in: Run, folder: Path, model: str, tmp_path: Path
):
    for name in BAD:
        (folder / "cat" / name).unlink()
    rows = [f"cat/{row}.png,{row % 3},,,," for row in range(9)] + ["cat/9.png,,,,,"]
    (folder / "labels.csv").write_text("\n".join(["path,label,x0,y0,x1,y1", *rows]))
    words = ("--model", model, "--class-names", tmp_path / "names.txt", "--out", tmp_path / "o")
    done = type_in("evaluate", "information", folder / "labels.csv", *words)
    assert done.exit_code == 2, done.output
    assert _record(tmp_path / "o")["left_out"] == ["9.png: left out of the numbers: no known class"]
