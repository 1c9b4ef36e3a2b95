import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.models import ConstantBackground
from figureground.training.algorithms.background_class.losses import (
    BackgroundClassLoss,
    GroupedLoss,
)

K = 5


def _batch(count: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits of K + 1 outputs in float64, and targets of which every third is background."""
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, K + 1, generator=source, dtype=torch.float64) * 3
    target = torch.randint(K, (count,), generator=source)
    target[::3] = K
    return logits.requires_grad_(), target


def _identity(logits: Tensor, target: Tensor) -> Tensor:
    """K-way cross-entropy and a logistic discriminator on the energy, one number a sample."""
    known, background = logits[:, :K], logits[:, K]
    energy = -known.logsumexp(1)
    terms = [
        F.softplus(-energy[i] - background[i])
        if target[i] == K
        else F.cross_entropy(known[i], target[i]) + F.softplus(background[i] + energy[i])
        for i in range(len(target))
    ]
    return torch.stack(terms)


def test_it_is_a_plain_classifier_and_a_logistic_discriminator_on_the_energy():
    logits, target = _batch(32)
    whole = BackgroundClassLoss(K, reduction="none")(logits, target)
    parts = _identity(logits, target)
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-6)
    weights = torch.randn(32, dtype=torch.float64)
    gradients = [torch.autograd.grad((some * weights).sum(), logits)[0] for some in (whole, parts)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6)


def test_backgrounds_push_known_logits_in_proportion_to_their_softmax():
    logits, _ = _batch(4)
    loss = BackgroundClassLoss(K, reduction="sum")(logits, torch.full((4,), -1))
    (gradient,) = torch.autograd.grad(loss, logits)
    shares = logits[:, :K].softmax(1)
    torch.testing.assert_close(
        gradient[:, :K], shares * gradient[:, :K].sum(1, keepdim=True), rtol=1e-9, atol=1e-12
    )


def test_union_is_the_mean_of_plain_cross_entropy():
    logits, target = _batch()
    expected = sum(
        -math.log(math.exp(row[t]) / sum(math.exp(z) for z in row))
        for row, t in zip(logits.tolist(), target.tolist(), strict=True)
    )
    loss = BackgroundClassLoss(K)(logits, target)
    assert loss.item() == pytest.approx(expected / len(target), abs=1e-12)
    total = BackgroundClassLoss(K, reduction="sum")(logits, target)
    assert total.item() == pytest.approx(expected, abs=1e-11)


def test_per_group_is_the_known_mean_plus_lambda_background_means():
    logits, target = _batch(9)
    each = BackgroundClassLoss(K, reduction="none")(logits, target)
    expected = each[target != K].mean() + 0.3 * each[target == K].mean()
    loss = BackgroundClassLoss(K, weight="per_group", lam=0.3)(logits, target)
    torch.testing.assert_close(loss, expected)
    weighted = BackgroundClassLoss(K, weight="per_group", lam=0.3, reduction="none")(logits, target)
    torch.testing.assert_close(weighted, torch.where(target == K, 0.3 * each, each))


def test_union_is_per_group_with_the_ratio_of_the_groups_up_to_scale():
    logits, target = _batch(10)
    backgrounds = int((target == K).sum())
    known = 10 - backgrounds
    grouped = BackgroundClassLoss(K, weight="per_group", lam=backgrounds / known)(logits, target)
    torch.testing.assert_close(BackgroundClassLoss(K)(logits, target), grouped * known / 10)


@pytest.mark.parametrize("weight", ["union", "per_group"])
def test_minus_one_and_k_are_the_same_and_the_target_is_not_changed(weight: str):
    logits, target = _batch()
    aliased = target.masked_fill(target == K, -1)
    before = aliased.clone()
    loss = BackgroundClassLoss(K, weight=weight)
    assert torch.equal(loss(logits, target), loss(logits, aliased))
    assert torch.equal(aliased, before)


@pytest.mark.parametrize("weight", ["union", "per_group"])
def test_an_empty_group_or_batch_adds_nothing_and_no_nan(weight: str):
    logits, _ = _batch(6)
    loss = BackgroundClassLoss(K, weight=weight)
    for target in (torch.zeros(6, dtype=torch.long), torch.full((6,), -1)):
        value = loss(logits, target)
        (gradient,) = torch.autograd.grad(value, logits)
        expected = F.cross_entropy(logits, target.remainder(K + 1))
        torch.testing.assert_close(value, expected)
        assert gradient.isfinite().all()
    none = loss(logits[:0], torch.zeros(0, dtype=torch.long))
    (gradient,) = torch.autograd.grad(none, logits)
    assert none.item() == 0
    assert (gradient == 0).all()


def test_smoothing_spreads_over_all_outputs():
    logits, target = _batch()
    expected = F.cross_entropy(logits, target, label_smoothing=0.1)
    loss = BackgroundClassLoss(K, label_smoothing=0.1)
    torch.testing.assert_close(loss(logits, target), expected)


def test_a_constant_logit_learns_where_known_and_background_part():
    background = ConstantBackground(0.0).double()
    known = torch.cat([torch.full((4, K), 3.0), torch.full((4, K), -3.0)]).double()
    target = torch.tensor([0] * 4 + [-1] * 4)
    optimiser = torch.optim.SGD(background.parameters(), lr=5.0)
    for _ in range(200):
        optimiser.zero_grad()
        BackgroundClassLoss(K)(background(known), target).backward()
        optimiser.step()
    # log-sum-exp is ±3 + log 5; the best constant lies in the middle
    assert background.tau.item() == pytest.approx(math.log(K), abs=1e-6)


def test_wrong_targets_and_shapes_are_refused():
    logits, target = _batch()
    with pytest.raises(ShapeError, match=r"needs logits \(8, 6\) for 8 targets, got \(8, 5\)"):
        BackgroundClassLoss(K)(logits[:, :K], target)
    with pytest.raises(ShapeError, match=r"BackgroundClassLoss with 5 classes .* for 7 targets"):
        GroupedLoss.known.__wrapped__(BackgroundClassLoss(K), logits, target[:7])  # type: ignore[attr-defined]
    for wrong in (K + 1, -2, -100):
        with pytest.raises(IndexError, match="out of bounds"):
            BackgroundClassLoss(K)(logits, target.masked_fill(target == K, wrong))


def test_options_that_cannot_be_or_have_no_effect_are_refused():
    with pytest.raises(OptionError, match="closest: 'per_group'"):
        BackgroundClassLoss(K, weight="per-group")
    with pytest.raises(OptionError, match="lam has no effect with weight='union'"):
        BackgroundClassLoss(K, lam=0.5)
    with pytest.raises(OptionError, match="closest: 'mean'"):
        BackgroundClassLoss(K, reduction="means")
    with pytest.raises(OptionError, match="num_classes must be at least 1"):
        BackgroundClassLoss(0)
    for wrong in ({"label_smoothing": 1.5}, {"lam": -1.0, "weight": "per_group"}):
        with pytest.raises(OptionError, match="lam must not be negative and label_smoothing"):
            BackgroundClassLoss(K, **wrong)
