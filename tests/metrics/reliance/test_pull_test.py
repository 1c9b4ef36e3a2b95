"""Classes are found where a cue was planted, and nowhere else."""

import numpy as np
import pytest
import torch
from scipy.stats import false_discovery_control, kstest

from figureground.base.errors import OptionError
from figureground.metrics.reliance import Pairs, benjamini_hochberg, cross, pull_test

K, EACH = 6, 12
LABELS = torch.arange(K * EACH) % K


def answers(
    pairs: Pairs, seed: int, planted: tuple[int, ...] = (), size: float = 0.3
) -> torch.Tensor:
    """Probabilities that depend on both images by chance, and on backgrounds of planted classes by ``size``."""
    draw = torch.Generator().manual_seed(seed)
    own = 0.05 * torch.rand(2, len(LABELS), K, generator=draw)
    found = own[0, pairs.foreground] + own[1, pairs.background]
    for label in planted:
        found[LABELS[pairs.background] == label, label] += size
    return found


def test_planted_classes_are_found():
    pairs = cross(LABELS, seed=0)
    found = pull_test(pairs, LABELS, answers(pairs, 1, (1, 4)), seed=0)
    assert {one.label for one in found if one.found} == {1, 4}
    assert {one.label for one in found[:2]} == {1, 4}
    first = found[0]
    assert first.pull.low < 0.3 < first.pull.high
    assert first.images == EACH
    assert first.auroc == 1


def test_numbers_of_a_class_are_those_of_a_loop():
    pairs = cross(LABELS, seed=0)
    scores = answers(pairs, 5)
    one = next(each for each in pull_test(pairs, LABELS, scores, seed=0) if each.label == 2)
    means: dict[bool, list[float]] = {True: [], False: []}
    for j in range(len(LABELS)):
        values = [
            float(scores[p, 2])
            for p in range(len(pairs))
            if int(pairs.background[p]) == j and int(LABELS[pairs.foreground[p]]) != 2
        ]
        means[int(LABELS[j]) == 2].append(float(np.mean(values)))
    assert one.pull.mean == pytest.approx(np.mean(means[True]) - np.mean(means[False]))
    wins = np.mean([(a > b) + 0.5 * (a == b) for a in means[True] for b in means[False]])
    assert one.auroc == pytest.approx(wins)


def test_real_but_tiny_pulls_are_not_found():
    pairs = cross(LABELS, seed=0)
    found = pull_test(pairs, LABELS, answers(pairs, 1, (3,), size=0.015) * 0.2, seed=0)
    assert not any(one.found for one in found)


def test_p_values_are_uniform_where_nothing_is_planted():
    values = []
    for seed in range(60):
        pairs = cross(LABELS, seed=seed)
        found = pull_test(pairs, LABELS, answers(pairs, 1000 + seed), seed=0)
        values += [one.p_value for one in found]
        assert not any(one.found for one in found)
    assert kstest(values, "uniform").pvalue > 0.01


def test_small_classes_are_not_listed():
    labels = torch.tensor([0] * 10 + [1] * 10 + [2] * 4)
    pairs = cross(labels, seed=0)
    found = pull_test(pairs, labels, torch.rand(len(pairs), 3), seed=0)
    assert {one.label for one in found} == {0, 1}


@pytest.mark.parametrize("seed", range(5))
def test_believed_tests_are_scipys(seed: int):
    draw = np.random.default_rng(seed)
    values = np.concatenate([draw.uniform(0, 0.01, 10), draw.uniform(0, 1, 40)])
    wanted = false_discovery_control(values, method="bh") <= 0.05
    assert benjamini_hochberg(values, rate=0.05).tolist() == wanted.tolist()
    assert benjamini_hochberg(np.array([])).tolist() == []


def test_what_cannot_be_is_refused():
    pairs = cross(LABELS, seed=0)
    with pytest.raises(OptionError):
        pull_test(pairs, LABELS, answers(pairs, 0), seed=0, rate=0.0)
    with pytest.raises(OptionError):
        benjamini_hochberg(np.array([0.1]), rate=1.5)
