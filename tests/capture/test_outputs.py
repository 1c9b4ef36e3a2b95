"""Tensors within what layers return."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from figureground.base.errors import ShapeError
from figureground.capture.grid import first_tensor, with_first_tensor

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
