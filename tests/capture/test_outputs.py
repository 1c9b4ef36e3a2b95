"""Tensors within what networks and layers return."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from figureground.base.errors import ModelError, ShapeError
from figureground.capture.outputs import first_tensor, logits_of, with_first_tensor

A, B = torch.rand(2, 3), torch.rand(2, 4)


@dataclass
class Box:
    label: str
    inside: Tensor


class Pair(NamedTuple):
    one: object
    two: object


STRUCTURES = [
    A,
    (A, B),
    [None, A, B],
    {"x": "word", "y": A},
    OrderedDict(a=A, b=B),
    Box("word", A),
    Pair(None, A),
    (None, {"deep": [Box("word", A)]}),
]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_first_tensor_is_found_and_exchanged_in_a_copy(structure):
    assert first_tensor(structure) is A
    changed = with_first_tensor(structure, B)
    assert type(changed) is type(structure)
    assert first_tensor(changed) is B
    assert first_tensor(structure) is A


@pytest.mark.parametrize("structure", [None, "word", (), {"a": 1}, [None]])
def test_nothing_is_found_where_there_is_no_tensor(structure):
    assert first_tensor(structure) is None
    with pytest.raises(ShapeError, match="holds no tensor"):
        with_first_tensor(structure, A)


def test_logits_by_usual_name_before_the_first():
    assert logits_of({"aux": B, "logits": A}) is A
    assert logits_of({"aux": B}) is B


def test_logits_lose_empty_positions_and_gain_a_class():
    assert logits_of(torch.rand(2, 5, 1, 1)).shape == (2, 5)
    assert logits_of(torch.rand(2)).shape == (2, 1)


def test_logits_by_the_caller_s_function():
    assert logits_of([{"z": A}], lambda out: out[0]["z"]) is A


def test_what_cannot_be_logits_is_refused():
    with pytest.raises(ModelError, match=r"the model returned \(2, 5, 3, 3\)"):
        logits_of(torch.rand(2, 5, 3, 3))
    with pytest.raises(ModelError, match=r"no logits in what the model returned .dict."):
        logits_of({"a": None})
