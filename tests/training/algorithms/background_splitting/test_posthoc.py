"""What is done to a trained head afterwards, and what it cannot change."""

import pytest
import torch
from torch import nn

from figureground.base.errors import ShapeError
from figureground.metrics.classification import macro_f1, mean_average_precision
from figureground.training.algorithms.background_splitting import (
    retrained_head,
    scaled_head,
    tau_normalize,
)


@pytest.fixture
def world() -> tuple[torch.Tensor, torch.Tensor]:
    """Features of two rare classes among background, 900 images."""
    numbers = torch.Generator().manual_seed(0)
    labels = torch.full((900,), 2)
    labels[:20], labels[20:50] = 0, 1
    features = torch.randn(900, 6, generator=numbers)
    features[:20, 0] += 2.0
    features[20:50, 1] += 2.0
    return features, labels


def test_tau_normalisation_divides_by_the_length_to_the_power():
    layer = nn.Linear(4, 3)
    for tau in (0.0, 0.7, 1.0):
        found = tau_normalize(layer, tau)
        wanted = torch.stack([row / row.norm() ** tau for row in layer.weight])
        torch.testing.assert_close(found.weight, wanted)
        assert found.bias is None


def test_rankings_by_logit_survive_and_predictions_do_not(world):
    features, labels = world
    layer = nn.Linear(6, 3, bias=False)
    torch.nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(3))
    logits = layer(features).detach()
    before = mean_average_precision(logits, labels, classes=2)
    others = [
        tau_normalize(layer)(features).detach(),
        scaled_head(layer, features, labels, steps=30)(features).detach(),
    ]
    for other in others:
        torch.testing.assert_close(mean_average_precision(other, labels, classes=2), before)
        assert not torch.equal(other.argmax(1), logits.argmax(1))


def test_a_retrained_head_finds_rare_classes_that_a_plain_one_does_not(world):
    features, labels = world
    plain = nn.Linear(6, 3)
    optimiser = torch.optim.SGD(plain.parameters(), 0.1)
    for _ in range(100):
        optimiser.zero_grad()
        nn.functional.cross_entropy(plain(features), labels).backward()
        optimiser.step()
    retrained = retrained_head(features, labels, outputs=3, steps=100)
    scaled = scaled_head(plain, features, labels, steps=60)
    scores = [
        macro_f1(head(features).argmax(1), labels, classes=2).item()
        for head in (plain, retrained, scaled)
    ]
    assert scores[1] > scores[0] + 0.1
    assert torch.equal(
        retrained.weight, retrained_head(features, labels, outputs=3, steps=100).weight
    )
    assert (scaled.weight / plain.weight > 0).all()


def test_unlabelled_images_are_not_drawn_and_some_label_is_needed(world):
    features, labels = world
    unlabelled = labels.clone()
    unlabelled[50:] = -1
    broken = features.clone()
    broken[50:] = torch.nan
    head = retrained_head(broken, unlabelled, outputs=3, steps=5)
    assert head.weight.isfinite().all()
    with pytest.raises(ShapeError, match="no labelled image"):
        retrained_head(features, torch.full_like(labels, -1), outputs=3)
