"""Mass and ranks of maps equal those by loops over pixels; what lies nowhere has no number."""

from itertools import permutations

import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.localisation import (
    energy_pointing_game,
    excess_outside,
    mass_inside,
    rank_accuracy,
)


def maps_and_masks(number: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    maps = torch.rand(number, 7, 5, generator=draws) - 0.2
    return maps, torch.rand(number, 7, 5, generator=draws) < 0.4


def test_a_uniform_map_has_the_area_of_the_object():
    _, masks = maps_and_masks()
    areas = masks.float().mean((1, 2))
    uniform = torch.full((3, 7, 5), 0.3)
    torch.testing.assert_close(mass_inside(uniform, masks), areas)
    torch.testing.assert_close(rank_accuracy(uniform, masks), areas)
    torch.testing.assert_close(excess_outside(uniform, masks), torch.zeros(3), atol=1e-7, rtol=0)


def test_a_map_on_the_object_is_wholly_inside():
    maps, masks = maps_and_masks()
    inside = (maps.abs() + 0.1) * masks
    assert mass_inside(inside, masks).tolist() == [1, 1, 1]
    assert rank_accuracy(inside, masks).tolist() == [1, 1, 1]
    assert (excess_outside(inside, masks) < 0).all()
    assert mass_inside(inside, ~masks).tolist() == [0, 0, 0]
    assert rank_accuracy(inside, masks & False).isnan().all()  # no object


def test_numbers_are_those_of_loops_over_pixels():
    maps, masks = maps_and_masks()
    for at in range(3):
        pixels = [
            (max(0.0, float(maps[at, y, x])), bool(masks[at, y, x]))
            for y in range(7)
            for x in range(5)
        ]
        total, inside = sum(v for v, _ in pixels), sum(v for v, m in pixels if m)
        assert float(mass_inside(maps, masks)[at]) == pytest.approx(inside / total)
        area = sum(m for _, m in pixels) / 35
        assert float(excess_outside(maps, masks)[at]) == pytest.approx(area - inside / total)
        highest = sorted(pixels, key=lambda one: -one[0])[: sum(m for _, m in pixels)]
        assert highest[-1][0] > 0  # no ties
        share = sum(m for _, m in highest) / len(highest)
        assert float(rank_accuracy(maps, masks)[at]) == pytest.approx(share)


def test_ties_count_by_their_chance():
    values, marks = [2.0, 1.0, 1.0, 1.0, 0.0], [False, True, True, False, False]
    shares = []
    for order in permutations(range(5)):
        first = sorted(order, key=lambda at: -values[at])[:2]
        shares.append(sum(marks[at] for at in first) / 2)
    found = rank_accuracy(torch.tensor([[values]]), torch.tensor([[marks]]))
    assert float(found) == pytest.approx(sum(shares) / len(shares))


def test_mass_is_that_of_the_pointing_game_on_boxes():
    maps, masks = maps_and_masks()
    masks[:] = False
    masks[:, 2:6, 1:4] = True
    box = torch.tensor([[1.0, 2, 4, 6]])
    torch.testing.assert_close(mass_inside(maps, masks), energy_pointing_game(maps, [box] * 3))


@pytest.mark.parametrize("value", [0.0, -1.0, torch.nan, torch.inf])
def test_what_lies_nowhere_has_no_number_and_spoils_no_other(value: float):
    maps, masks = maps_and_masks()
    wanted = [measure(maps, masks)[1:] for measure in (mass_inside, rank_accuracy, excess_outside)]
    if value == value and abs(value) < 2:  # noqa: PLR0124 - NaN
        maps[0] = value
    else:
        maps[0, 0, 0] = value
    for measure, rest in zip((mass_inside, rank_accuracy, excess_outside), wanted, strict=True):
        found = measure(maps, masks)
        assert found[0].isnan()
        torch.testing.assert_close(found[1:], rest)


def test_masks_of_another_size_are_refused():
    maps, masks = maps_and_masks()
    with pytest.raises(ShapeError):
        mass_inside(maps, masks[:, :3])
