"""Average precision and its kin against scikit-learn, enumeration and loops."""

import math
from itertools import combinations

import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.classification import (
    average_precision,
    class_scores,
    expected_random_ap,
    macro_f1,
    mean_average_precision,
    mean_average_precision_interval,
    precision_at_k,
    recall_at_k,
)
from figureground.metrics.classification.ranking_interval import _weighted_ap


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("levels", [3, 10, 100000])
def test_average_precision_is_scikit_learns_and_that_of_a_loop(levels):
    for seed in range(10):
        scores = torch.randint(levels, (60,), generator=numbers(seed)).double()
        positive = torch.rand(60, generator=numbers(seed + 100)) < 0.2
        positive[0] = True
        found = average_precision(scores, positive).item()
        reference = average_precision_score(positive.numpy(), scores.numpy())
        assert found == pytest.approx(reference, abs=1e-12)
        total, before = 0.0, 0.0
        for level in sorted(set(scores.tolist()), reverse=True):
            shown = scores >= level
            recall = float((positive & shown).sum() / positive.sum())
            total += (recall - before) * float((positive & shown).sum() / shown.sum())
            before = recall
        assert found == pytest.approx(total, abs=1e-6)


def test_nothing_or_everything_sought():
    assert average_precision(torch.rand(3), torch.zeros(3, dtype=torch.bool)).isnan()
    assert average_precision(torch.rand(3), torch.ones(3, dtype=torch.bool)) == 1


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_the_expectation_of_a_random_order_is_that_of_all_orders(count):
    for positives in range(1, count + 1):
        every = []
        for places in combinations(range(count), positives):
            positive = torch.zeros(count, dtype=torch.bool)
            positive[list(places)] = True
            every.append(average_precision(-torch.arange(count), positive).item())
        mean = math.fsum(every) / len(every)
        assert expected_random_ap(positives, count) == pytest.approx(mean, abs=1e-12)


def test_the_chance_levels_of_the_specification():
    assert expected_random_ap(5, 1060) == pytest.approx(0.0109, abs=5e-5)
    assert expected_random_ap(1000, 10000) == pytest.approx(0.1008, abs=5e-5)
    with pytest.raises(OptionError, match="0 of 5"):
        expected_random_ap(0, 5)


def test_what_rescales_a_logit_leaves_its_ranking_and_changes_that_of_the_softmax():
    logits = torch.randn(50, 3, generator=numbers(0), dtype=torch.float64)
    labels = torch.randint(3, (50,), generator=numbers(1))
    scaled = logits * torch.tensor([0.5, 4.0, 1.0]) + torch.tensor([0.25, -3.0, 2.0])
    by_logit = [mean_average_precision(z, labels, classes=2).item() for z in (logits, scaled)]
    assert by_logit[0] == by_logit[1]
    by_softmax = [
        mean_average_precision(z, labels, classes=2, score="softmax").item()
        for z in (logits, scaled)
    ]
    assert by_softmax[0] != by_softmax[1]
    reference = [
        average_precision_score((labels == c).numpy(), logits.softmax(1)[:, c].numpy())
        for c in (0, 1)
    ]
    assert by_softmax[0] == pytest.approx(sum(reference) / 2, abs=1e-12)


def test_the_order_by_probability_is_kept_where_probabilities_round_to_one():
    logits = torch.tensor([[80.0, 0.0], [90.0, 0.0]])
    assert logits.softmax(1)[0, 0] == logits.softmax(1)[1, 0]
    assert class_scores(logits, "softmax")[:, 0].diff() > 0
    with pytest.raises(OptionError, match="no score 'probability'"):
        class_scores(logits, "probability")


def test_unlabelled_pictures_and_absent_classes_are_left_out():
    logits = torch.tensor([[3.0, 0.0, 0.0], [2.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert mean_average_precision(logits, torch.tensor([0, -1, 0]), classes=2) == 1
    assert mean_average_precision(logits, torch.tensor([2, -1, 2]), classes=2).isnan()
    with pytest.raises(ShapeError, match="for 3 labels and 4 classes"):
        mean_average_precision(logits, torch.tensor([0, 1, 1]), classes=4)
    with pytest.raises(ShapeError, match="none NaN"):
        average_precision(torch.tensor([math.nan]), torch.tensor([True]))


def test_recall_and_precision_at_k_are_expectations_over_orders_of_equal_scores():
    scores = torch.tensor([2.0, 1.0, 1.0, 1.0, 0.0])
    positive = torch.tensor([False, True, True, False, True])
    for k in range(1, 6):
        hits = []
        for order in ([1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]):
            ranked = [0, *order, 4]
            hits.append(sum(bool(positive[at]) for at in ranked[:k]))
        mean = sum(hits) / 6
        assert recall_at_k(scores, positive, k=k).item() == pytest.approx(mean / 3)
        assert precision_at_k(scores, positive, k=k).item() == pytest.approx(mean / k)
    assert recall_at_k(scores, positive, k=99) == 1
    with pytest.raises(OptionError, match="at least 1"):
        recall_at_k(scores, positive, k=0)


def test_macro_f1_is_scikit_learns():
    predicted = torch.randint(4, (80,), generator=numbers(0))
    labels = torch.randint(-1, 4, (80,), generator=numbers(1))
    known = labels >= 0
    reference = f1_score(
        labels[known].numpy(), predicted[known].numpy(), labels=[0, 1, 2], average="macro"
    )
    assert macro_f1(predicted, labels, classes=3).item() == pytest.approx(reference)
    assert macro_f1(torch.tensor([1]), torch.tensor([1]), classes=1) == 0
    with pytest.raises(ShapeError):
        macro_f1(predicted, labels[1:], classes=3)


def test_a_resample_has_the_average_precision_of_its_pictures():
    scores = torch.randint(6, (30,), generator=numbers(2)).double()
    positive = torch.rand(30, generator=numbers(3)) < 0.3
    drawn = torch.randint(30, (5, 30), generator=numbers(4))
    times = torch.stack([torch.bincount(rows, minlength=30) for rows in drawn]).double()
    for rows, found in zip(drawn, _weighted_ap(scores, positive, times).tolist(), strict=True):
        assert found == pytest.approx(average_precision(scores[rows], positive[rows]).item())


def test_the_interval_holds_the_value_and_narrows_with_more_pictures():
    widths = []
    for count in (100, 1600):
        labels = (torch.rand(count, generator=numbers(0)) > 0.2).long()
        logits = torch.randn(count, 2, generator=numbers(1))
        logits[:, 0] += labels == 0
        found = mean_average_precision_interval(logits, labels, classes=1, resamples=200)
        assert found.low < found.mean < found.high
        assert found.mean == mean_average_precision(logits, labels, classes=1).item()
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2
    nothing = mean_average_precision_interval(logits, torch.full((1600,), -1), classes=1)
    assert math.isnan(nothing.mean)
    assert nothing.images == 0
