"""Best overlaps, MaxBoxAcc and honest thresholds."""

import numpy as np
import pytest
import torch

from figureground.base.errors import MapError, OptionError, ShapeError
from figureground.maps.boxes import boxes_from_map
from figureground.metrics.localisation.box_accuracy import (
    CLOVA,
    CLOVA_V2,
    BoxRule,
    best_overlaps,
    choose_threshold,
    default_thresholds,
    frozen_accuracy,
    hits,
    max_box_acc,
    max_box_acc_v2,
)

SHARES = default_thresholds(0.1)


def setting(count=6, seed=0):
    source = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 4, 5, generator=source)
    maps = torch.nn.functional.interpolate(coarse, (24, 31), mode="bilinear")[:, 0]
    maps = maps - maps.amin((1, 2), keepdim=True)
    maps = maps / maps.amax((1, 2), keepdim=True)
    low = torch.randint(0, 10, (count, 2, 2), generator=source)
    boxes = torch.cat([low, low + torch.randint(3, 13, (count, 2, 2), generator=source)], -1)
    return maps, [boxes[i, : 1 + i % 2] for i in range(count)]


def overlap_by_hand(one, other):
    """Inclusive pixels, as in the published code."""
    x0, y0, x1, y1 = (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )
    shared = max(0, x1 - x0 + 1) * max(0, y1 - y0 + 1)
    sizes = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (one, other)]
    return shared / (sum(sizes) - shared)


@pytest.mark.parametrize("rule", [CLOVA, CLOVA_V2])
def test_best_overlaps_equal_a_loop_over_images_thresholds_and_boxes(rule):
    maps, true_boxes = setting()
    found = best_overlaps(maps, true_boxes, thresholds=SHARES, rule=rule)
    for i, one_map in enumerate(maps):
        boxes = boxes_from_map(one_map, SHARES, multi=rule.multi)
        for j in range(len(SHARES)):
            pairs = [(a, b) for a in boxes.at(j).tolist() for b in true_boxes[i].tolist()]
            assert found[i, j].item() == pytest.approx(max(overlap_by_hand(a, b) for a, b in pairs))


def test_all_contours_never_do_worse_than_the_largest():
    maps, true_boxes = setting(12, seed=1)
    largest = best_overlaps(maps, true_boxes, thresholds=SHARES)
    every = best_overlaps(maps, true_boxes, thresholds=SHARES, rule=CLOVA_V2)
    assert (every >= largest).all()
    assert (every > largest).any()
    for overlap in (0.3, 0.5, 0.7):
        assert max_box_acc(every, overlap).accuracy >= max_box_acc(largest, overlap).accuracy


def test_positive_affine_changes_of_a_map_change_nothing_after_normalising():
    maps, true_boxes = setting()
    raw = maps * 8 - 4
    raw = raw - raw.amin((1, 2), keepdim=True)
    again = raw / raw.amax((1, 2), keepdim=True)
    first, second = (best_overlaps(m, true_boxes, thresholds=SHARES) for m in (maps, again))
    assert torch.allclose(first, second, atol=0.05)
    assert torch.equal(hits(first), hits(second))


def test_a_map_that_is_the_object_is_right_at_every_threshold_and_overlap():
    maps = torch.zeros(2, 20, 26)
    maps[0, 3:9, 4:15] = 1
    maps[1, 10:19, 0:7] = 1
    truth = [torch.tensor([[4, 3, 15, 9]]), torch.tensor([[0, 10, 7, 19]])]
    best = best_overlaps(maps, truth, thresholds=SHARES, rule=BoxRule(convention="half-open"))
    assert torch.equal(best, torch.ones(2, len(SHARES)))
    assert max_box_acc_v2(best)[0] == 1


def test_maps_of_anybody_can_be_scored_from_a_file(tmp_path):
    maps, true_boxes = setting()
    np.save(tmp_path / "maps.npy", maps.numpy())
    loaded = np.load(tmp_path / "maps.npy")
    expected = best_overlaps(maps, true_boxes, thresholds=SHARES)
    assert torch.equal(best_overlaps(loaded, true_boxes, thresholds=SHARES), expected)


def test_a_map_that_is_not_finite_is_an_error_that_names_it():
    maps, true_boxes = setting()
    maps[2, 0, 0] = torch.nan
    with pytest.raises(MapError, match=r"map 2: .*not finite"):
        best_overlaps(maps, true_boxes, thresholds=SHARES)


def test_missing_boxes_and_unequal_numbers_are_refused():
    maps, true_boxes = setting()
    with pytest.raises(ShapeError, match="6 maps but 5"):
        best_overlaps(maps, true_boxes[:5], thresholds=SHARES)
    with pytest.raises(ShapeError, match="image 1 has no true box"):
        best_overlaps(maps, [true_boxes[0], torch.zeros(0, 4), *true_boxes[2:]], thresholds=SHARES)


def test_max_box_acc_is_the_best_column_and_v2_the_mean_of_three():
    best = torch.tensor([[0.35, 0.8], [0.55, 0.2], [0.5, 0.1], [0.7, 0.3]])
    assert max_box_acc(best).accuracy == 0.75
    assert max_box_acc(best).position == 0
    thirteen = torch.tensor([[0.9]] * 13 + [[0.1]] * 7)
    assert max_box_acc(thirteen).accuracy == 0.65  # a share of whole images, not rounded to float32
    mean, each = max_box_acc_v2(best)
    assert [one.accuracy for one in each] == [1.0, 0.75, 0.25]
    assert mean == pytest.approx(2 / 3)


def test_overlaps_that_are_reached_exactly_are_hits():
    exact = torch.tensor([[0.3, 0.5, 0.7]], dtype=torch.float64).float()
    assert [hits(exact, overlap)[0, i].item() for i, overlap in enumerate((0.3, 0.5, 0.7))] == [
        True
    ] * 3
    with pytest.raises(OptionError, match="overlap"):
        hits(exact, 50.0)
    with pytest.raises(ShapeError, match="no images"):
        max_box_acc(torch.zeros(0, 3))


def test_chosen_threshold_is_the_middle_of_the_best_run():
    best = torch.tensor([[0.1, 0.6, 0.6, 0.6, 0.1, 0.6]])
    chosen = choose_threshold(best, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert (chosen.threshold, chosen.position, chosen.validation_accuracy) == (0.2, 2, 1.0)


def test_frozen_accuracy_uses_the_validation_choice_and_names_the_oracle_apart():
    source = torch.Generator().manual_seed(3)
    validation, test = torch.rand(40, 10, generator=source), torch.rand(50, 10, generator=source)
    chosen = choose_threshold(validation, SHARES)
    result = frozen_accuracy(test, SHARES, chosen=chosen)
    by_hand = [(test[:, j] >= 0.5).float().mean().item() for j in range(10)]
    assert result.accuracy == pytest.approx(by_hand[chosen.position])
    assert result.oracle_accuracy == pytest.approx(max(by_hand))
    assert result.oracle_threshold == SHARES[by_hand.index(max(by_hand))]
    assert result.per_image.float().mean().item() == pytest.approx(result.accuracy)


def test_thresholds_other_than_those_of_the_choice_are_refused(as_a_user):
    chosen = choose_threshold(torch.rand(4, 10), SHARES)
    with pytest.raises(ShapeError, match="not the ones"):
        frozen_accuracy(torch.rand(4, 10), SHARES + 0.01, chosen=chosen)
    with pytest.raises(ShapeError, match="10 thresholds"):
        choose_threshold(torch.rand(4, 9), SHARES)
