"""The recipe of a diagnosis runs once the training images are named, from the weights that were diagnosed."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from figureground.base.errors import DataError
from figureground.metrics.intervals import Interval
from figureground.metrics.reliance import Reliance
from figureground.models import Texts
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.diagnosis.recommendation import _mask, _recipe, _remarks, _words
from figureground.studies.models import LoadedModel, load_model
from figureground.studies.training.train import train
from figureground.training.recipe import Recipe, changed, read_recipe
from figureground.training.trained import make_classifier

Photos = Callable[..., Path]
SMALL: dict[str, Any] = {"width": 4, "num_classes": 4}
SIZE: dict[str, Any] = {"size": (24, 24)}
FEW = DiagnoseOptions(quick=True, examples=0)


def plain(place: Path, **changes: Any) -> Recipe:
    return changed(
        {
            "name": "before",
            "epochs": 12,
            "batch_size": 16,
            "data": {"name": "boxes", "root": str(place)},
            "model": {
                "name": "figureground:small-resnet",
                "arguments": {"width": 4},
                "preprocessing": {"size": [24, 24]},
            },
            "optimiser": {"kind": "adamw", "lr": 0.01},
            **changes,
        }
    )


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[key], second[key]) for key in first
    )


@pytest.mark.parametrize(("low", "high", "mask"), [(0.39, 0.49, "given"), (0.60, 0.70, "inner")])
def test_tight_masks_are_not_recommended_where_they_surely_cut_off_what_counts(
    low: float, high: float, mask: str
):
    def right(low: float, high: float) -> Reliance:
        numbers = {"v11": Interval((low + high) / 2, low, high, 0.95, 100)}
        return Reliance(numbers, torch.zeros(1, 4), torch.tensor([True]), {})

    along = {"given": right(0.66, 0.76), "inner": right(low, high)}
    assert _mask(along) == mask
    del along["inner"]  # --quick asks along the annotation alone
    assert _mask(along) == "inner"


def test_the_recipe_for_a_foreign_model_runs(photos: Photos, tmp_path: Path):
    training, held_out = photos(each=30), photos(each=10, folder="held-out")
    train(plain(training), tmp_path / "before")
    names = ("a", "b", "c", "d")
    loaded = load_model(
        "figureground:small-resnet",
        weights=tmp_path / "before" / "best.safetensors",
        arguments=SMALL,
        preprocessing=SIZE,
        class_names=names,
    )
    out = tmp_path / "diagnosis"
    record = diagnose_images(loaded, held_out, out=out, options=FEW)
    assert record.word == "rests on"
    assert record.commands == (
        f"figureground train {out}/treatment.yaml --out runs/swap",
        f"figureground train {out}/treatment.yaml --set 'algorithms=[]' --out runs/before",
        "figureground compare runs/before runs/swap --background",
    )
    text = (out / "treatment.yaml").read_text()
    assert text.count("TRAINING-IMAGES-WITH-BOXES") == 2  # in the comment, and where it stands
    file = tmp_path / "treatment.yaml"
    file.write_text(text.replace("TRAINING-IMAGES-WITH-BOXES", str(training)))
    recipe = read_recipe(file, ["epochs=1"])
    assert same_weights(make_classifier(recipe.model, names).network, loaded.classifier.network)
    done = train(recipe, tmp_path / "swap")
    assert done.data["class_names"] == list(names)
    assert done.data["algorithms"]["background-swap"]["swapped"] == done.data["train"] == 88
    assert read_recipe(file, ["algorithms=[]"]).algorithms == ()
    again = diagnose_images(
        load_model(tmp_path / "swap"), held_out, out=tmp_path / "after", options=FEW
    )
    assert again.images == 40


def test_the_recipe_of_a_run_is_its_own_with_the_swap_first(photos: Photos, tmp_path: Path):
    folder = tmp_path / "before"
    train(plain(photos(each=8), epochs=1, algorithms=[{"rotation": {}}]), folder)
    recipe = _recipe(load_model(folder), mask="inner")
    assert [next(iter(one)) for one in recipe.algorithms] == ["background-swap", "rotation"]
    assert recipe.name == "before-swap"
    train(recipe, tmp_path / "swap")


FACTORY = """
from torch import nn


def build(width=2):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4))
"""


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("{folder}/my_net.py:build", {"arguments": {"width": 3}, "preprocessing": SIZE}),
        ("timm:test_resnet", {"arguments": {"num_classes": 4}}),
        ("torchvision:squeezenet1_1", {"arguments": {"num_classes": 4}}),
    ],
)
def test_training_begins_with_the_weights_that_were_diagnosed(
    tmp_path: Path, name: str, settings: dict[str, Any]
):
    (tmp_path / "my_net.py").write_text(FACTORY)
    name, file = name.format(folder=tmp_path), tmp_path / "best.safetensors"
    random = load_model(name, random=True, **settings)
    save_file(random.classifier.network.state_dict(), file)
    loaded = load_model(name, weights=file, **settings)
    recipe = _recipe(loaded, mask="inner")
    made = make_classifier(recipe.model, ("a", "b", "c", "d"))
    assert same_weights(made.network, loaded.classifier.network)
    assert made.preprocessing == loaded.classifier.preprocessing
    assert not any("random" in line or "put the function" in line for line in _remarks(loaded))


def test_what_cannot_be_loaded_again_is_said(tmp_path: Path, reader: Callable[..., LoadedModel]):
    (tmp_path / "my_net.py").write_text(FACTORY)
    bare = load_model(f"{tmp_path}/my_net.py:build")
    assert any("the function returns" in line for line in _remarks(bare))
    random = load_model("figureground:small-resnet", random=True)
    assert any("has random weights" in line for line in _remarks(random))
    assert not _recipe(random, mask="inner").model.pretrained
    ready = reader("frame")
    assert any("the function here that makes your network" in line for line in _remarks(ready))
    assert _recipe(ready, mask="inner").model.name == "MY-NETWORK.py:FUNCTION"


def test_a_model_with_texts_is_named_in_commands_and_made_by_a_function_in_recipes():
    texts = Texts(("a cat", "a dog"), ("{}", "a {}, drawn"))
    settings = {"texts": texts, "random": True}
    loaded = replace(
        load_model("figureground:lenet-gap", random=True), name="open_clip:RN50", settings=settings
    )
    words = shlex.split(_words(loaded))
    assert words[:2] == ["--model", "open_clip:RN50"]
    assert words.count("--templates") == 2
    assert words[words.index("--texts") + 1] == "a cat,a dog"
    assert "a {}, drawn" in words
    assert _recipe(loaded, mask="inner").model.name == "MY-NETWORK.py:FUNCTION"
    assert any("the function here that makes your network" in line for line in _remarks(loaded))


def test_the_placeholder_is_refused_by_name(reader: Callable[..., LoadedModel], tmp_path: Path):
    recipe = changed(
        _recipe(reader("frame"), mask="inner").model_dump(mode="json")
        | {"model": plain(tmp_path).model}
    )
    with pytest.raises(DataError, match="no file or folder TRAINING-IMAGES-WITH-BOXES"):
        train(recipe, tmp_path / "out")
