"""From a recipe to a folder that tells everything of the run."""

from pathlib import Path

import pytest
import torch

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.studies.training.train import train
from figureground.training import Recipe, read_recipe
from figureground.training.recipe import DataSpec, changed
from figureground.training.recipe_data import training_data
from figureground.training.trained import load_trained

TINY = {
    "name": "tiny",
    "epochs": 2,
    "batch_size": 8,
    "checkpoint_every": 1,
    "data": {"name": "cluttered-digits", "count": 24},
    "model": {
        "name": "figureground:lenet-gap",
        "arguments": {"channels": 1},
        "preprocessing": {"size": [12, 12]},
    },
    "algorithms": [
        {
            "background-class": {
                "pools": [{"name": "cluttered-digits", "count": 20, "background": True}]
            }
        }
    ],
}


class Stopped(Exception):  # noqa: N818 - not an error
    pass


def tiny(*changes: str) -> Recipe:
    return changed(TINY, changes)


def test_the_folder_tells_everything_and_the_classifier_comes_back(tmp_path: Path):
    told = []
    record = train(
        tiny(), tmp_path / "run", accelerator="cpu", progress=lambda *seen: told.append(seen)
    )
    assert [seen[1:] for seen in told] == [(8 * step, 48) for step in range(1, 7)]
    stored = read_json(tmp_path / "run" / "record.json")
    assert stored["last"] == record.last
    assert stored["steps"] == 6
    assert stored["images"] == 48
    assert stored["data"]["train"] == 24
    assert sum(stored["data"]["class_counts"]) == 24
    assert stored["provenance"]["seeds"] == [0]
    assert read_recipe(tmp_path / "run" / "recipe.yaml").model_dump(mode="json") == stored["recipe"]
    for which in ("best", "last"):
        classifier = load_trained(tmp_path / "run", which)
        assert classifier.class_names == (*"0123456789", "background")
        assert record.parameters == sum(p.numel() for p in classifier.parameters())
        logits = classifier(torch.rand(2, 1, 12, 12))
        assert logits.shape == (2, 11)
    data = training_data(tiny().data, seed=0).fitted(classifier.preprocessing)
    with torch.no_grad():
        found = load_trained(tmp_path / "run", "last")(data.val_images[:].float() / 255)[:, :10]
    accuracy = float((found.argmax(1) == data.val_labels).float().mean())
    assert accuracy == pytest.approx(record.last["accuracy"])


def test_a_stopped_run_is_resumed_with_the_same_end(tmp_path: Path):
    def stop(_stage, done, _total):
        if done == 5 * 8:
            raise Stopped

    whole = train(tiny(), tmp_path / "whole", accelerator="cpu")
    with pytest.raises(Stopped):
        train(tiny(), tmp_path / "parts", accelerator="cpu", progress=stop)
    assert not (tmp_path / "parts" / "record.json").exists()
    with pytest.raises(OptionError, match="already holds a run"):
        train(tiny(), tmp_path / "parts", accelerator="cpu")
    with pytest.raises(OptionError, match="a run of another recipe"):
        train(tiny("seed=1"), tmp_path / "parts", accelerator="cpu", resume=True)
    told: list[int] = []
    again = train(
        tiny(),
        tmp_path / "parts",
        accelerator="cpu",
        resume=True,
        progress=lambda _stage, done, _total: told.append(done),
    )
    assert told == [5 * 8, 6 * 8]  # a checkpoint is kept at every step, and the fifth was cut short
    assert (again.last, again.best, again.steps) == (whole.last, whole.best, whole.steps)
    for name in ("last.safetensors", "best.safetensors", "history.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_there_must_be_a_run_to_resume_and_weights_to_load(tmp_path: Path):
    with pytest.raises(DataError, match="holds no run to resume"):
        train(tiny(), tmp_path, accelerator="cpu", resume=True)
    with pytest.raises(DataError, match=r"holds no best\.safetensors"):
        load_trained(tmp_path)


def test_backgrounds_that_nobody_wants_are_refused(tmp_path: Path):
    with pytest.raises(OptionError, match=r"^2 training \w+ are background, and no algorithm"):
        train(tiny("data.background=true", "algorithms=[]"), tmp_path, accelerator="cpu")


def test_colours_that_the_network_does_not_take_are_refused(tmp_path: Path):
    with pytest.raises(
        OptionError, match=r"^the \w+ have 1 channel, .*model\.arguments\.channels=1"
    ):
        train(tiny("model.arguments={}"), tmp_path, accelerator="cpu")
    assert not list(tmp_path.iterdir())  # so that the mended command is not refused


def test_the_seed_decides_the_parts_and_a_limit_keeps_every_class():
    spec = DataSpec(name="cluttered-digits", count=200)
    one, same, other = (training_data(spec, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.train.labels, same.train.labels)
    assert not torch.equal(one.train.labels, other.train.labels)
    few = training_data(spec.model_copy(update={"limit": 50}), seed=0)
    assert 40 <= len(few.train) <= 60
    assert min(few.train.class_counts()) >= 1
    assert len(few.val) == len(one.val)


def test_weights_of_the_named_steps_are_kept_as_they_were_then(tmp_path: Path):
    train(tiny("keep_steps=[1,4,99]"), tmp_path / "kept", accelerator="cpu")
    assert {one.stem for one in (tmp_path / "kept").glob("step-*")} == {"step-1", "step-4"}
    shorter = tiny("keep_steps=[1]")
    train(shorter, tmp_path / "again", accelerator="cpu")
    states = [
        load_trained(tmp_path / folder, which).state_dict()
        for folder, which in (("kept", "step-1"), ("again", "step-1"), ("kept", "last"))
    ]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name])
    assert any(not torch.equal(value, states[2][name]) for name, value in states[0].items())
    with pytest.raises(DataError, match="no step-2"):
        load_trained(tmp_path / "kept", "step-2")
