"""The bank: exact class means, its three modes, the pass over the data, what it leaves alone."""

import pytest
import torch
from torch import nn

from figureground.base.errors import DataError, OptionError, ShapeError
from figureground.metrics.information import class_sums
from figureground.training.algorithms.mcmi import CentroidBank, class_pass


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


@pytest.fixture
def data():
    numbers = torch.Generator().manual_seed(1)
    return torch.randn(30, 6, generator=numbers) + 2, torch.arange(30) % 3


def test_the_pass_gives_exact_class_means_whatever_the_batches(model, data):
    x, y = data
    batches = [(x[:7], y[:7]), (x[7:8], y[7:8]), (x[8:], y[8:])]
    bank = CentroidBank(3)
    bank.fit(model, batches)
    with torch.no_grad():
        shares = model.eval()(x).softmax(1)
    for label in range(3):
        wanted = sum(p for p, one in zip(shares, y.tolist(), strict=True) if one == label) / 10
        torch.testing.assert_close(bank.centroids[label], wanted)


def test_evaluation_leaves_the_model_as_found_and_training_mode_moves_its_statistics(model, data):
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    class_pass(model, [data])
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    model.eval()
    class_pass(model, [data], batch_norm="train")
    assert not model.training
    assert not torch.equal(before["1.running_mean"], model.state_dict()["1.running_mean"])
    assert torch.equal(before["0.weight"], model.state_dict()["0.weight"])


def test_the_model_keeps_its_mode_after_a_failure(model):
    model.train()
    with pytest.raises(RuntimeError):
        class_pass(model, [(torch.zeros(2, 5), torch.tensor([0, 1]))])
    assert model.training


def test_each_mode_moves_when_it_should(model, data):
    x, y = data
    first = class_sums(torch.randn(30, 3, generator=torch.Generator().manual_seed(2)), y)
    later = class_sums(torch.zeros(30, 3), y)
    logits = model.eval()(x).detach()
    for mode, moves in (
        ("epoch", (False, True)),
        ("frozen", (False, False)),
        ("ema", (True, False)),
    ):
        bank = CentroidBank(3, mode=mode, decay=0.9)
        bank.refresh(first)
        before = bank.centroids.clone()
        bank.update(logits, y)
        assert torch.equal(bank.centroids, before) != moves[0], mode
        before = bank.centroids.clone()
        bank.after_epoch(later)
        assert torch.equal(bank.centroids, before) != moves[1], mode


def test_the_moving_average_is_that_of_the_classes_of_the_batch():
    bank = CentroidBank(3, mode="ema", decay=0.75)
    bank.refresh(class_sums(torch.zeros(3, 3), torch.arange(3)))
    logits = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    bank.update(logits, torch.tensor([1, 1, -1]))
    p = logits.softmax(1)
    torch.testing.assert_close(bank.centroids[1], 0.75 / 3 + 0.25 * (p[0] + p[1]) / 2)
    torch.testing.assert_close(bank.centroids[0], torch.full((3,), 1 / 3))
    torch.testing.assert_close(bank.centroids.sum(1), torch.ones(3))


def test_what_cannot_be_meant_is_refused(model, data):
    with pytest.raises(
        OptionError, match=r"no mode of the centroids 'batch'; .*known: ema, epoch, frozen"
    ):
        CentroidBank(3, mode="batch")
    with pytest.raises(OptionError, match="decay lies in"):
        CentroidBank(3, decay=1.0)
    with pytest.raises(OptionError, match="batch_norm is one of eval, train, not 'off'"):
        class_pass(model, [data], batch_norm="off")
    with pytest.raises(DataError, match="no batch"):
        class_pass(model, [])
    with pytest.raises(OptionError, match="got 3 logits, the bank is for 4"):
        CentroidBank(4).fit(model, [data])
    with pytest.raises(ShapeError):
        class_sums(torch.zeros(2, 3), torch.tensor([0, 3]))


def test_a_norm_that_was_frozen_alone_stays_frozen(model, data):
    model.train()
    model[1].eval()
    for batch_norm in ("eval", "train"):
        class_pass(model, [data], batch_norm=batch_norm)
        assert [module.training for module in model] == [True, False, True, True]
        assert model.training


def test_drift_from_a_centroid_that_was_never_taken_is_not_taken_for_none(data):
    sums = class_sums(torch.randn(30, 3), data[1])
    bank = CentroidBank(3)
    assert bank.drift(sums).isnan()
    bank.refresh(class_sums(torch.randn(30, 3), data[1] % 2))
    assert bank.drift(sums).isnan()
    assert not bank.drift(class_sums(torch.randn(30, 3), data[1] % 2)).isnan()
