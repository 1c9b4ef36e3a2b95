"""The folder of a run: what it stands on, what damage does to it, and who may write to it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.studies.comparison.compare import compare
from figureground.studies.comparison.options import CompareOptions
from figureground.studies.training.train import _is_restarted, train
from figureground.training import Recipe
from figureground.training.algorithms import resolved
from figureground.training.recipe import changed
from figureground.training.trained import load_trained

RESULTS = ("best.safetensors", "last.safetensors", "history.csv")


def draw(path: Path, number: int) -> None:
    """A picture whose brightness tells its class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 60, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise + 180 * (number % 2)).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(60):
        draw(tmp_path / "photos" / ("dark", "light")[number % 2] / f"{number}.png", number)
    for number in range(6):
        draw(tmp_path / "backgrounds" / f"{number}.png", 1000 + number)
    return tmp_path / "photos"


@pytest.fixture
def recipe(photos: Path) -> Recipe:
    background = {"pools": [str(photos.parent / "backgrounds")], "ratio": 0.25}
    return changed(
        {
            "name": "tiny",
            "epochs": 3,
            "batch_size": 8,
            "checkpoint_every": 1,
            "keep_steps": [2],
            "data": {"name": "folder", "root": str(photos)},
            "model": {"name": "figureground:lenet-gap", "preprocessing": {"size": [12, 12]}},
            "algorithms": [{"background-class": background}],
        }
    )


class Stopped(Exception):  # noqa: N818 - not an error
    pass


def stop(_stage: str, done: int, _total: int) -> None:
    if done == 8 * 8:
        raise Stopped


@pytest.fixture
def stopped(recipe: Recipe, tmp_path: Path) -> Path:
    """A run that was stopped in its second epoch."""
    with pytest.raises(Stopped):
        train(recipe, tmp_path / "run", accelerator="cpu", progress=stop)
    return tmp_path / "run"


def results(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in RESULTS]


def remove_image(photos: Path) -> None:
    next(iter(sorted(photos.rglob("*.png")))).unlink()


def change_image(photos: Path) -> None:
    for path in photos.rglob("*.png"):
        draw(path, 2000 + int(path.stem))


def move_image(photos: Path) -> None:
    (photos / "dark" / "0.png").rename(photos / "light" / "0.png")


def change_background(photos: Path) -> None:
    draw(photos.parent / "backgrounds" / "3.png", 77)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (remove_image, "training images"),
        (change_image, "training images, validation images"),
        (move_image, "images"),
        (change_background, "what the algorithms load"),
    ],
)
def test_a_run_does_not_go_on_with_other_images(
    change: Callable[[Path], None], named: str, photos: Path, recipe: Recipe, stopped: Path
):
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    change(photos)
    with pytest.raises(DataError, match=f"not as they were when the run began: .*{named}"):
        train(recipe, stopped, accelerator="cpu", resume=True)
    kept = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    assert {path: content for path, content in kept.items() if path in before} == before


def test_a_run_does_not_go_on_with_other_code(
    photos: Path, tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
):
    text = (
        "import torch\nfrom torch import nn\n\nSCALE = {}\n\n\nclass Net(nn.Module):\n"
        "    preprocessing = {{'size': (12, 12)}}\n\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.layer, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)\n\n"
        "    def forward(self, x):\n        return self.head(self.layer(x).mean((2, 3))) * SCALE\n"
    )
    file = tmp_path / "net.py"
    file.write_text(text.format("1.0"))
    own = recipe.model_copy(
        update={
            "model": recipe.model.model_copy(
                update={"name": f"{file}:Net", "preprocessing": {"size": [12, 12]}}
            ),
            "algorithms": (),
        }
    )
    with pytest.raises(Stopped):
        train(own, tmp_path / "run", accelerator="cpu", progress=stop)
    file.write_text(text.format("2.0"))
    with pytest.raises(DataError, match="code of the model"):
        train(own, tmp_path / "run", accelerator="cpu", resume=True)


def nul_block(folder: Path) -> None:
    (folder / "history.csv").write_bytes(b"\0" * 4096)


def no_history(folder: Path) -> None:
    (folder / "history.csv").unlink()


def no_best(folder: Path) -> None:
    (folder / "best.safetensors").unlink()


def cut_best(folder: Path) -> None:
    data = (folder / "best.safetensors").read_bytes()
    (folder / "best.safetensors").write_bytes(data[: len(data) // 2])


def flipped_weights(folder: Path) -> None:
    for name in RESULTS[:2]:
        data = bytearray((folder / name).read_bytes())
        data[-9] ^= 64
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("damage", [nul_block, no_history, no_best, cut_best, flipped_weights])
@pytest.mark.parametrize("finished", [False, True])
def test_damaged_results_are_made_again(
    damage: Callable[[Path], None],
    finished: bool,
    recipe: Recipe,
    stopped: Path,
    tmp_path: Path,
):
    whole = train(recipe, tmp_path / "whole", accelerator="cpu")
    if finished:
        train(recipe, stopped, accelerator="cpu", resume=True)
    damage(stopped)
    again = train(recipe, stopped, accelerator="cpu", resume=True)
    assert (again.best, again.last) == (whole.best, whole.last)
    assert results(stopped) == results(tmp_path / "whole")


def test_a_damaged_checkpoint_is_named_and_never_trusted(recipe: Recipe, stopped: Path):
    file = stopped / "resume.pt"
    data = file.read_bytes()
    for at in np.random.default_rng(0).integers(0, len(data), 60).tolist():
        flipped = bytearray(data)
        flipped[at] ^= 1 << (at % 8)
        file.write_bytes(flipped)
        with pytest.raises(DataError, match=r"cannot resume from .*resume\.pt"):
            train(recipe, stopped, accelerator="cpu", resume=True)
        break_at = data[:at]
        file.write_bytes(break_at)
        with pytest.raises(DataError, match=r"cannot resume from .*resume\.pt"):
            train(recipe, stopped, accelerator="cpu", resume=True)
    file.unlink()
    with pytest.raises(DataError, match=r"cannot resume from .*resume\.pt: No such file"):
        train(recipe, stopped, accelerator="cpu", resume=True)


def test_weights_of_a_step_that_cannot_be_made_again_are_named(recipe: Recipe, stopped: Path):
    (stopped / "step-2.safetensors").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"step-2\.safetensors is missing or damaged"):
        train(recipe, stopped, accelerator="cpu", resume=True)


def test_weights_that_nobody_has_trained_there_are_not_written_over(
    recipe: Recipe, stopped: Path, tmp_path: Path
):
    own = tmp_path / "own"
    own.mkdir()
    (own / "best.safetensors").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"holds 'best\.safetensors', which no job of this kind"):
        train(recipe, own, accelerator="cpu")
    assert (own / "best.safetensors").read_bytes() == b"mine"
    (stopped / "recipe.yaml").unlink()
    before = results(stopped)
    with pytest.raises(OptionError, match="already holds a run"):
        train(recipe, stopped, accelerator="cpu")
    assert results(stopped) == before


def test_a_run_may_be_stopped_before_its_first_step(recipe: Recipe, tmp_path: Path):
    def at_once(_stage: str, _done: int, _total: int) -> None:
        raise Stopped

    long = recipe.model_copy(update={"checkpoint_every": 0})
    with pytest.raises(Stopped):
        train(long, tmp_path / "run", accelerator="cpu", progress=at_once)
    record = train(long, tmp_path / "run", accelerator="cpu", resume=True)
    assert record.steps == 15


def test_under_torchrun_an_unfinished_run_of_the_same_recipe_goes_on(
    recipe: Recipe, stopped: Path, monkeypatch: pytest.MonkeyPatch
):
    own, other = resolved(recipe), resolved(recipe.model_copy(update={"epochs": 4}))
    assert not _is_restarted(own, stopped)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job")  # with processes, tests/training has it
    assert _is_restarted(own, stopped)
    assert not _is_restarted(other, stopped)
    assert not _is_restarted(own, stopped.parent)
    (stopped / "record.json").touch()
    assert not _is_restarted(own, stopped)


def test_a_run_that_has_learnt_nothing_says_so_and_a_comparison_too(
    recipe: Recipe, tmp_path: Path, photos: Path
):
    dull = recipe.model_copy(
        update={"optimiser": recipe.optimiser.model_copy(update={"lr": 1e-12}), "algorithms": ()}
    )
    good = recipe.model_copy(update={"algorithms": (), "epochs": 12})
    told = {}
    for name, one in (("dull", dull), ("good", good)):
        record = train(one, tmp_path / name, accelerator="cpu")
        told[name] = [note for note in record.data["notes"] if "above chance" in note]
        assert read_json(tmp_path / name / "record.json")["data"]["notes"] == record.data["notes"]
    assert len(told["dull"]) == 1
    assert "learnt nothing" in told["dull"][0]
    assert told["good"] == []
    for number in range(60):
        draw(tmp_path / "test" / ("dark", "light")[number % 2] / f"{number}.png", 500 + number)
    options = CompareOptions(
        data=str(tmp_path / "test"), ood=("none",), corrupted=0, maps=4, examples=0
    )
    arms = {name: [tmp_path / name] for name in ("good", "dull")}
    notes = compare(arms, out=tmp_path / "compared", options=options, device="cpu").notes
    found = [note for note in notes if "not above chance" in note]
    assert len(found) == 1
    assert found[0].startswith("arm 'dull': ")
    assert "nothing follows about the maps of this arm" in found[0]


def test_a_loaded_run_is_what_was_trained(recipe: Recipe, tmp_path: Path):
    train(recipe, tmp_path / "run", accelerator="cpu")
    first = load_trained(tmp_path / "run", "step-2").state_dict()
    last = load_trained(tmp_path / "run", "last").state_dict()
    assert any(not torch.equal(first[name], last[name]) for name in first)
