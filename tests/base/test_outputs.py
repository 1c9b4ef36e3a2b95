"""Where the logits are in what a classifier returned."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from figureground.base.errors import ModelError
from figureground.base.outputs import find_logits

A, B = torch.rand(2, 3), torch.rand(2, 4)
FEATURES, LOSS, LABELS = torch.rand(2, 3, 5, 4), torch.tensor(0.5), torch.zeros(2, 3).long()
NAMES = (
    *("logits", "logit", "cls", "cls_logits", "class_logits", "scores"),
    *("out", "output", "prediction", "predictions"),
)


class Pair(NamedTuple):
    aux: Tensor
    logits: Tensor


@dataclass
class Box:
    features: Tensor
    scores: Tensor


@pytest.mark.parametrize(
    "output",
    [
        A,
        (A,),
        [A, FEATURES],
        (LOSS, A, LABELS),
        (None, A),
        (B[:1], A),  # of another number of images
        OrderedDict(aux=B, logits=A),
        {"loss": LOSS, "class_logits": A, "out": B},
        {"scores": FEATURES, "out": A},  # maps under a usual name are passed over
        {"logits": LABELS, "out": A},
        Pair(B, A),
        Box(FEATURES, A),
        SimpleNamespace(loss=LOSS, logits=A),
    ],
)
def test_logits_are_found_in_every_form(output):
    assert find_logits(output, 2) is A


@pytest.mark.parametrize("name", NAMES)
def test_usual_names_are_known_in_dicts_and_objects(name):
    assert find_logits({"aux": B, name: A}, 2) is A
    assert find_logits(SimpleNamespace(**{"aux": B, name: A}), 2) is A


def test_the_earlier_name_counts():
    for early, late in pairwise(NAMES):
        assert find_logits({late: B, early: A}, 2) is A


def test_logits_lose_a_single_position_and_gain_a_class():
    assert torch.equal(find_logits(A[:, :, None, None], 2), A)
    assert torch.equal(find_logits(A[:, 0], 2), A[:, :1])
    assert torch.equal(find_logits({"out": A[:, 1]}, 2), A[:, 1:2])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_stays(kind):
    assert find_logits([A.to(kind)], 2).dtype == kind


def test_logits_by_the_caller_s_function():
    assert find_logits([{"z": A}], 2, lambda out: out[0]["z"]) is A
    with pytest.raises(ModelError, match=r"N = 2; the model returned \(2, 3, 5, 4\) float32"):
        find_logits({"z": FEATURES}, 2, lambda out: out["z"])


@pytest.mark.parametrize(
    "wrong", [FEATURES, LABELS, LOSS, A[:1], A[:1, 0], torch.rand(2, 3, 1, 2), torch.rand(2, 0)]
)
def test_tensors_that_cannot_be_logits_are_refused(wrong):
    for output in (wrong, (wrong,), {"logits": wrong}):
        with pytest.raises(ModelError, match=r"logits are floats \(N, L\) with N = 2"):
            find_logits(output, 2)


@pytest.mark.parametrize(
    ("output", "listed"),
    [
        ((A, B), r"tuple: \[0\] \(2, 3\) float32, \[1\] \(2, 4\) float32"),
        ([A[:, 0]], r"list: \[0\] \(2,\) float32"),
        ({"aux": A, "n": 3}, r"dict: \['aux'\] \(2, 3\) float32\)"),
        (SimpleNamespace(aux=LABELS), r"SimpleNamespace: \.aux \(2, 3\) int64"),
        ({}, "dict: no tensors"),
        (None, "NoneType: no tensors"),
        ("logits", "str: no tensors"),
    ],
)
def test_what_is_not_clear_is_refused_with_a_list_of_what_there_is(output, listed):
    with pytest.raises(ModelError, match=listed) as caught:
        find_logits(output, 2)
    assert "output=lambda returned: ..." in str(caught.value)
