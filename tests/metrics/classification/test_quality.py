import math

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.classification import accuracy, ece, highest_by_chance, nll


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 4, generator=source) * 2
    return logits, torch.randint(4, (200,), generator=source)


def _probabilities(row: list[float]) -> list[float]:
    total = sum(math.exp(z) for z in row)
    return [math.exp(z) / total for z in row]


def _slow_ece(rows: list[list[float]], labels: list[int], bins: int) -> float:
    """Guo et al., equation 3: for every bin (low, high] the gap of its two means, weighted by its size."""
    error = 0.0
    for index in range(bins):
        inside = [
            (max(p), p.index(max(p)) == label)
            for p, label in zip(rows, labels, strict=True)
            if index / bins < max(p) <= (index + 1) / bins
        ]
        if inside:
            sure = sum(p for p, _ in inside) / len(inside)
            right = sum(hit for _, hit in inside) / len(inside)
            error += len(inside) / len(rows) * abs(sure - right)
    return error


def test_each_number_equals_its_slow_twin(batch: tuple[Tensor, Tensor]):
    logits, labels = batch
    rows = [_probabilities(row) for row in logits.double().tolist()]
    pairs = list(zip(rows, labels.tolist(), strict=True))
    hits = [p.index(max(p)) == label for p, label in pairs]
    assert accuracy(logits, labels).item() == pytest.approx(sum(hits) / 200)
    assert nll(logits, labels).item() == pytest.approx(
        -sum(math.log(p[label]) for p, label in pairs) / 200
    )
    for bins in (1, 10, 15):
        expected = _slow_ece(rows, labels.tolist(), bins)
        assert ece(logits, labels, bins=bins).item() == pytest.approx(expected, abs=1e-12)


def test_calibration_error_agrees_with_torchmetrics(batch: tuple[Tensor, Tensor]):
    logits, labels = batch
    theirs = multiclass_calibration_error(logits.softmax(1), labels, num_classes=4, n_bins=15)
    assert ece(logits, labels).item() == pytest.approx(theirs.item(), abs=1e-6)


def test_a_confidence_on_the_edge_of_two_bins_is_in_the_lower_one():
    # one half, right; three quarters, wrong: two bins of one image each, or one bin of both
    logits = torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=torch.float64).log()
    assert ece(logits, torch.tensor([0, 0]), bins=2).item() == pytest.approx((0.5 + 0.75) / 2)


def test_a_perfectly_calibrated_toy_has_no_error_and_an_overconfident_one_its_excess():
    confident = torch.tensor([0.8, 0.2]).log().expand(10, 2)
    labels = torch.tensor([0] * 8 + [1] * 2)
    assert ece(confident, labels).item() == pytest.approx(0, abs=1e-7)
    certain = torch.tensor([0.0, -torch.inf]).expand(10, 2)
    assert ece(certain, labels).item() == pytest.approx(0.2)
    assert accuracy(certain, labels).item() == 0.8
    assert nll(certain, labels).item() == math.inf


def test_logarithms_of_probabilities_serve_as_logits(batch: tuple[Tensor, Tensor]):
    logits, labels = batch
    for measure in (accuracy, nll, ece):
        one, other = (
            measure(logits.double(), labels),
            measure(logits.double().log_softmax(1), labels),
        )
        torch.testing.assert_close(one, other)


def test_what_does_not_fit_is_refused(batch: tuple[Tensor, Tensor]):
    logits, labels = batch
    for measure in (accuracy, nll, ece):
        with pytest.raises(ShapeError, match=r"labels must be in 0\.\.3, got 1\.\.4"):
            measure(logits[:4], torch.tensor([1, 2, 3, 4]))
        with pytest.raises(ShapeError, match="0 rows of logits"):
            measure(logits[:0], labels[:0])
    with pytest.raises(ShapeError, match=r"labels must be in 0\.\.3, got -1\.\.3"):
        accuracy(logits[:2], torch.tensor([-1, 3]))
    with pytest.raises(OptionError, match="bins must be at least 1"):
        ece(logits, labels, bins=0)


def test_chance_is_the_most_frequent_class_with_three_standard_deviations():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    assert highest_by_chance(labels) == pytest.approx(0.6 + 3 * math.sqrt(0.6 * 0.4 / 100))
    assert highest_by_chance(torch.tensor([0, 1, 0, 1])) == 0.75  # so that four right ones count
    with pytest.raises(ShapeError, match="chance needs labels"):
        highest_by_chance(torch.zeros(0, dtype=torch.int64))
