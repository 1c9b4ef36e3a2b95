"""A linear head is recognised by its numbers, and only then."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from figureground.capture import ClassMapHead, Directions
from figureground.capture.head import Classifying, recognise_head

Function = Callable[[Tensor], Tensor]
MAPS = torch.randn(2, 6, 4, 3, generator=torch.Generator().manual_seed(0))


def recognised(linear: nn.Linear, inner: Function, after: Function) -> ClassMapHead | None:
    pooled = inner(MAPS).mean((2, 3))
    last = Classifying(linear.weight, linear.bias, pooled)
    return recognise_head(last, MAPS, after(linear(pooled)).detach(), tolerance=1e-4)


FUNCTIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "gelu": F.gelu,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_average_pooling_and_linear_with_a_function_before(name, bias):
    head = recognised(nn.Linear(6, 5, bias=bias), FUNCTIONS[name], lambda y: y)
    assert head is not None
    assert head.inner == name
    assert (head.bias is not None) is bias
    assert head.constant_gradient is (name == "identity")


@pytest.mark.parametrize("after", [lambda y: y * 1.01, torch.tanh, lambda y: y.softmax(1)])
def test_logits_that_are_changed_afterwards_are_not_linear(after):
    assert recognised(nn.Linear(6, 5), lambda x: x, after) is None


@pytest.mark.parametrize("inner", [torch.tanh, lambda x: x**2])
def test_unknown_functions_before_the_pooling_are_not_linear(inner):
    assert recognised(nn.Linear(6, 5), inner, lambda y: y) is None


def test_maximum_pooling_is_not_average_pooling():
    linear = nn.Linear(6, 5)
    pooled = MAPS.amax((2, 3))
    head = recognise_head(
        Classifying(linear.weight, linear.bias, pooled),
        MAPS,
        linear(pooled).detach(),
        tolerance=1e-4,
    )
    assert head is None


def test_no_last_layer_and_layers_of_other_sizes_give_no_head():
    logits = torch.zeros(2, 5)
    assert recognise_head(None, MAPS, logits, tolerance=1e-4) is None
    for linear in (nn.Linear(7, 5), nn.Linear(6, 4)):
        last = Classifying(linear.weight, linear.bias, torch.zeros(2, linear.in_features))
        assert recognise_head(last, MAPS, logits, tolerance=1e-4) is None


def test_a_head_over_tokens_is_no_pooled_head():
    linear = nn.Linear(6, 5)
    tokens = MAPS.flatten(2).mT
    logits = linear(tokens).mean(1).detach()
    assert (
        recognise_head(
            Classifying(linear.weight, linear.bias, tokens), MAPS, logits, tolerance=1e-4
        )
        is None
    )


@pytest.mark.parametrize("outer", ["relu", "identity"])
def test_convolutional_head(outer):
    conv = nn.Conv2d(6, 5, 1)
    logits = FUNCTIONS[outer](conv(MAPS)).mean((2, 3)).detach()
    head = recognise_head(Classifying(conv.weight, conv.bias, MAPS), MAPS, logits, tolerance=1e-4)
    assert head is not None
    assert head.outer == outer
    maps = head.class_maps(MAPS, Directions(indices=torch.tensor([[4, 2]])))
    torch.testing.assert_close(maps.mean((2, 3)), logits[:, [4, 2]])


@pytest.mark.parametrize(
    "directions",
    [
        Directions(indices=torch.tensor([[4, 2]])),
        Directions(indices=torch.tensor([[4, 2], [0, 1]])),
        Directions(dense=torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(1))),
    ],
)
def test_means_of_class_maps_are_logits_less_bias(directions):
    linear = nn.Linear(6, 5)
    head = recognised(linear, F.relu, lambda y: y)
    assert head is not None
    logits = F.linear(MAPS.relu().mean((2, 3)), linear.weight).detach()
    maps = head.class_maps(MAPS, directions)
    torch.testing.assert_close(maps.mean((2, 3)), directions.select(logits))
