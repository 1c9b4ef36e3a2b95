import numpy as np
import pytest
import torch
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.maps import normalise, resize
from figureground.metrics.localisation.box_accuracy import (
    CLOVA,
    CLOVA_V2,
    BoxRule,
    best_overlaps,
    box_table,
    default_thresholds,
)

SHARES = default_thresholds(0.02)


def make_maps(kind: str) -> Tensor:
    """Eight maps of 60 x 44 pixels in [0, 1]."""
    noise = torch.Generator().manual_seed(3)
    side = {"smooth": 5, "holes": 12, "noise": 40}[kind]
    raw = torch.rand(8, side, side, generator=noise)
    if kind == "holes":
        raw = (raw - 0.4).relu()
    return normalise(resize(raw, (44, 60)))


def make_boxes() -> list[Tensor]:
    random = torch.Generator().manual_seed(4)
    corners = torch.rand(8, 2, 2, generator=random) * 20
    sides = torch.rand(8, 2, 2, generator=random) * 20 + 3
    return list(torch.cat([corners, corners + sides], dim=2))


@pytest.mark.parametrize("kind", ["smooth", "holes", "noise"])
def test_one_pass_equals_the_metric_asked_twice(kind: str):
    maps, boxes = make_maps(kind), make_boxes()
    inclusive = [some - torch.tensor([0.0, 0, 1, 1]) for some in boxes]
    table = box_table(maps, boxes, shares=SHARES)
    for found, rule in ((table.single, CLOVA), (table.multi, CLOVA_V2)):
        expected = best_overlaps(maps, inclusive, thresholds=SHARES, rule=rule).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pixels_is_the_plain_rule():
    maps, boxes = make_maps("holes"), make_boxes()
    inclusive = [some - torch.tensor([0.0, 0, 1, 1]) for some in boxes]
    rule = BoxRule(area="pixels", convention="inclusive")
    expected = best_overlaps(maps, inclusive, thresholds=SHARES, rule=rule).numpy()
    np.testing.assert_array_equal(
        box_table(maps, boxes, shares=SHARES, rule="pixels").single, expected
    )


@pytest.mark.parametrize("rule", ["clova", "pixels"])
def test_all_contours_are_never_worse_than_the_largest(rule: str):
    table = box_table(make_maps("holes"), make_boxes(), shares=SHARES, rule=rule)
    assert (table.multi >= table.single).all()
    assert (table.multi > table.single).any()


def test_a_map_that_repeats_is_judged_against_each_truth():
    one_map, boxes = make_maps("smooth")[:1], make_boxes()
    repeated = box_table(one_map.expand(8, -1, -1).clone(), boxes, shares=SHARES)
    for at, truth in enumerate(boxes):
        alone = box_table(one_map, [truth], shares=SHARES)
        np.testing.assert_array_equal(repeated.single[at], alone.single[0])


def test_an_unknown_rule_is_refused():
    with pytest.raises(OptionError, match="no box rule 'tight'"):
        box_table(
            torch.rand(1, 4, 4), [torch.tensor([[0.0, 0, 2, 2]])], shares=SHARES, rule="tight"
        )
