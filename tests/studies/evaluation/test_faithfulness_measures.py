"""All measures of one batch, against the metrics themselves; and which maps are one map."""

import numpy as np
import pytest
import torch
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.metrics.faithfulness.adcc import adcc
from figureground.metrics.faithfulness.curves import deletion, insertion
from figureground.metrics.faithfulness.drop import average_drop, increase_in_confidence
from figureground.metrics.faithfulness.road import road_combined
from figureground.metrics.faithfulness.scoring import Scoring
from figureground.studies.evaluation.faithfulness_measures import (
    FAITHFULNESS_COLUMNS,
    Depth,
    alike_maps,
    faithfulness_of,
    random_maps,
)

DEPTH = Depth(steps=4, fractions=(0.25, 0.5), seed=3)
IMAGES = torch.rand(3, 3, 8, 12, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 1, 0])


def score(images: Tensor) -> Tensor:
    """Class 0 likes the left half bright, class 1 the right."""
    halves = torch.stack([images[..., :6].mean((1, 2, 3)), images[..., 6:].mean((1, 2, 3))], 1)
    return 8 * halves


def explain(images: Tensor, classes: Tensor) -> Tensor:
    left = images[..., :6].mean(1)
    right = images[..., 6:].mean(1)
    zeros = torch.zeros_like(left)
    sides = torch.stack([torch.cat([left, zeros], 2), torch.cat([zeros, right], 2)], 1)
    return sides[torch.arange(len(images)), classes]


def measured(maps: Tensor) -> dict[str, np.ndarray]:
    return faithfulness_of(
        score, IMAGES, maps, explain=explain, classes=CLASSES, asking=(DEPTH, Scoring())
    )


def test_every_measure_is_that_of_the_metrics_room():
    maps = explain(IMAGES, CLASSES)
    found = measured(maps)
    sweep = DEPTH.sweep(IMAGES)
    expected = {
        "insertion": insertion(score, IMAGES, maps, classes=CLASSES, sweep=sweep),
        "deletion": deletion(score, IMAGES, maps, classes=CLASSES, sweep=sweep),
        "average drop": average_drop(score, IMAGES, maps, classes=CLASSES),
        "increase": increase_in_confidence(score, IMAGES, maps, classes=CLASSES),
        "road": road_combined(score, IMAGES, maps, classes=CLASSES, removal=DEPTH.removal()),
        "adcc": adcc(score, IMAGES, maps, explain=explain, classes=CLASSES).adcc,
    }
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values.numpy(), rtol=1e-6, err_msg=key)


def test_every_column_of_the_tables_is_measured_and_curves_have_one_point_more_than_steps():
    found = measured(explain(IMAGES, CLASSES))
    assert {column.key for column in FAITHFULNESS_COLUMNS} <= set(found)
    assert found["insertion curve"].shape == found["deletion curve"].shape == (3, 5)
    assert found["road most"].shape == (3, 2)


def test_a_map_of_the_right_half_is_better_than_one_of_the_wrong_half():
    right, wrong = measured(explain(IMAGES, CLASSES)), measured(explain(IMAGES, 1 - CLASSES))
    assert (right["insertion"] > wrong["insertion"]).all()
    assert (right["deletion"] < wrong["deletion"]).all()
    assert (right["road"] > wrong["road"]).all()


def test_a_blank_map_is_undefined_and_leaves_its_neighbours_alone():
    maps = explain(IMAGES, CLASSES)
    holed = maps.clone()
    holed[1] = 0
    whole, found = measured(maps), measured(holed)
    for column in FAITHFULNESS_COLUMNS:
        assert np.isnan(found[column.key][1]), column.key
        np.testing.assert_allclose(found[column.key][::2], whole[column.key][::2], rtol=1e-6)


def test_foreign_maps_have_no_coherency():
    found = faithfulness_of(
        score,
        IMAGES,
        explain(IMAGES, CLASSES),
        explain=None,
        classes=CLASSES,
        asking=(DEPTH, Scoring()),
    )
    assert np.isnan(found["coherency"]).all()
    assert np.isnan(found["adcc"]).all()
    assert not np.isnan(found["road"]).any()


def test_maps_that_differ_in_one_picture_are_not_one_map():
    one = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(1))
    other = one.clone()
    other[2, 0, 0] += 0.5
    blank = torch.zeros_like(one)
    found = alike_maps({"a": one, "b": 5 * one - 3, "c": other, "d": blank, "e": blank}, IMAGES)
    assert found == {"a": "a", "b": "a", "c": "c", "d": "d", "e": "d"}


def test_random_maps_follow_the_generator_only():
    first, again = (random_maps(IMAGES, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (3, 7, 7)
    assert not torch.equal(first[0], first[1])


def test_one_step_is_no_curve():
    with pytest.raises(OptionError, match="at least two steps"):
        Depth(steps=1)
