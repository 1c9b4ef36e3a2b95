"""Intervals over images in both roles: the point, the variance of linear theory, the three verdicts."""

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.metrics.intervals import Interval
from figureground.metrics.reliance import (
    Pairs,
    cells_of,
    node_weights,
    numbers_of,
    percentiles,
    reliance,
    verdict_of,
)

N, K = 30, 2
LABELS = torch.arange(N) % K


def full_table() -> tuple[Pairs, torch.Tensor]:
    """Every image on every other's background; scores with an effect of each image in each role."""
    draw = torch.Generator().manual_seed(11)
    front, back = torch.nonzero(~torch.eye(N, dtype=torch.bool), as_tuple=True)
    effects = 0.3 * torch.randn(2, N, K, generator=draw)
    scores = (
        effects[0, front] + effects[1, back] + 0.05 * torch.randn(len(front), K, generator=draw)
    )
    return Pairs(front, back, torch.zeros_like(front)), scores


def test_weights_of_one_are_the_number_itself():
    pairs, scores = full_table()
    point = numbers_of(cells_of(pairs, LABELS, scores))
    same = numbers_of(
        cells_of(pairs, LABELS, scores, weights=torch.ones(1, N, dtype=torch.float64))
    )
    assert all(torch.equal(point[name], same[name]) for name in point if name != "share")


def test_weights_are_exponential():
    weights = node_weights(200, draws=500, seed=0)
    assert weights.min() > 0
    assert weights.mean().item() == pytest.approx(1, abs=0.02)
    assert weights.var().item() == pytest.approx(1, abs=0.05)
    assert float((weights > 1).double().mean()) == pytest.approx(0.3679, abs=0.01)  # 1/e
    assert torch.equal(weights, node_weights(200, draws=500, seed=0))


@pytest.mark.parametrize("name", ["gap", "pull", "effect", "v11"])
def test_the_variance_is_that_of_linear_theory(name: str):
    """Of a smooth statistic: the sum of squared derivatives by the weights of the images."""
    pairs, scores = full_table()

    def statistic(nodes: torch.Tensor) -> torch.Tensor:
        weight = nodes[pairs.foreground] * nodes[pairs.background]
        front, back = LABELS[pairs.foreground], LABELS[pairs.background]
        cells = torch.stack(
            [
                torch.stack(
                    [
                        (weight * inside * scores[:, c].double()).sum() / (weight * inside).sum()
                        for inside in (
                            (front == c) & (back == c),
                            (front == c) & (back != c),
                            (front != c) & (back == c),
                            (front != c) & (back != c),
                        )
                        if inside.any()
                    ]
                )
                for c in range(K)
            ]
        ).mean(0)
        v11, v10, v01, v00 = cells
        return {
            "gap": v11 - v10,
            "pull": v01 - v00,
            "effect": (v11 - v10 + v01 - v00) / 2,
            "v11": v11,
        }[name]

    slopes = torch.autograd.functional.jacobian(statistic, torch.ones(N, dtype=torch.float64))
    linear = float(slopes.square().sum())
    found = reliance(pairs, LABELS, scores, seed=3, draws=4000).draws[name]
    assert float(found.var()) == pytest.approx(linear, rel=0.15)


def test_percentiles_are_those_of_the_draws():
    draws = torch.linspace(-1, 3, 401)
    found = percentiles(1.0, draws, images=9, level=0.5)
    assert (found.low, found.high) == pytest.approx((0, 2), abs=1e-6)
    assert found.images == 9


@pytest.mark.parametrize(
    ("interval", "word", "needed"),
    [
        ((0.2, 0.06, 0.3), "rests on", None),
        ((0.0, -0.04, 0.049), "does not", None),
        ((-0.3, -0.4, -0.2), "does not", None),
        ((0.10, 0.02, 0.18), "cannot tell", 256),  # 100 * (0.08 / 0.05) ** 2
        (
            (0.05, 0.0, 0.1),
            "cannot tell",
            None,
        ),  # just on the limit: no number of images would tell
    ],
)
def test_three_verdicts(interval: tuple[float, float, float], word: str, needed: int | None):
    found = verdict_of(Interval(*interval, 0.95, 100), delta=0.05)
    assert (found.word, found.images_needed) == (word, needed)


def test_what_cannot_be_is_refused():
    with pytest.raises(OptionError):
        node_weights(0, seed=0)
    with pytest.raises(OptionError):
        percentiles(0.0, torch.zeros(3), images=1, level=1.0)
    with pytest.raises(OptionError):
        verdict_of(Interval(0.0, 0.0, 0.0, 0.95, 1), delta=-0.1)
