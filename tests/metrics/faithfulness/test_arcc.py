"""ARCC by hand, and at its ends."""

import pytest
import torch

from figureground.metrics.faithfulness import arcc


def test_equals_the_formula_for_each_image():
    parts = torch.rand(3, 50, generator=torch.Generator().manual_seed(0))
    coherency, complexity, road = parts[0], parts[1], parts[2] - 0.5
    found = arcc(coherency, complexity, road)
    for at in range(50):
        r = min(max(2 * road[at].item(), 0), 1)
        a, b = coherency[at].item(), 1 - complexity[at].item()
        expected = 0.0 if r == 0 else 3 / (1 / a + 1 / b + 1 / r)
        assert found[at].item() == pytest.approx(expected, rel=1e-4)
    assert (found == 0).any()
    assert (found > 0).any()


def test_best_parts_give_one_and_an_unknown_part_none():
    one, zero, half = torch.ones(2), torch.zeros(2), torch.tensor([0.5, torch.nan])
    found = arcc(one, zero, half)
    assert found[0].item() == 1
    assert found[1].isnan()
