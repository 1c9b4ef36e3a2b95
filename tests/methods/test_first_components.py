"""``smooth="principal"``: which methods add weighted channels up, and that these alone can show a component of them."""

import inspect
import sys

import pytest
import torch

from figureground.methods import METHODS, method


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_whether_its_map_is_a_sum_of_channels(name: str):
    kind = METHODS[name].load()
    calls = "channel_sum(" in inspect.getsource(sys.modules[kind.__module__])
    # these two add channels up for something else: the mean of many steps, and random weights, which are no evidence
    assert kind.adds_channels == (calls and name not in {"layer-integrated", "random"})


def test_the_component_has_the_sign_of_the_sum_and_ends_with_the_block():
    weights = torch.tensor([-1.0, -2.0])[:, None, None]
    activations = torch.tensor([[[3.0, 1.0]], [[2.0, 0.0]]])
    with method.first_components():
        found = method.channel_sum(weights, activations)
    # evidence (-3, -4) and (-1, 0), means (-2, -2): rows differ by ±(1, 2), of length sqrt(5) from the mean each
    assert found[0].tolist() == pytest.approx([-(5**0.5), 5**0.5], abs=1e-5)
    assert method.channel_sum(weights, activations)[0].tolist() == [-7.0, -1.0]
