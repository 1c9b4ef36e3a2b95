"""Twelve bits in files of sixteen: by --range every command finds what it finds in eight; without, it says a word."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

Run = Callable[..., Result]
SAID = "20 images: less than an eighth of the range that the file can hold is used"


@pytest.fixture
def twins(tmp_path: Path) -> tuple[Path, Path]:
    """Photos of two classes with eight bits, and the same with twelve in files of sixteen."""
    for label, name in enumerate(("cat", "dog")):
        for row in range(10):
            pixels = np.random.default_rng(row).integers(0, 200, (16, 20), dtype=np.uint8)
            pixels[label * 8 :][:8] += 55
            # 4095 / 255 is not a whole number: each is the nearest, and comes back exactly
            deep = ((pixels.astype(np.int64) * 4095 * 2 + 255) // 510).astype(np.uint16)
            for place, one in (("shallow", pixels), ("deep", deep)):
                folder = tmp_path / place / name
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(one).save(folder / f"{row}.png")
    return tmp_path / "shallow", tmp_path / "deep"


def record(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "record.json").read_text())
    return found


def arrays(*files: Path) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for file in files:
        with np.load(file) as held:
            found += [held[name] for name in sorted(held.files) if held[name].dtype.kind in "fiu"]
    return found


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) > 0 and all(
        np.array_equal(one, other, equal_nan=True) for one, other in zip(first, second, strict=True)
    )


def test_explain(type_in: Run, twins: tuple[Path, Path], model: str, tmp_path: Path):
    words = ("-r", "--model", model, "--size", "16x20")
    found = {}
    for name, folder, *more in (
        ("shallow", twins[0]),
        ("dark", twins[1]),
        ("right", twins[1], "--range", "12-bit"),
    ):
        out = tmp_path / name
        done = type_in("explain", folder, *words, *more, "--out", out)
        assert done.exit_code == 0, done.output
        assert (SAID in done.stderr) == (name == "dark")
        assert any(SAID in note for note in record(out)["notes"]) == (name == "dark")
        lines = map(json.loads, (out / "entries.jsonl").read_text().splitlines())
        files = {str(Path(one["image"]).relative_to(folder)): one["npz"] for one in lines}
        found[name] = arrays(*(out / files[key] for key in sorted(files)))
    assert same(found["right"], found["shallow"])
    assert not same(found["dark"], found["shallow"])


def test_explain_again_at_another_range_uses_nothing_of_the_first(
    type_in: Run, twins: tuple[Path, Path], model: str, tmp_path: Path
):
    words = (
        "explain",
        twins[1] / "cat",
        "--model",
        model,
        "--size",
        "16x20",
        "--out",
        tmp_path / "o",
    )
    type_in(*words)
    again = type_in(*words)
    assert "(10 of them in an earlier run)" in again.stdout
    assert "10 images: less than an eighth" in again.stderr  # which nothing was decoded for
    done = type_in(*words, "--range", "data")
    assert done.exit_code == 0, done.output
    assert "earlier" not in done.stdout
    assert "an eighth" not in done.stderr


def test_rank(type_in: Run, twins: tuple[Path, Path], model: str, tmp_path: Path):
    def scores(folder: Path, out: str, *more: str) -> tuple[Result, list[str]]:
        words = ("--model", model, "--size", "16x20", "--classes", "0", "--out", tmp_path / out)
        done = type_in("rank", folder, *words, *more)
        assert done.exit_code == 0, done.output
        rows = (tmp_path / out / "scores.csv").read_text().splitlines()
        return done, [row.partition(",")[2] for row in rows]

    _, shallow = scores(twins[0], "shallow")
    first, dark = scores(twins[1], "deep")
    again, kept = scores(twins[1], "deep")
    right, found = scores(twins[1], "deep", "--range", "12-bit")
    assert found == shallow
    assert dark == kept != shallow
    assert SAID in first.stderr
    assert SAID in again.stderr
    assert SAID not in right.stderr
    assert record(tmp_path / "deep")["notes"] == []
    assert "earlier" in again.stdout
    assert "earlier" not in right.stdout


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_evaluate(type_in: Run, twins: tuple[Path, Path], model: str, tmp_path: Path, kind: str):
    found = {}
    for name, folder, *more in (
        ("shallow", twins[0]),
        ("dark", twins[1]),
        ("right", twins[1], "--range", "0,4095"),
    ):
        rows = [
            f"{label}/{row}.png,{at},1,2,9,10"
            for at, label in enumerate(("cat", "dog"))
            for row in range(10)
        ]
        table = folder / "boxes.csv"
        table.write_text("\n".join(["path,label,x0,y0,x1,y1", *rows]))
        data = (table,) if kind == "table" else (folder, "--split", "test")
        words = ("--model", model, "--size", "16x20", "--methods", "grad-cam", *more)
        out = tmp_path / name
        done = type_in("evaluate", "robustness", *data, *words, "--out", out)
        assert done.exit_code == 0, done.output
        said = any("less than an eighth of the range" in note for note in record(out)["notes"])
        assert said == ("less than an eighth of the range" in done.stderr) == (name == "dark")
        assert not {"small-range", "unreadable-file"} & set(record(out)["problems"])
        found[name] = arrays(out / "per_image.npz")
    assert same(found["right"], found["shallow"])
    assert not same(found["dark"], found["shallow"])


def trained(type_in: Run, folder: Path, run: Path, *more: str) -> Result:
    """A run on the photos of a folder, with backgrounds out of it."""
    model = {
        "name": "figureground:lenet-gap",
        "arguments": {"channels": 3},
        "preprocessing": {"size": [12, 12]},
    }
    data = {"name": "folder", "root": str(folder)}
    content = {"name": "tiny", "epochs": 1, "batch_size": 8, "data": data, "model": model}
    file = run.with_suffix(".yaml")
    file.write_text(json.dumps(content))
    pool = f"algorithms=[{{background-class: {{pools: ['{folder / 'dog'}']}}}}]"
    return type_in("train", file, "--out", run, "--set", pool, *more)


def test_train_and_compare(type_in: Run, twins: tuple[Path, Path], tmp_path: Path):
    numbers, tables = {}, {}
    for name, folder, *more in (
        ("shallow", twins[0]),
        ("dark", twins[1]),
        ("right", twins[1], "--range", "12-bit"),
    ):
        run, out = tmp_path / f"run-{name}", tmp_path / f"c-{name}"
        done = trained(type_in, folder, run, *more)
        assert done.exit_code == 0, done.output
        assert ("images: less than an eighth" in done.stderr) == (name == "dark")
        numbers[name] = (record(run)["last"], record(run)["best"])
        shutil.copytree(run, tmp_path / f"{run}-again")
        done = type_in(
            "compare", run, f"{run}-again", "--examples", "0", "--maps", "0", "--out", out
        )
        assert done.exit_code == 0, done.output
        said = any("images: less than an eighth" in note for note in record(out)["notes"])
        assert said == ("images: less than an eighth" in done.stderr) == (name == "dark")
        told = record(out)["tables"][:-1]  # the last one tells times
        tables[name] = json.dumps(told).replace(f"run-{name}", "run")
    assert numbers["right"] == numbers["shallow"] != numbers["dark"]
    assert tables["right"] == tables["shallow"]


def test_a_run_knows_its_range(type_in: Run, twins: tuple[Path, Path], tmp_path: Path):
    run = tmp_path / "run"
    trained(type_in, twins[1], run, "--range", "12-bit")
    words = ("explain", twins[1] / "cat", "--model", run, "--out", tmp_path / "o")
    done = type_in(*words)
    assert done.exit_code == 0, done.output
    assert "an eighth" not in done.stderr
    refused = type_in(*words, "--range", "full")
    assert refused.exit_code == 1
    assert "leave out --range" in refused.stderr


@pytest.mark.parametrize("source", ["{0}", "patch-shuffle:{0}", "held-out:{0}:cat,dog"])
def test_background(type_in: Run, twins: tuple[Path, Path], tmp_path: Path, source: str):
    found = {}
    for name, folder, *more in (
        ("shallow", twins[0]),
        ("dark", twins[1]),
        ("right", twins[1], "--range", "12-bit"),
    ):
        out = tmp_path / f"pool-{name}"
        done = type_in("background", "build", "--from", source.format(folder), "--out", out, *more)
        assert done.exit_code == 0, done.output
        assert (SAID in done.stderr) == (name == "dark")
        assert any(SAID in note for note in record(out)["notes"]) == (name == "dark")
        found[name] = {
            file.name: np.asarray(Image.open(file)).tobytes() for file in out.rglob("[0-9]*.png")
        }
    assert found["right"] == found["shallow"] != found["dark"]


def test_a_range_that_cannot_be_is_an_error_before_any_work(
    type_in: Run, twins: tuple[Path, Path], model: str, tmp_path: Path
):
    for words in (
        ("explain", twins[1], "-r", "--model", model),
        ("rank", twins[1], "--model", model, "--classes", "0"),
        ("evaluate", "robustness", twins[1], "--model", model),
        ("background", "build", "--from", twins[1]),
    ):
        done = type_in(*words, "--range", "13bit", "--out", tmp_path / "o")
        assert done.exit_code == 1
        assert "a range is full, data, a depth such as 12-bit" in " ".join(done.stderr.split())
        assert not (tmp_path / "o").exists()
