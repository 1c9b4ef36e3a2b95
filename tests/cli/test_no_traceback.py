"""Values and files that cannot be end in one line, whoever finds them out."""

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
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
        (("--weights", "PHOTOS"), "no weights file"),
        (("--model-arg", "outputs=-1"), "negative dimension"),
        (
            ("--model", "figureground:lenet-gap", "--random", "--model-arg", "num_classes=-1"),
            "cannot build",
        ),
        (
            ("--model", "timm:resnet18", "--random", "--model-arg", "num_classes=-1"),
            "no classifier",
        ),
        (
            ("--model", "torchvision:resnet18", "--random", "--model-arg", "num_classes=-1"),
            "cannot build",
        ),
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


@pytest.mark.parametrize(
    "text", ["&a [*a]", "a: &a {b: *a}", "[" * 5000, "{a: " * 5000, "- " * 5000, "? " * 5000]
)
def test_recipes_without_end(type_in: Run, tmp_path: Path, text: str):
    (tmp_path / "r.yaml").write_text(text)
    _is_one_line(type_in("train", tmp_path / "r.yaml", "--out", tmp_path / "run"), "not plain YAML")


def _checkpoint(kind: str, file: Path) -> None:
    """Weights of the network of ``model``, one of them of a kind that no network can take."""
    torch.manual_seed(0)  # noqa: TID251 - an entry point of tests
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3))
    state = network.state_dict()
    weight = state["0.weight"]
    if kind == "text":
        file.write_text("hello, these are no weights\n")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's kinds of tensors that are on their way out
        state["0.weight"] = {
            "sparse": weight.to_sparse,
            "quantised": lambda: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
            "meta": lambda: weight.to("meta"),
            "complex": lambda: weight.to(torch.complex64),
        }[kind]()
    torch.save(state, file)


@pytest.mark.parametrize("kind", ["text", "sparse", "quantised", "meta", "complex"])
def test_weights_that_are_none(type_in: Run, images: Path, model: str, tmp_path: Path, kind: str):
    file = tmp_path / "w.pth"
    _checkpoint(kind, file)
    words = ("explain", images, "--model", model, "--weights", file, "--out", tmp_path / "o")
    _is_one_line(type_in(*words), str(file))


HEADERS = {
    "one number too many axes": (10**9,),
    "eighteen noughts": (10**9, 10**9),
    "more than memory": (10**6, 10**6),
    "negative": (-1, 5),
    "nothing": (0, 5),
}


@pytest.mark.parametrize("name", [*HEADERS, "brackets", "archive", "empty"])
def test_maps_that_are_none_cost_only_themselves(
    type_in: Run, images: Path, tmp_path: Path, name: str
):
    maps = tmp_path / "theirs"
    maps.mkdir()
    rows = [f"{number}.png,0,5,4,25,20" for number in range(3)]
    (images / "boxes.csv").write_text("path,label,x0,y0,x1,y1\n" + "\n".join(rows) + "\n")
    for number in range(1, 3):
        np.save(maps / f"{number}.npy", np.eye(5))
    file = io.BytesIO()
    if name in HEADERS:
        told = {"descr": "<f4", "fortran_order": False, "shape": HEADERS[name]}
        np.lib.format.write_array_header_1_0(file, told)
    elif name == "brackets":
        file.write(b"\x93NUMPY\x01\x00v\x00" + b"(" * 200_000)
    elif name == "archive":
        file.write(b"PK\x03\x04" + bytes(100))
    (maps / "0.npy").write_bytes(file.getvalue())
    words = ("--maps", maps, "--step", "0.1", "--validation-share", "0.34", "--out", tmp_path / "o")
    done = type_in("evaluate", "localisation", images, *words)
    assert done.exit_code == 2, (done.output, done.exception)
    record = json.loads((tmp_path / "o" / "record.json").read_text())
    assert record["problems"] == {"map-unusable": 1}
    assert "0.png" in record["left_out"][0]


@pytest.mark.parametrize("content", ["[" * 5000 + "]" * 5000, '{"images": ' + "[" * 99_999])
def test_json_without_end_names_its_file(
    type_in: Run, images: Path, model: str, tmp_path: Path, content: str
):
    file = images / "deep.json"
    file.write_text(content)
    words = ("--model", model, "--methods", "cam", "--out", tmp_path / "o")
    _is_one_line(type_in("evaluate", "localisation", file, *words), str(file), "nested too deep")


def test_a_name_of_5000_letters_is_a_missing_file(
    type_in: Run, images: Path, model: str, tmp_path: Path
):
    names = [*(f"{number}.png" for number in range(3)), "x" * 5000, "nul\0.png"]
    content = {
        "images": [{"id": at, "file_name": name} for at, name in enumerate(names)],
        "annotations": [
            {"image_id": at, "category_id": 1, "bbox": [1, 2, 20, 20]} for at in range(5)
        ],
    }
    (images / "boxes.json").write_text(json.dumps(content))
    words = ("--model", model, "--methods", "cam", "--size", "24x32", "--out", tmp_path / "o")
    done = type_in("evaluate", "localisation", images, *words)
    assert done.exit_code == 2, (done.output, done.exception)
    assert len(json.loads((tmp_path / "o" / "record.json").read_text())["left_out"]) == 2


VERBS = {
    "explain": ("explain", "IMAGES", "--model", "MODEL"),
    "rank": ("rank", "IMAGES", "--model", "MODEL", "--classes", "0"),
    "evaluate": ("evaluate", "localisation", "IMAGES", "--model", "MODEL", "--methods", "cam"),
    "background": ("background", "build", "--procedural", "3"),
    "train": ("train", "cluttered-digits-lenet", "--set", "epochs=1", "--set", "data.count=50"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", ["file", "file/deeper", "/proc/nowhere"])
def test_folders_that_cannot_be_made(
    type_in: Run, images: Path, model: str, tmp_path: Path, verb: str, place: str
):
    (tmp_path / "file").write_text("somebody's")
    typed = [word.replace("IMAGES", str(images)).replace("MODEL", model) for word in VERBS[verb]]
    _is_one_line(type_in(*typed, "--out", tmp_path / place), "cannot write")
    assert (tmp_path / "file").read_text() == "somebody's"


# a folder stands where the job would write a file, after its first part
BLOCKED = [
    *(("explain", name) for name in ("entries.jsonl", "report.html", "record.json")),
    *(("rank", name) for name in ("entries.jsonl", "scores.csv", "report.html", "record.json")),
    *(("evaluate", name) for name in ("entries.jsonl", "per_image.npz", "tables.md")),
    *(("background", name) for name in ("report.md", "images.png", "train")),
]


@pytest.mark.parametrize(("verb", "name"), BLOCKED)
def test_what_cannot_be_written_later_on(
    type_in: Run, images: Path, model: str, tmp_path: Path, verb: str, name: str
):
    typed = [word.replace("IMAGES", str(images)).replace("MODEL", model) for word in VERBS[verb]]
    rows = [f"{number}.png,0,5,4,25,20" for number in range(3)]
    if verb == "evaluate":
        (images / "boxes.csv").write_text("path,label,x0,y0,x1,y1\n" + "\n".join(rows) + "\n")
    out = tmp_path / "out"
    type_in(*typed, "--out", out)
    for file in sorted(out.rglob("*"), reverse=True):
        if file.name == name and file.is_file():
            file.unlink()
            (file / "in the way").mkdir(parents=True)
    if name == "train":
        for file in sorted((out / name).iterdir()):
            file.unlink()
        (out / name).rmdir()
        (out / name).write_text("in the way")
    done = type_in(*typed, "--out", out, "--overwrite")
    _is_one_line(done)


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
