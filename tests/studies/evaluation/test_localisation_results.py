import numpy as np
import pytest
import torch

from figureground.base.errors import DataError, OptionError
from figureground.metrics.localisation.box_accuracy import max_box_acc_v2
from figureground.metrics.localisation.frozen_threshold import choose_threshold, frozen_accuracy
from figureground.metrics.localisation.pixel_ap import pixel_average_precision
from figureground.studies.evaluation.localisation_measures import LocalisationGrid
from figureground.studies.evaluation.localisation_results import (
    Parts,
    pixel_precision,
    row_result,
    split_parts,
)

GRID = LocalisationGrid(step=0.1)


def make_table(count: int = 60) -> tuple[dict[str, np.ndarray], dict[str, torch.Tensor]]:
    """Columns of one row, and the overlaps behind them."""
    random = np.random.default_rng(0)
    peak = random.normal(0.4, 0.15, (count, 1))
    single = np.clip(
        0.9 - 2 * np.abs(GRID.shares - peak) + random.normal(0, 0.1, (count, 10)), 0, 1
    )
    multi = np.clip(single + 0.1, 0, 1)
    packed = [
        np.packbits(some[:, None] >= np.array(GRID.overlaps)[:, None], axis=2)
        for some in (single, multi)
    ]
    table: dict[str, np.ndarray] = {
        "rank": random.integers(-1, 8, count),
        "m/hits": packed[0],
        "m/hits multi": packed[1],
        "m/pointing": random.random(count),
        "m/energy": np.full(count, np.nan),
        "m/blank": np.zeros(count),
    }
    return table, {
        "single": torch.from_numpy(single).float(),
        "multi": torch.from_numpy(multi).float(),
    }


def test_thresholds_come_from_the_validation_part_and_numbers_from_the_test_part():
    table, overlaps = make_table()
    parts = Parts(np.arange(20), np.arange(20, 60))
    result = row_result(table, "m", parts=parts, grid=GRID)
    for overlap in GRID.overlaps:
        chosen = choose_threshold(overlaps["single"][:20], GRID.shares, overlap=overlap)
        frozen = frozen_accuracy(overlaps["single"][20:], GRID.shares, chosen=chosen)
        assert result.thresholds[overlap] == chosen.threshold
        assert result.measures[f"box {overlap:g}"].mean() == pytest.approx(100 * frozen.accuracy)
        accuracy, threshold = result.oracle[overlap]
        assert accuracy == pytest.approx(100 * frozen.oracle_accuracy)
        assert threshold == frozen.oracle_threshold
    oracle_v2 = max_box_acc_v2(overlaps["multi"][20:])[0]
    assert result.oracle_v2 == pytest.approx(100 * oracle_v2)
    assert result.measures["v2"].mean() <= result.oracle_v2 + 1e-9


def test_the_test_part_cannot_move_a_threshold():
    table, _ = make_table()
    parts = Parts(np.arange(20), np.arange(20, 60))
    before = row_result(table, "m", parts=parts, grid=GRID)
    table["m/hits"] = table["m/hits"].copy()
    table["m/hits"][20:] = 0
    after = row_result(table, "m", parts=parts, grid=GRID)
    assert after.thresholds == before.thresholds
    assert after.measures["box 0.5"].sum() == 0


def test_class_and_box_must_both_be_right():
    table, overlaps = make_table()
    parts = Parts(np.arange(20), np.arange(20, 60))
    result = row_result(table, "m", parts=parts, grid=GRID)
    rank = table["rank"][20:]
    place = GRID.shares.tolist().index(result.thresholds[0.5])
    box = overlaps["single"][20:, place].numpy() >= 0.5
    for k in (1, 5):
        expected = [
            np.nan if r < 0 else 100.0 * (b and r < k) for r, b in zip(rank, box, strict=True)
        ]
        np.testing.assert_array_equal(result.measures[f"top-{k}"], expected)
    at_twenty = overlaps["single"][20:, 2].numpy() >= 0.5
    np.testing.assert_array_equal(result.measures["zhou"], 100.0 * at_twenty)


def test_entries_of_one_picture_stay_in_one_part():
    names = [f"{at // 3}" for at in range(90)]
    parts = split_parts(names, np.ones(90, bool), share=0.3, seed=1)
    sides = [{names[at] for at in side} for side in (parts.validation, parts.test)]
    assert not sides[0] & sides[1]
    assert (len(parts.validation), len(parts.test)) == (27, 63)


def test_pictures_that_are_not_judged_are_in_no_part():
    judged = np.arange(20) % 4 > 0
    parts = split_parts([str(at) for at in range(20)], judged, share=0.5, seed=0)
    assert sorted([*parts.validation, *parts.test]) == np.flatnonzero(judged).tolist()


def test_the_division_depends_on_names_and_seed_only():
    names = [str(at) for at in range(30)]
    one = split_parts(names, np.ones(30, bool), share=0.2, seed=0)
    other = split_parts(names[::-1], np.ones(30, bool), share=0.2, seed=0)
    assert sorted(names[at] for at in one.test) == sorted(names[::-1][at] for at in other.test)
    again = split_parts(names, np.ones(30, bool), share=0.2, seed=1)
    assert again.validation.tolist() != one.validation.tolist()


def test_divisions_that_cannot_be_are_refused():
    with pytest.raises(OptionError, match=r"between 0 and 1, got 1\.0"):
        split_parts(["a", "b"], np.ones(2, bool), share=1.0, seed=0)
    with pytest.raises(DataError, match="1 pictures with boxes"):
        split_parts(["a", "a"], np.ones(2, bool), share=0.5, seed=0)


def test_pixel_precision_holds_the_metric_and_an_interval_round_it():
    random = np.random.default_rng(3)
    counts = random.integers(0, 50, (40, 2, 20)) + np.stack([np.arange(20), np.arange(20)[::-1]])
    value, low, high = pixel_precision(counts, seed=0)
    assert value == pytest.approx(100 * pixel_average_precision(torch.from_numpy(counts.sum(0))))
    assert low < value < high
    assert high - low < 10
