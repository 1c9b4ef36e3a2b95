"""The words that say which model and how it wants its pictures."""

from pathlib import Path
from typing import Any

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.cli.model_options import chosen_model, key_values
from figureground.models import Classifier


def choose(name: str, **preprocessing: str | None) -> Classifier:
    return chosen_model(
        name,
        weights=None,
        random=False,
        arguments=["outputs=5"],
        class_names=None,
        preprocessing=preprocessing,
    )


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


def test_who_says_how_to_resize_gets_the_whole_photo(model: str):
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
