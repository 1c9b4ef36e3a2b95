from itertools import pairwise

import pytest
import torch
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.classification import (
    OutOfDistribution,
    aupr,
    auroc,
    ccr_at_fpr,
    fpr_at_tpr,
    oscr,
)


def _scores() -> tuple[Tensor, Tensor, Tensor]:
    """Known scores (some equal), whether they are right, and unknown scores."""
    source = torch.Generator().manual_seed(6)
    known = (torch.randn(60, generator=source) * 4).round()
    correct = torch.rand(60, generator=source) < 0.8
    return known, correct, (torch.randn(40, generator=source) * 4 + 3).round()


def _slow_curve(known: Tensor, correct: Tensor, unknown: Tensor) -> list[tuple[float, float]]:
    """FPR and CCR at every threshold, by counting."""
    pairs = list(zip(known.tolist(), correct.tolist(), strict=True))
    points = [(0.0, 0.0)]
    for threshold in sorted({*known.tolist(), *unknown.tolist()}):
        ccr = sum(right and score <= threshold for score, right in pairs) / len(pairs)
        fpr = sum(score <= threshold for score in unknown.tolist()) / len(unknown)
        points.append((fpr, ccr))
    return points


def test_the_area_equals_its_slow_twin():
    points = _slow_curve(*_scores())
    area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))
    assert oscr(*_scores()).item() == pytest.approx(area, abs=1e-12)


@pytest.mark.parametrize("fpr", [0.0, 0.05, 0.1, 0.5, 1.0])
def test_the_rate_at_a_share_of_false_positives_equals_its_slow_twin(fpr: float):
    expected = max(ccr for share, ccr in _slow_curve(*_scores()) if share <= fpr + 1e-9)
    assert ccr_at_fpr(*_scores(), fpr=fpr).item() == pytest.approx(expected, abs=1e-12)


def test_end_points():
    known, correct, unknown = _scores()
    share = correct.double().mean().item()
    assert ccr_at_fpr(known, correct, unknown, fpr=1.0).item() == pytest.approx(share)
    far = unknown + 1000
    assert oscr(known, correct, far).item() == pytest.approx(share)
    assert ccr_at_fpr(known, correct, far, fpr=0.0).item() == pytest.approx(share)
    assert oscr(known, correct, unknown - 1000).item() == 0
    assert oscr(known, torch.zeros_like(correct), unknown).item() == 0


def test_it_is_the_auroc_where_all_answers_are_right():
    known, correct, unknown = _scores()
    everything = oscr(known, torch.ones_like(correct), unknown)
    torch.testing.assert_close(everything, auroc(known, unknown), rtol=0, atol=1e-12)


def test_batches_of_both_groups_add_up_to_the_whole():
    known, correct, unknown = _scores()
    scores = torch.cat([known, unknown])
    outside = torch.cat([torch.zeros(60), torch.ones(40)]).bool()
    right = torch.cat(
        [correct, torch.ones(40).bool()]
    )  # what is said of unknown ones is not looked at
    order = torch.randperm(100, generator=torch.Generator().manual_seed(1))
    found = OutOfDistribution()
    for some in order.split(30):
        found.update(scores[some], unknown=outside[some], correct=right[some])
    expected = {
        "auroc": auroc(known, unknown),
        "aupr_out": aupr(known, unknown),
        "aupr_in": aupr(known, unknown, positive="in"),
        "fpr95_out": fpr_at_tpr(known, unknown),
        "fpr95_in": fpr_at_tpr(known, unknown, positive="in"),
        "oscr": oscr(known, correct, unknown),
    }
    assert found.compute() == expected
    found.reset()
    found.update(scores, unknown=outside)
    assert found.compute() == {name: value for name, value in expected.items() if name != "oscr"}


def test_what_does_not_fit_is_refused():
    known, correct, unknown = _scores()
    with pytest.raises(ShapeError, match="both groups need scores"):
        oscr(known, correct, unknown[:0])
    with pytest.raises(OptionError, match="fpr must be in"):
        ccr_at_fpr(known, correct, unknown, fpr=1.5)
    found = OutOfDistribution()
    found.update(torch.zeros(2), unknown=torch.zeros(2).bool())
    with pytest.raises(ShapeError, match="scores of unknown pictures must be some"):
        found.compute()
    outside = torch.tensor([False, True])
    found.update(torch.zeros(2), unknown=outside, correct=outside)
    found.update(torch.zeros(2), unknown=outside)
    with pytest.raises(ShapeError, match="with every update, or with none"):
        found.compute()
