"""The one minimum: found by others too, where weights, penalty and units say."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn

from figureground.base.errors import OptionError, ShapeError
from figureground.training.algorithms.last_layer import afr_weights, fit_last_layer
from figureground.training.groups import balanced_weights


@pytest.fixture
def world() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features in odd units, three classes that overlap, weights."""
    draws = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (90,), generator=draws)
    features = torch.randn(90, 5, generator=draws) + labels[:, None] * torch.tensor(
        [1, 0, 0.5, 0, 0]
    )
    weights = torch.rand(90, generator=draws)
    return features * torch.tensor([1, 30, 0.01, 1, 5]) + 7, labels, weights


def test_the_layer_is_that_of_scikit_learn(world):
    features, labels, weights = world
    layer = fit_last_layer(features, labels, outputs=3, l2=0.02, weights=weights)
    deviations = features.std(0, correction=0)
    columns = torch.cat([(features - features.mean(0)) / deviations, torch.ones(90, 1)], 1)
    twin = LogisticRegression(C=1 / 0.02, fit_intercept=False, tol=1e-10, max_iter=10_000)
    twin.fit(columns.double().numpy(), labels.numpy(), weights.double() / weights.double().sum())
    wanted = torch.from_numpy(twin.decision_function(columns.double().numpy())).float()
    torch.testing.assert_close(layer(features), wanted, atol=1e-3, rtol=1e-3)


def test_units_of_features_do_not_matter(world):
    features, labels, _ = world
    scale, shift = torch.tensor([3.0, 0.1, 100, 1, 2]), torch.tensor([0.0, 5, -2, 1, 0])
    one = fit_last_layer(features, labels, outputs=3)
    other = fit_last_layer(features * scale + shift, labels, outputs=3)
    torch.testing.assert_close(other(features * scale + shift), one(features), atol=1e-3, rtol=1e-3)


def test_a_weight_of_two_is_the_sample_twice(world):
    features, labels, _ = world
    twice = torch.cat([torch.arange(90), torch.arange(0, 90, 2)])
    # weights do not change what standardised means: it is undone first
    features = (features - features.mean(0)) / features.std(0, correction=0)
    weights = torch.bincount(twice).double()
    one = fit_last_layer(features, labels, outputs=3, weights=weights)
    theta = torch.cat([one.weight, one.bias[:, None]], 1).double().detach().requires_grad_()
    columns = torch.cat([features, torch.ones(90, 1)], 1).double()[twice]
    loss = F.cross_entropy(columns @ theta.T, labels[twice]) + 1e-3 / 2 * theta.square().sum()
    (gradient,) = torch.autograd.grad(loss, theta)
    assert gradient.abs().max() < 1e-6


def test_a_strong_penalty_leaves_the_old_layer(world):
    features, labels, _ = world
    old = nn.Linear(5, 3)
    same = fit_last_layer(features, labels, outputs=3, l2=1e9, old=old)
    torch.testing.assert_close(same(features), old(features), atol=1e-3, rtol=1e-4)
    zero = fit_last_layer(features, labels, outputs=3, l2=1e9)
    assert zero(features).abs().max() < 1e-6


def test_the_old_layer_is_where_the_penalty_is_nothing(world):
    """By the gradient of the sum as the docstring writes it, in units of the features themselves."""
    features, labels, weights = (one.double() for one in world)
    labels = labels.long()
    old = nn.Linear(5, 3)
    layer = fit_last_layer(features.float(), labels, outputs=3, l2=0.3, weights=weights, old=old)
    weight, bias = layer.weight.double().detach(), layer.bias.double().detach()
    weight, bias = weight.requires_grad_(), bias.requires_grad_()
    mean, scale = features.mean(0), features.std(0, correction=0)
    losses = F.cross_entropy(features @ weight.T + bias, labels, reduction="none")
    moved, shifted = weight - old.weight.double(), bias - old.bias.double()
    penalty = (moved * scale).square().sum() + (shifted + moved @ mean).square().sum()
    total = (weights * losses).sum() / weights.sum() + 0.3 / 2 * penalty
    gradients = torch.autograd.grad(total, [weight, bias])
    assert gradients[1].abs().max() < 1e-4
    assert ((gradients[0] - gradients[1][:, None] * mean) / scale).abs().max() < 1e-4


def test_unlabelled_samples_do_not_count(world):
    features, labels, weights = world
    labels[::3] = -1
    features[::3] = 1e6
    known = labels >= 0
    one = fit_last_layer(features, labels, outputs=3, weights=weights)
    other = fit_last_layer(features[known], labels[known], outputs=3, weights=weights[known])
    assert torch.equal(one.weight, other.weight)
    assert torch.equal(one.bias, other.bias)


def test_a_dead_feature_stays_dead(world):
    features, labels, _ = world
    noise = 1e-9 * torch.randn(90, generator=torch.Generator().manual_seed(1))
    more = torch.cat([features, torch.zeros(90, 1), noise[:, None]], 1)
    layer = fit_last_layer(more, labels, outputs=3)
    assert (layer.weight[:, 5] == 0).all()
    assert layer.weight[:, 6].abs().max() < 1e-3
    torch.testing.assert_close(
        layer(more), fit_last_layer(features, labels, outputs=3)(features), atol=1e-3, rtol=1e-3
    )


def test_a_class_without_an_image_gets_an_output_that_is_never_the_highest(world):
    features, labels, _ = world
    layer = fit_last_layer(features, labels, outputs=4)
    assert (layer(features).argmax(1) < 3).all()
    assert layer.weight.isfinite().all()


def test_what_has_no_answer_is_refused(world):
    features, labels, weights = world
    with pytest.raises(OptionError, match="l2 must be above 0"):
        fit_last_layer(features, labels, outputs=3, l2=0)
    with pytest.raises(OptionError, match="label 2 needs more outputs than 2"):
        fit_last_layer(features, labels, outputs=2)
    with pytest.raises(OptionError, match="takes 4 features to 3 outputs, not 5 to 3"):
        fit_last_layer(features, labels, outputs=3, old=nn.Linear(4, 3))
    with pytest.raises(ShapeError, match="labelled and count"):
        fit_last_layer(features, torch.full_like(labels, -1), outputs=3)
    with pytest.raises(ShapeError, match="labelled and count"):
        fit_last_layer(features, labels, outputs=3, weights=-weights)
    with pytest.raises(ShapeError, match="not finite"):
        fit_last_layer(features / 0, labels, outputs=3)
    with pytest.raises(ShapeError):
        fit_last_layer(features, labels[:5], outputs=3)


def test_weights_of_afr_are_those_of_a_loop(world):
    _, labels, _ = world
    logits = torch.randn(90, 3, generator=torch.Generator().manual_seed(2))
    found = afr_weights(logits, labels, gamma=2.5)
    raw = [
        float(torch.exp(-2.5 * logits[row].double().softmax(0)[label]))
        for row, label in enumerate(labels.tolist())
    ]
    sums = [sum(w for w, y in zip(raw, labels.tolist(), strict=True) if y == c) for c in range(3)]
    wanted = [w / sums[y] / 3 for w, y in zip(raw, labels.tolist(), strict=True)]
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64))


def test_without_gamma_afr_only_balances_classes(world):
    _, labels, _ = world
    found = afr_weights(torch.randn(90, 3), labels, gamma=0.0)
    torch.testing.assert_close(found, balanced_weights(labels))
    with pytest.raises(ShapeError, match="labels are those of 2 classes"):
        afr_weights(torch.randn(90, 2), labels)


def test_the_answer_does_not_depend_on_grad_mode(world):
    features, labels, _ = world
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        one = fit_last_layer(features, labels, outputs=3)
    assert torch.equal(one.weight, fit_last_layer(features, labels, outputs=3).weight)
