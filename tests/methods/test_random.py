"""Random channel weights: what they depend on, and what not."""

import torch
from torch import nn

from figureground.methods import Explainer, Random
from figureground.methods.random import random_weights


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 8, 6, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )


def test_weights_follow_the_image_not_its_place():
    given = images()
    weights = random_weights(given, 50)
    assert torch.equal(random_weights(given.flip(0), 50), weights.flip(0))
    assert not torch.allclose(weights[0], weights[1])


def test_another_seed_draws_others():
    assert not torch.allclose(random_weights(images(), 50), random_weights(images(), 50, seed=1))


def test_weights_are_uniform_between_minus_one_and_one():
    weights = random_weights(images(2), 20000).flatten(1)
    assert weights.min() >= -1
    assert weights.max() < 1
    shares = torch.stack(
        [((weights >= a) & (weights < a + 0.5)).float().mean(1) for a in (-1, -0.5, 0, 0.5)]
    )
    assert (shares - 0.25).abs().max() < 0.02


def test_the_map_is_the_weighted_sum_of_the_channels():
    net, given = network(), images()
    found = Explainer(net)(given, methods=Random(seed=3)).map_of("random")
    with torch.no_grad():
        activations = net[1](net[0](given))
    weights = random_weights(given, 4, seed=3)
    torch.testing.assert_close(found, (weights * activations).sum(1, keepdim=True))
    assert (found < 0).any()
