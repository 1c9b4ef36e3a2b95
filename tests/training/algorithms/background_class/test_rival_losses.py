import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.training.algorithms.background_class.losses import GroupedLoss
from figureground.training.algorithms.background_class.rival_losses import (
    EnergyMarginLoss,
    UniformOELoss,
)

K = 3
LOSSES = [UniformOELoss(K), EnergyMarginLoss(K, m_in=-3.0, m_out=-1.0)]
each = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
Row = list[float]


def _batch(count: int = 7) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(2)
    logits = torch.randn(count, K, generator=source, dtype=torch.float64) * 2
    target = torch.randint(K, (count,), generator=source)
    target[1::3] = K
    return logits.requires_grad_(), target


def _log_softmax(row: Row) -> Row:
    total = math.log(sum(math.exp(z) for z in row))
    return [z - total for z in row]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _groups(
    logits: Tensor, target: Tensor, inside: Callable[[Row, int], float], outside: Callable
) -> tuple[list[float], list[float]]:
    pairs = list(zip(logits.tolist(), target.tolist(), strict=True))
    return (
        [inside(row, label) for row, label in pairs if label < K],
        [outside(row) for row, label in pairs if label == K],
    )


def _cross_entropy(row: Row, label: int) -> float:
    return -_log_softmax(row)[label]


def _to_uniform(row: Row) -> float:
    return -_mean(_log_softmax(row))


def test_uniform_outlier_exposure_equals_its_slow_twin():
    logits, target = _batch()
    known, background = _groups(logits, target, _cross_entropy, _to_uniform)
    loss = UniformOELoss(K, lam=0.7)(logits, target)
    assert loss.item() == pytest.approx(_mean(known) + 0.7 * _mean(background), abs=1e-12)
    assert UniformOELoss(K).lam == 0.5


def test_energy_margins_equal_their_slow_twin():
    logits, target = _batch()

    def energy(row: Row) -> float:
        return -math.log(sum(math.exp(z) for z in row))

    known, background = _groups(
        logits,
        target,
        lambda row, label: _cross_entropy(row, label) + 0.2 * max(energy(row) + 3, 0) ** 2,
        lambda row: 0.2 * max(-1 - energy(row), 0) ** 2,
    )
    loss = EnergyMarginLoss(K, m_in=-3.0, m_out=-1.0, lam=0.2)(logits, target)
    assert loss.item() == pytest.approx(_mean(known) + _mean(background), abs=1e-12)
    plain = EnergyMarginLoss(K)
    assert (plain.m_in, plain.m_out, plain.lam) == (-25, -7, 0.1)


def test_hinges_leave_energies_on_their_side_alone():
    logits = torch.tensor([[9.0, 0, 0], [0, 0, 0]], requires_grad=True)
    hinges = EnergyMarginLoss(K, m_in=-9.0, m_out=-2.0, lam=1.0, reduction="none")
    plain = UniformOELoss(K, lam=0.0, reduction="none")
    target = torch.tensor([0, K])
    torch.testing.assert_close(hinges(logits, target), plain(logits, target))


def test_a_background_with_equal_logits_is_where_the_uniform_loss_is_least():
    logits = torch.zeros(1, K, requires_grad=True)
    value = UniformOELoss(K, lam=1.0)(logits, torch.tensor([-1]))
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.item() == pytest.approx(math.log(K))
    assert gradient.abs().max() < 1e-7


@each
def test_minus_one_and_k_are_the_same_and_the_target_is_not_changed(loss: GroupedLoss):
    logits, target = _batch()
    aliased = target.masked_fill(target == K, -1)
    before = aliased.clone()
    assert torch.equal(loss(logits, target), loss(logits, aliased))
    assert torch.equal(aliased, before)


@each
def test_an_empty_group_or_batch_adds_nothing_and_no_nan(loss: GroupedLoss):
    logits, target = _batch()
    for some in (target < K, target == K, torch.zeros(7, dtype=torch.bool)):
        value = loss(logits[some], target[some])
        (gradient,) = torch.autograd.grad(value, logits)
        assert gradient.isfinite().all()
        assert value.item() >= 0
        assert (value.item() > 0) == bool(some.any())


@each
def test_one_output_too_many_and_unknown_labels_are_refused(loss: GroupedLoss):
    logits, target = _batch()
    with pytest.raises(ShapeError, match=r"with 3 classes needs logits \(7, 3\)"):
        loss(torch.cat([logits, logits[:, :1]], 1), target)
    for wrong in (K + 1, -100):
        with pytest.raises(IndexError, match="out of bounds"):
            loss(logits, target.masked_fill(target == K, wrong))


def test_impossible_options_are_refused():
    with pytest.raises(OptionError, match=r"lam must not be negative, got -0\.5"):
        UniformOELoss(K, lam=-0.5)
    with pytest.raises(OptionError, match="lam must not be negative, got nan"):
        EnergyMarginLoss(K, lam=float("nan"))
    with pytest.raises(OptionError, match=r"m_in must not be above m_out, got -5\.0 and -7\.0"):
        EnergyMarginLoss(K, m_in=-5.0)
