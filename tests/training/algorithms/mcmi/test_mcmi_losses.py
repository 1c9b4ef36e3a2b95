"""The losses: the direction of their signs, their gradients against a closed form, their controls."""

import math

import pytest
import torch
import torch.nn.functional as F

from figureground.base.errors import DataError, OptionError
from figureground.metrics.information import class_sums, cmi
from figureground.training.algorithms.mcmi import (
    CentroidBank,
    CMICLoss,
    EntropyBonusLoss,
    MCMILoss,
    SquaredErrorLoss,
    centroid_divergence,
)
from figureground.training.algorithms.mcmi.losses import batch_separation


@pytest.fixture
def outputs():
    numbers = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(40, 5, generator=numbers)
    return logits, torch.randint(0, 5, (40,), generator=numbers)


def filled(logits, labels, **settings):
    bank = CentroidBank(logits.shape[1], **settings)
    bank.refresh(class_sums(logits, labels))
    return bank


def test_the_divergence_is_from_the_output_to_the_centroid_and_not_back():
    p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5])
    wanted = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    back = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert abs(wanted - back) > 0.1
    assert centroid_divergence(p.log(), q).item() == pytest.approx(wanted, abs=1e-6)
    own = F.kl_div(q.log(), p.log(), reduction="sum", log_target=True)
    assert own.item() == pytest.approx(wanted, abs=1e-6)


def test_the_term_is_subtracted_and_a_negative_weight_is_refused(outputs):
    logits, labels = outputs
    bank = filled(logits, labels)
    likelihood = F.cross_entropy(logits, labels)
    found = MCMILoss(bank, 0.4)(logits, labels)
    wanted = likelihood - 0.4 * cmi(logits, labels)
    torch.testing.assert_close(found, wanted.float(), atol=1e-5, rtol=0)
    narrow = CMICLoss(bank, 0.4)(logits, labels)
    torch.testing.assert_close(
        narrow, (likelihood + 0.4 * cmi(logits, labels)).float(), atol=1e-5, rtol=0
    )
    for loss in (MCMILoss, CMICLoss):
        with pytest.raises(OptionError, match=r"weight is -0.2; it must be 0 or above"):
            loss(bank, -0.2)
    with pytest.raises(OptionError, match="0 or above"):
        MCMILoss(bank, math.nan)
    with pytest.raises(OptionError, match=r"separation_weight is -1"):
        CMICLoss(bank, 0.1, -1.0)
    with pytest.raises(OptionError, match="0 or above"):
        EntropyBonusLoss(-0.1)


@pytest.mark.parametrize(("weight", "richer"), [(0.3, True), (0.0, None)])
def test_descending_raises_the_conditional_mutual_information_only_with_a_weight(
    weight, richer, outputs
):
    """Fifty steps from one start: MCMI above, CMIC below plain training."""
    start, labels = outputs

    def descended(loss_of):
        logits = start.clone().requires_grad_()
        for _ in range(50):
            bank = filled(logits.detach(), labels)
            (gradient,) = torch.autograd.grad(loss_of(bank)(logits, labels), logits)
            logits = (logits - 2 * gradient).detach().requires_grad_()
        return cmi(logits, labels).item()

    plain = descended(lambda bank: MCMILoss(bank, 0.0))
    more = descended(lambda bank: MCMILoss(bank, weight))
    less = descended(lambda bank: CMICLoss(bank, weight))
    if richer:
        assert less < plain - 0.01 < plain + 0.01 < more
    else:
        assert less == more == plain


def test_the_gradient_is_the_closed_form_and_that_of_live_centroids(outputs):
    logits = outputs[0].double().requires_grad_()
    labels = outputs[1]
    live = torch.autograd.grad(cmi(logits, labels), logits)[0]
    q = class_sums(logits, labels).centroids.detach()[labels]
    p = logits.softmax(1)
    held = (p * (p.log() - q.log())).sum(1)
    detached = torch.autograd.grad(held.mean(), logits)[0]
    p, held = p.detach(), held.detach()
    closed = p * ((p.log() - q.log()) - held[:, None]) / len(labels)
    torch.testing.assert_close(live, closed, atol=1e-12, rtol=0)
    torch.testing.assert_close(detached, closed, atol=1e-12, rtol=0)
    some = outputs[0][:8].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: cmi(z, labels[:8]), (some,))
    ours = outputs[0].clone().requires_grad_()
    bank = filled(ours.detach(), labels)
    found = torch.autograd.grad(bank.surrogate(ours, labels), ours)[0]
    torch.testing.assert_close(found, closed.float(), atol=1e-6, rtol=0)
    assert not bank.centroids.requires_grad


def test_the_surrogate_is_cmi_plus_drift_and_never_below(outputs):
    logits, labels = outputs
    sums = class_sums(logits, labels)
    bank = filled(logits, labels)
    assert bank.drift(sums).item() == pytest.approx(0, abs=1e-6)
    numbers = torch.Generator().manual_seed(3)
    for _ in range(5):
        bank.centroids.copy_(torch.rand(5, 5, generator=numbers).softmax(1))
        surrogate, exact = bank.surrogate(logits, labels).item(), cmi(logits, labels).item()
        assert surrogate == pytest.approx(exact + bank.drift(sums).item(), abs=1e-5)
        assert surrogate > exact


def test_frozen_centroids_reward_a_class_that_drifts_as_a_whole():
    """Why the bank is renewed: the answers of the class are equal, there is nothing to gain, and the term rises."""
    labels = torch.zeros(4, dtype=torch.int64)
    before, after = torch.zeros(4, 2), torch.tensor([[3.0, 0.0]]).expand(4, 2)
    bank = filled(before, labels)
    assert cmi(after, labels).item() == pytest.approx(0, abs=1e-12)
    assert bank.surrogate(after, labels).item() > 0.4
    bank.after_epoch(class_sums(after, labels))
    assert bank.surrogate(after, labels).item() == pytest.approx(0, abs=1e-6)


def test_unlabelled_images_cost_nothing(outputs):
    logits, labels = outputs
    bank = filled(logits, labels)
    some = labels.clone()
    some[::2] = -1
    for loss in (
        *(MCMILoss(bank, 0.3), CMICLoss(bank, 0.3, 0.2)),
        *(EntropyBonusLoss(0.3), SquaredErrorLoss()),
    ):
        torch.testing.assert_close(loss(logits, some), loss(logits[1::2], labels[1::2]))
        assert loss(logits, torch.full_like(labels, -1)).item() == 0


def test_batch_separation_is_the_mean_over_pairs_with_different_labels(outputs):
    logits, labels = outputs
    logs = logits.log_softmax(1)
    pairs = [
        -(logs[i].exp() * logs[j]).sum()
        for i in range(40)
        for j in range(40)
        if labels[i] != labels[j]
    ]
    torch.testing.assert_close(batch_separation(logits, labels), torch.stack(pairs).mean())
    assert batch_separation(logits[:1], labels[:1]).item() == 0


def test_the_controls_are_what_they_are_called(outputs):
    logits, labels = outputs
    p = logits.softmax(1)
    entropy = -(p * p.log()).sum(1).mean()
    likelihood = F.cross_entropy(logits, labels)
    torch.testing.assert_close(EntropyBonusLoss(0.3)(logits, labels), likelihood - 0.3 * entropy)
    wanted = (p - F.one_hot(labels, 5)).square().sum(1).mean()
    torch.testing.assert_close(SquaredErrorLoss()(logits, labels), wanted)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_and_centroids_with_zeros_stay_finite(kind):
    logits = torch.tensor([[60.0, -60.0, 0.0], [-60.0, 60.0, 0.0]], dtype=kind).requires_grad_()
    labels = torch.tensor([0, 1])
    bank = CentroidBank(3)
    bank.refresh(class_sums(logits, labels))
    bank.centroids.copy_(torch.eye(3))
    loss = MCMILoss(bank, 0.5)(logits, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_a_class_without_a_centroid_is_named_when_it_is_needed(outputs):
    logits, labels = outputs
    bank = CentroidBank(5)
    assert list(bank.undefined) == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match=r"no centroid for the classes \[0, 1, 2, 3, 4\]: no image"):
        MCMILoss(bank)(logits, labels)
    known = labels != 2
    bank.refresh(class_sums(logits[known], labels[known]))
    assert list(bank.undefined) == [2]
    assert bank.centroids[2].isnan().all()
    assert torch.isfinite(MCMILoss(bank)(logits[known], labels[known]))
    again = MCMILoss(CentroidBank(5))
    again.load_state_dict(MCMILoss(bank).state_dict())
    assert again.bank.undefined == (2,)
    with pytest.raises(DataError, match=r"classes \[2\]"):
        again(logits, labels)


@pytest.mark.parametrize("gap", [20.0, 150.0, 3e4])
def test_the_entropy_bonus_has_a_slope_where_a_prediction_is_rounded_to_certainty(gap):
    logits = torch.tensor([[gap, 0.0, 0.0], [1.0, 2.0, 3.0]]).requires_grad_()
    EntropyBonusLoss(0.1)(logits, torch.tensor([0, 1])).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda bank: MCMILoss(bank, 0.3),
        lambda bank: CMICLoss(bank, 0.3, 0.5),
        lambda _bank: EntropyBonusLoss(0.3),
        lambda _bank: SquaredErrorLoss(),
    ],
)
def test_losses_inside_a_region_of_half_precision_are_those_outside(make, outputs):
    logits, labels = 4 * outputs[0], outputs[1]
    loss = make(filled(logits, labels))
    wanted = loss(logits, labels)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(logits, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted)
