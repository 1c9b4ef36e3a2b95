"""Deep feature factorization: concepts shared by the batch, labelled by the classifier."""

from typing import Any

import pytest
import torch
from torch import nn

from figureground.methods import Explainer
from figureground.methods.dff import DeepFeatureFactorization, deep_feature_factorization


def two_patterns() -> tuple[torch.Tensor, torch.Tensor]:
    """Features of two images: one concept on the left, the other on the right, and the two concepts."""
    concepts = torch.tensor([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 1.0]])
    where = torch.zeros(2, 2, 3, 4)
    where[:, 0, :, :2] = 2
    where[:, 1, :, 2:] = 1
    features = torch.einsum("nkhw,kc->nchw", where, concepts)
    return features, nn.functional.normalize(concepts, dim=1)


def test_finds_two_planted_patterns_and_where_they_are():
    features, expected = two_patterns()
    maps, concepts = deep_feature_factorization(features, count=2, iterations=300)
    assert concepts.error < 0.01
    order = (expected @ concepts.vectors.T).argmax(1)
    torch.testing.assert_close(concepts.vectors[order], expected, atol=0.01, rtol=0)
    left, right = maps[:, order[0]], maps[:, order[1]]
    assert (left[..., :2] > 10 * left[..., 2:].abs()).all()
    assert (right[..., 2:] > 10 * right[..., :2].abs()).all()


def test_maps_and_concepts_rebuild_the_features():
    features = torch.rand(2, 6, 4, 3, generator=torch.Generator().manual_seed(0))
    maps, concepts = deep_feature_factorization(features, count=4, iterations=100)
    rebuilt = torch.einsum("nkhw,kc->nchw", maps, concepts.vectors)
    error = float((rebuilt - features).norm() / features.norm())
    assert error == pytest.approx(concepts.error, rel=1e-3)


def test_features_with_negative_values_are_factorized():
    features = torch.randn(2, 6, 4, 3, generator=torch.Generator().manual_seed(0))
    maps, concepts = deep_feature_factorization(features, count=3)
    assert (maps >= 0).all()
    assert torch.isfinite(concepts.vectors).all()
    assert (concepts.vectors < 0).any()


def test_same_seed_same_concepts_and_another_seed_another_start():
    features = torch.rand(2, 6, 4, 3, generator=torch.Generator().manual_seed(0))
    runs = [deep_feature_factorization(features, count=3, seed=s)[0] for s in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_no_more_concepts_than_channels():
    maps, _ = deep_feature_factorization(torch.rand(1, 3, 4, 5), count=9)
    assert maps.shape == (1, 3, 4, 5)


def net_with(*head: nn.Module) -> Any:
    """A convolution and a head over its 4 channels of 6×4 positions."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)


@pytest.mark.parametrize("given", [None, "1"])
def test_concepts_are_labelled_alike_by_formula_and_by_running_the_rest(given):
    torch.random.manual_seed(0)
    linear = nn.Linear(4, 5)
    images = torch.rand(2, 3, 8, 6)
    short = net_with(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    # the same function, which is not recognised as a linear head
    long = net_with(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4), linear)
    with torch.no_grad():
        long[4].weight.copy_(torch.eye(4))
        long[4].bias.zero_()
    long[0] = short[0]
    method = DeepFeatureFactorization(count=2)
    results = [Explainer(net, layer=given)(images, methods=method) for net in (short, long)]
    logits = [next(iter(result.concepts.values())).logits for result in results]
    assert logits[0] is not None
    torch.testing.assert_close(logits[0], logits[1])


def test_maps_alone_are_those_with_the_concepts():
    net = net_with(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    result = Explainer(net)(torch.rand(2, 3, 8, 6), methods="dff")
    assert result.map_of("dff").shape == (2, 4, 6, 4)
    assert list(result.concepts) == ["1"]
