"""The words that say which model and how it wants its pictures."""

import inspect
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner

from figureground.base.errors import OptionError
from figureground.cli.model_options import NOTHING, Words, key_values, takes_words
from figureground.models import Classifier


def choose(name: str, **preprocessing: Any) -> Classifier:
    return replace(Words(model_arg=["outputs=5"]), **preprocessing).load(name)


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


def test_a_verb_has_the_options_in_the_place_of_their_bundle():
    heard: list[tuple[str, Words, int]] = []

    @takes_words
    def verb(model: str, about: Words = NOTHING, depth: int = 3) -> None:
        """Say it."""
        heard.append((model, about, depth))

    found = inspect.signature(verb).parameters
    assert [*found] == ["model", *(one.name for one in fields(Words)), "depth"]
    assert verb.__doc__ == "Say it."
    app = typer.Typer()
    app.command()(verb)
    words = ["net", "--size", "24x32", "--random", "--model-arg", "a=1", "--depth", "5"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert heard == [("net", Words(random=True, model_arg=["a=1"], size="24x32"), 5)]
    assert heard[0][1].height(224) == 24
    assert NOTHING.height(224) == 224
    with pytest.raises(OptionError, match=r"--random, --model-arg, --size"):
        heard[0][1].refuse_any()
    NOTHING.refuse_any()
