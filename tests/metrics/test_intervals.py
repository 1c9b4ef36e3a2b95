"""Intervals and paired tests, against closed forms and SciPy."""

import numpy as np
import pytest
import torch
from scipy import stats

import figureground.metrics.intervals as intervals_module
from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.intervals import (
    bootstrap_interval,
    mcnemar,
    paired_difference,
    seeds_difference,
)


def values(count=200, seed=0):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))


def test_interval_of_a_mean_is_near_the_normal_one():
    sample = values().double()
    found = bootstrap_interval(sample, seed=1, resamples=4000)
    half = 1.96 * sample.std(unbiased=False).item() / len(sample) ** 0.5
    assert found.mean == pytest.approx(sample.mean().item())
    assert found.low == pytest.approx(found.mean - half, abs=0.004)
    assert found.high == pytest.approx(found.mean + half, abs=0.004)


def test_interval_is_near_scipys_percentile_bootstrap():
    sample = (values(120, 2) < 0.3).numpy()
    found = bootstrap_interval(sample, seed=0, level=0.9, resamples=5000)
    expected = stats.bootstrap(
        (sample.astype(float),),
        np.mean,
        confidence_level=0.9,
        method="percentile",
        n_resamples=5000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert found.low == pytest.approx(expected.low, abs=0.011)
    assert found.high == pytest.approx(expected.high, abs=0.011)


def test_equal_seeds_give_equal_intervals_and_constants_no_width():
    sample = values()
    assert bootstrap_interval(sample, seed=3) == bootstrap_interval(sample, seed=3)
    assert bootstrap_interval(sample, seed=3) != bootstrap_interval(sample, seed=4)
    one = bootstrap_interval(torch.full((9,), 0.25), seed=0)
    assert (one.low, one.mean, one.high) == (0.25, 0.25, 0.25)


def test_draws_made_a_few_at_a_time_are_those_that_small_samples_share(monkeypatch):
    sample = values(50)
    whole = bootstrap_interval(sample, seed=5, resamples=400)
    monkeypatch.setattr(intervals_module, "_KEPT_DRAWS", 0)
    monkeypatch.setattr(intervals_module, "_DRAWS_AT_ONCE", 50 * 7)
    part = bootstrap_interval(sample, seed=5, resamples=400)
    assert part.low == pytest.approx(whole.low, abs=1e-9)
    assert part.high == pytest.approx(whole.high, abs=1e-9)


def test_undefined_values_are_left_out_and_counted():
    sample = values(30)
    with_gaps = torch.cat([sample, torch.full((4,), torch.nan)])
    found = bootstrap_interval(with_gaps, seed=0)
    assert (found.images, found.undefined) == (30, 4)
    assert found.mean == pytest.approx(sample.mean().item())
    with pytest.raises(ShapeError, match="no defined value"):
        bootstrap_interval(torch.tensor([torch.nan]), seed=0)


def test_pairing_narrows_the_interval_of_a_difference():
    easy = values(150, 6)
    first, second = easy + 0.05 + 0.01 * values(150, 7), easy
    paired = paired_difference(first, second, seed=0)
    assert paired.low > 0
    width = paired.high - paired.low
    alone = bootstrap_interval(first, seed=0)
    assert width < 0.1 * (alone.high - alone.low)


def test_bad_levels_and_lengths_are_refused(as_a_user):
    with pytest.raises(OptionError, match="level"):
        bootstrap_interval(values(), seed=0, level=95.0)
    with pytest.raises(ShapeError, match="pairs need"):
        paired_difference(values(5), values(6), seed=0)
    with pytest.raises(ShapeError, match="pairs need"):
        mcnemar(torch.ones(3, dtype=torch.bool), torch.ones(4, dtype=torch.bool))


def test_mcnemar_equals_the_binomial_sum():
    first = torch.tensor([True] * 9 + [False] * 3 + [True] * 20)
    second = torch.tensor([False] * 9 + [True] * 3 + [True] * 20)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (9, 3)
    tail = sum(stats.binom.pmf(k, 12, 0.5) for k in (0, 1, 2, 3))
    assert found.p_value == pytest.approx(2 * tail)
    assert mcnemar(first, first).p_value == 1


def test_interval_over_seeds_is_scipys_paired_t_interval():
    first, second = values(5, 1), values(5, 2)
    found = seeds_difference(first, second, level=0.9)
    wanted = stats.ttest_rel(first.double(), second.double()).confidence_interval(0.9)
    assert found.mean == pytest.approx((first - second).mean().item())
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert found.images == 5


def test_one_seed_has_no_interval():
    with pytest.raises(ShapeError, match="at least two pairs"):
        seeds_difference(torch.ones(1), torch.zeros(1))


def test_many_hits_and_misses_are_drawn_by_how_often_each_occurs():
    # 2,000 resamples of 50,000 images are not made one by one: the mean of hits is binomial
    hits = np.zeros(50_000)
    hits[:20_000] = 1
    found = bootstrap_interval(hits, seed=0)
    low, high = stats.binom.ppf([0.025, 0.975], 50_000, 0.4) / 50_000
    assert found.mean == pytest.approx(0.4)
    assert found.low == pytest.approx(low, abs=3e-4)
    assert found.high == pytest.approx(high, abs=3e-4)
