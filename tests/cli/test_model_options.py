"""The words that say which model and how it wants its images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from figureground.base.errors import OptionError
from figureground.cli.methods import key_values
from figureground.cli.model_options import ModelOptions
from figureground.models import Classifier
from figureground.studies.training.train import train
from figureground.training.recipe import changed


def choose(name: str, **preprocessing: Any) -> Classifier:
    return ModelOptions(model=name, model_arg=("outputs=5",), **preprocessing).load().classifier


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=1", 1),
        ("a=1.5", 1.5),
        ("a=true", True),
        ("a=False", False),
        ("a=None", None),
        ("a=[1, 2]", [1, 2]),
        ("a=same", "same"),
        ("a=b=c", "b=c"),
        ("a=", ""),
    ],
)
def test_values_are_read_as_what_they_look_like(word: str, value: Any):
    (found,) = key_values([word]).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("word", ["a", "=1", ""])
def test_a_word_without_a_key_is_refused(word: str):
    with pytest.raises(OptionError, match="is not key=value"):
        key_values([word])


@pytest.mark.parametrize(
    ("field", "word", "value"),
    [
        ("size", "24", (24, 24)),
        ("size", "24x32", (24, 32)),
        ("size", "24,32", (24, 32)),
        ("mean", "0.25", (0.25,) * 3),
        ("std", "0.1,0.2,0.3", (0.1, 0.2, 0.3)),
        ("crop_fraction", "0.5", 0.5),
        ("resize", "pad", "pad"),
    ],
)
def test_fields_of_the_preprocessing_can_be_given(field: str, word: str, value: Any, model: str):
    assert getattr(choose(model, **{field: word}).preprocessing, field) == value


@pytest.mark.parametrize(
    ("field", "word", "message"),
    [
        ("size", "24x32x3", "--size takes numbers such as 224 or 224x320, not '24x32x3'"),
        ("size", "24.5", "--size takes numbers"),
        ("size", "0", "at least 1"),
        ("crop_fraction", "half", "--crop-fraction takes numbers such as 0.5, not 'half'"),
        ("mean", "0.1,0.2", "mean and std need 3 numbers"),
        ("resize", "squash", "no resize 'squash'"),
    ],
)
def test_a_field_that_cannot_be_is_refused(field: str, word: str, message: str, model: str):
    with pytest.raises(OptionError, match=message):
        choose(model, **{field: word})


def test_who_says_how_to_resize_gets_the_whole_image(model: str):
    assert choose(model, resize="crop").preprocessing.crop_fraction == 1.0
    assert choose(model, resize="crop", crop_fraction="0.9").preprocessing.crop_fraction == 0.9


def test_weights_drawn_at_random_are_the_same_in_the_next_run(tmp_path: Path):
    path = tmp_path / "unseeded.py"
    path.write_text(
        "from torch import nn\n"
        "def build(outputs):\n"
        "    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), *pool, nn.Linear(4, outputs))\n"
    )
    first, second = (choose(f"{path}:build", size="24").state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_height_is_known_without_a_model():
    assert ModelOptions().height == 224
    assert ModelOptions(size="24x32").height == 24


def test_templates_alone_are_refused():
    with pytest.raises(OptionError, match="templates go around texts"):
        ModelOptions(model="open_clip:x@y", templates=("{}",)).load()


def test_a_verb_without_a_model_says_how_to_name_one():
    with pytest.raises(OptionError, match="name the model: --model timm:resnet50"):
        ModelOptions().load()


def test_the_folder_of_a_run_takes_no_options_of_another_model(tmp_path: Path):
    (tmp_path / "recipe.yaml").touch()
    given = ModelOptions(model=str(tmp_path), random=True, model_arg=("a=1",), size="24x32")
    with pytest.raises(OptionError, match=r"leave out --random, --model-arg, --size$"):
        given.load()


def test_the_checkpoint_of_a_run_is_the_one_that_was_typed(tmp_path: Path):
    recipe = changed(
        {
            "name": "tiny",
            "epochs": 2,
            "batch_size": 8,
            "keep_steps": [1],
            "data": {"name": "cluttered-digits", "count": 16},
            "model": {
                "name": "figureground:lenet-gap",
                "arguments": {"channels": 1},
                "preprocessing": {"size": [12, 12]},
            },
        }
    )
    train(recipe, tmp_path / "run", accelerator="cpu")
    stored = [load_file(tmp_path / "run" / f"{name}.safetensors") for name in ("step-1", "last")]
    loaded = [
        ModelOptions(model=str(tmp_path / "run"), checkpoint=name).load().classifier
        for name in ("step-1", "last")
    ]
    for values, classifier in zip(stored, loaded, strict=True):
        found = [value for value in classifier.state_dict().values() if value.ndim > 1]
        wanted = [value for value in values.values() if value.ndim > 1]
        sums = [sorted(float(one.double().sum()) for one in some) for some in (found, wanted)]
        assert sums[0] == pytest.approx(sums[1])
    weights = [torch.cat([one.flatten() for one in some.state_dict().values()]) for some in loaded]
    assert not torch.equal(*weights)
