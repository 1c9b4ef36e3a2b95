"""Localisation: which thresholds, ranks and splits the numbers are of."""

import numpy as np
import pytest
import torch

from figureground.metrics.localisation.box_accuracy import (
    choose_threshold,
    frozen_accuracy,
    max_box_acc_v2,
)
from figureground.studies.evaluation.boxes import OVERLAPS, Splits
from figureground.studies.evaluation.chosen_thresholds import oracle_table
from figureground.studies.evaluation.localisation import (
    Localisation,
    _true_ranks,
)


def made_columns(
    options: Localisation, count: int = 60
) -> tuple[dict[str, np.ndarray], dict[str, torch.Tensor]]:
    """Columns of one row, and the overlaps behind them; the best threshold differs from split to split."""
    random, shares = np.random.default_rng(0), options.shares
    peak = np.where(np.arange(count)[:, None] < 20, 0.65, 0.35) + random.normal(0, 0.05, (count, 1))
    single = np.clip(
        0.9 - 2 * np.abs(shares - peak) + random.normal(0, 0.1, (count, len(shares))), 0, 1
    )
    multi = np.clip(single + 0.1, 0, 1)
    packed = [
        np.packbits(some[:, None] >= np.array(OVERLAPS)[:, None], axis=2)
        for some in (single, multi)
    ]
    columns: dict[str, np.ndarray] = {
        "rank": random.integers(-1, 8, count),
        "m/hits": packed[0],
        "m/hits multi": packed[1],
        "m/pointing": random.random(count),
        "m/energy": np.full(count, np.nan),
        "m/rank accuracy": np.full(count, np.nan),
        "m/blank": np.zeros(count),
    }
    overlaps = {
        "single": torch.from_numpy(single).float(),
        "multi": torch.from_numpy(multi).float(),
    }
    return columns, overlaps


SPLITS = Splits(np.arange(20), np.arange(20, 60))


def test_thresholds_come_from_the_validation_images_and_numbers_from_the_test_images():
    options = Localisation(step=0.1)
    columns, overlaps = made_columns(options)
    result = options._result(columns, "m", SPLITS)
    for at, overlap in enumerate(OVERLAPS):
        chosen = choose_threshold(overlaps["single"][:20], options.shares, overlap=overlap)
        frozen = frozen_accuracy(overlaps["single"][20:], options.shares, chosen=chosen)
        assert result.thresholds[at] == chosen.threshold
        assert (
            chosen.threshold != frozen.oracle_threshold
        )  # else the test could not tell the splits apart
        assert result.values[f"box {overlap:g}"].mean() == pytest.approx(100 * frozen.accuracy)
        assert result.curves[at].max() == pytest.approx(100 * frozen.oracle_accuracy)
    oracle_v2 = max_box_acc_v2(overlaps["multi"][20:])[0]
    assert result.oracle_v2 == pytest.approx(100 * oracle_v2)
    assert result.values["v2"].mean() < result.oracle_v2


def test_class_and_box_must_both_be_right():
    options = Localisation(step=0.1)
    columns, overlaps = made_columns(options)
    result = options._result(columns, "m", SPLITS)
    rank = columns["rank"][20:]
    box = (
        overlaps["single"][20:, options.shares.tolist().index(result.thresholds[1])].numpy() >= 0.5
    )
    for k in (1, 5):
        expected = [
            np.nan if r < 0 else 100.0 * (b and r < k) for r, b in zip(rank, box, strict=True)
        ]
        np.testing.assert_array_equal(result.values[f"top-{k}"], expected)
    at_twenty = overlaps["single"][20:, 2].numpy() >= 0.5
    np.testing.assert_array_equal(result.values["zhou"], 100.0 * at_twenty)


def test_each_table_names_the_thresholds_of_its_own_split():
    options = Localisation(step=0.1)
    columns, overlaps = made_columns(options)
    result = options._result(columns, "m", SPLITS)
    chosen, best = [], []
    for overlap in OVERLAPS:
        one = choose_threshold(overlaps["single"][:20], options.shares, overlap=overlap)
        frozen = frozen_accuracy(overlaps["single"][20:], options.shares, chosen=one)
        chosen.append(f"{one.threshold:.2g}")
        best.append(f"{frozen.oracle_threshold:.2g}")
    assert chosen != best
    assert options._frozen_table({"m": result}, "")["rows"][0][-1] == ", ".join(chosen)
    assert oracle_table({"m": (result.curves, result.oracle_v2)}, options.shares)["rows"][0][
        -1
    ] == ", ".join(best)


@pytest.mark.parametrize(
    ("rank", "top_1", "top_5"),
    [(-1, np.nan, np.nan), (0, 100, 100), (1, 0, 100), (4, 0, 100), (5, 0, 0)],
)
def test_rank_one_is_the_second_class_and_rank_five_the_sixth(
    rank: int, top_1: float, top_5: float
):
    options = Localisation(step=0.5)
    always = np.packbits(np.ones((4, len(OVERLAPS), 2), bool), axis=2)
    columns: dict[str, np.ndarray] = {
        "rank": np.full(4, rank),
        "m/hits": always,
        "m/hits multi": always,
        **{f"m/{key}": np.zeros(4) for key in ("pointing", "energy", "rank accuracy", "blank")},
    }
    found = options._result(columns, "m", Splits(np.arange(1), np.arange(1, 4))).values
    for prefix in ("", "zhou "):
        np.testing.assert_array_equal(found[f"{prefix}top-1"], [top_1] * 3)
        np.testing.assert_array_equal(found[f"{prefix}top-5"], [top_5] * 3)


def test_all_contours_have_thresholds_of_their_own():
    options = Localisation(step=0.5)
    low, high = (np.tile(one, (4, len(OVERLAPS), 1)) for one in ([True, False], [False, True]))
    columns: dict[str, np.ndarray] = {
        "rank": np.zeros(4),
        "m/hits": np.packbits(low, axis=2),
        "m/hits multi": np.packbits(high, axis=2),
        **{f"m/{key}": np.zeros(4) for key in ("pointing", "energy", "rank accuracy", "blank")},
    }
    found = options._result(columns, "m", Splits(np.arange(1), np.arange(1, 4)))
    assert found.thresholds == (0.0,) * 3
    assert found.values["box 0.5"].tolist() == [100.0] * 3
    assert found.values["v2"].tolist() == [100.0] * 3
    assert found.oracle_v2 == 100.0


def test_ranks_agree_with_top_k():
    random = torch.Generator().manual_seed(5)
    logits, labels = torch.randn(40, 8, generator=random), torch.randint(8, (40,), generator=random)
    ranks = _true_ranks(logits, labels)
    for k in (1, 3, 5):
        best = logits.argsort(1, descending=True)[:, :k]
        assert ((ranks < k) == (best == labels[:, None]).any(1).numpy()).all()
    assert _true_ranks(None, labels).tolist() == [-1] * 40
    assert _true_ranks(logits, torch.full((40,), -1)).tolist() == [-1] * 40
