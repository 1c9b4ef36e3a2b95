"""Moved, joined, added and gated elements walked back."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from figureground.base.seeds import generator


def unravelled(number):
    """Channel, row and column of an element of three channels of 4×6."""
    return tuple(int(i) for i in np.unravel_index(number, (3, 4, 6)))


def last(x):
    """Each element its own logit."""
    return F.linear(x.flatten(1), torch.eye(x[0].numel()))


@pytest.mark.parametrize(
    ("move", "moved"),
    [
        (lambda x: x.permute(0, 2, 3, 1), lambda a: a.transpose(1, 2, 0)),
        (lambda x: x.transpose(-1, 2), lambda a: a.transpose(0, 2, 1)),
        (lambda x: x[:, 1:, ::2, 1::3], lambda a: a[1:, ::2, 1::3]),
        (lambda x: x.select(2, -1), lambda a: a[:, -1]),
        (lambda x: torch.stack(x.unbind(1), -1), lambda a: a.transpose(1, 2, 0)),
        (lambda x: torch.cat(x.split([1, 2], 1)[::-1], 1), lambda a: a[[1, 2, 0]]),
        (lambda x: F.pad(x, (1, 0, 2, -1)), lambda a: np.pad(a[:, :-1], ((0, 0), (2, 0), (1, 0)))),
        (lambda x: (x - torch.full((3, 1, 1), 0.2)) / torch.full((3, 1, 1), 0.5), lambda a: a),
        (lambda x: x.unsqueeze(2).expand(-1, -1, 2, -1, -1), lambda a: np.stack([a, a], 1)),
    ],
)
def test_moved_elements_are_followed_to_where_they_came_from(walked, move, moved):
    images = torch.rand(2, 3, 4, 6, generator=generator(4)) + 0.5
    numbers = moved(np.arange(1, 73).reshape(3, 4, 6)).flatten()
    elements = torch.arange(len(numbers)).repeat(2, 1)
    found = walked(lambda x: last(move(x)), images, elements)
    for row in found:
        for number, points in zip(numbers, row, strict=True):
            # 0 marks padding, which comes from nowhere
            origin = set() if number == 0 else {unravelled(number - 1)}
            assert points == origin


def test_a_product_is_followed_to_the_features_whichever_side_the_gate_is_on(walked):
    images = torch.rand(1, 2, 1, 1, generator=generator(0)) + 0.5
    swapped = torch.tensor([[[[0.0]], [[1.0]]], [[[1.0]], [[0.0]]]])

    def gate(x):
        return torch.sigmoid(F.conv2d(x, swapped))

    for net in (lambda x: last(gate(x) * x), lambda x: last(x * gate(x))):
        assert walked(net, images, torch.tensor([[0, 1]])) == [[{(0, 0, 0)}, {(1, 0, 0)}]]


def test_a_map_plus_one_value_per_channel_is_followed_into_the_larger_one(walked):
    images = torch.tensor([[[5.0, 1.0, 1.0]]])[None]
    net = lambda x: last(x + x.mean((2, 3), keepdim=True))  # noqa: E731 - mean 7/3 is below 5, above 1
    assert walked(net, images, torch.tensor([[0, 1]])) == [[{(0, 0, 0)}, {(0, 0, 0)}]]
