import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.classification import aupr, auroc, fpr_at_tpr


def _scores(kind: str) -> tuple[Tensor, Tensor]:
    """Known and unknown scores; of the tied kind most are equal to others."""
    source = torch.Generator().manual_seed(3)
    known = torch.randn(80, generator=source)
    unknown = torch.randn(50, generator=source) + 1
    return (known.round(), unknown.round()) if kind == "tied" else (known, unknown)


each_kind = pytest.mark.parametrize("kind", ["plain", "tied"])


@each_kind
def test_auroc_is_the_share_of_pairs_in_order_with_ties_counted_half(kind: str):
    known, unknown = _scores(kind)
    pairs = [
        1.0 if out > inside else 0.5 if out == inside else 0.0
        for out in unknown.tolist()
        for inside in known.tolist()
    ]
    assert auroc(known, unknown).item() == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


@each_kind
@pytest.mark.parametrize("positive", ["out", "in"])
def test_numbers_agree_with_scikit_learn(kind: str, positive: str):
    known, unknown = _scores(kind)
    scores = torch.cat([known, unknown]).numpy()
    truth = torch.cat([torch.zeros(80), torch.ones(50)]).numpy()
    if positive == "in":
        scores, truth = -scores, 1 - truth
    assert auroc(known, unknown).item() == pytest.approx(roc_auc_score(truth, scores))
    found = aupr(known, unknown, positive=positive)
    assert found.item() == pytest.approx(average_precision_score(truth, scores))
    alarms, hits, _ = roc_curve(truth, scores, drop_intermediate=False)
    for tpr in (0.5, 0.95, 1.0):
        found = fpr_at_tpr(known, unknown, tpr=tpr, positive=positive)
        assert found.item() == pytest.approx(min(alarms[hits >= tpr - 1e-12]))


def test_end_points():
    low, high, same = torch.arange(3.0), torch.arange(3.0) + 9, torch.ones(3)
    assert [auroc(*pair).item() for pair in ((low, high), (high, low), (same, same))] == [1, 0, 0.5]
    for side in ("out", "in"):
        assert fpr_at_tpr(low, high, positive=side) == 0
        assert fpr_at_tpr(high, low, positive=side) == 1
        assert fpr_at_tpr(same, same, positive=side) == 1
        assert aupr(low, high, positive=side) == 1
        assert aupr(same, same, positive=side) == 0.5


def test_only_the_order_of_the_scores_matters_also_far_outside_zero_and_one():
    known, unknown = _scores("plain")
    moved = [1000 * scores.double() - 40_000 for scores in (known, unknown)]
    for measure in (auroc, aupr, fpr_at_tpr):
        torch.testing.assert_close(measure(known, unknown), measure(*moved), rtol=0, atol=0)


def test_nineteen_of_twenty_are_enough_for_95_percent():
    known, unknown = torch.arange(20.0), torch.tensor([18.5, 30.0])
    # known images 0 to 18 are kept, and no unknown one scores at or below 18
    assert fpr_at_tpr(known, unknown, positive="in") == 0
    assert fpr_at_tpr(known, unknown, tpr=0.96, positive="in") == 0.5


def test_exchanged_groups_with_turned_signs_give_the_same():
    known, unknown = _scores("tied")
    torch.testing.assert_close(auroc(known, unknown), auroc(-unknown, -known))
    torch.testing.assert_close(aupr(known, unknown), aupr(-unknown, -known, positive="in"))


def test_empty_groups_nan_and_unknown_sides_are_refused():
    some, none = torch.ones(2), torch.ones(0)
    for measure in (auroc, aupr, fpr_at_tpr):
        with pytest.raises(ShapeError, match="scores of unknown images must be some"):
            measure(some, none)
        with pytest.raises(ShapeError, match="scores of known images must be some, and none NaN"):
            measure(torch.tensor([torch.nan]), some)
    for sided in (aupr, fpr_at_tpr):
        with pytest.raises(OptionError, match="closest: 'out'"):
            sided(some, some, positive="outside")
    with pytest.raises(OptionError, match="tpr must be in"):
        fpr_at_tpr(some, some, tpr=0.0)
