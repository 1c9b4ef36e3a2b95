"""Frozen thresholds and the three kinds of pictures, by hand."""

import numpy as np
import pytest

from figureground.studies.evaluation.robustness_tables import AttackTables

# five pictures, two thresholds; the map of "m" is right at threshold 0.2 on clean pictures
COUNT = 5
CLEAN = np.array([[0.9, 0.1]] * 4 + [[0.2, 0.8]])
HIT = np.array([[0.6, 0.0], [0.4, 0.9], [0.5, 0.0], [0.0, 0.9], [0.9, 0.0]])


def tables(seed: int = 0) -> AttackTables:
    table = {
        "row": np.arange(COUNT),
        "label": np.array([0, 1, 0, 1, 0]),
        "clean/predicted": np.array([0, 1, 1, 1, 0]),
        "hit/predicted": np.array([0, 0, 1, 0, 1]),
        "hit/perturbation": np.full(COUNT, 0.25),
        "hit/iterations": np.full(COUNT, -1),
        "clean/m/overlaps": CLEAN,
        "hit/m/overlaps": HIT,
    }
    for case in ("clean", "hit"):
        for key in ("pointing", "energy", "pearson", "ssim"):
            table[f"{case}/m/{key}"] = np.linspace(0, 1, COUNT)
    return AttackTables(table, ("m",), ("hit",), np.array([0.2, 0.4]), 0.2, seed)


def with_validation(picture: int) -> AttackTables:
    """Tables whose threshold is chosen on this picture."""
    return next(found for found in map(tables, range(100)) if found.validation[picture])


def test_threshold_comes_from_the_validation_part_and_is_kept_where_another_would_do_better():
    found = with_validation(4)
    assert found.validation.sum() == 1
    assert found.chosen["m"].threshold == 0.4
    assert found.hits("clean", "m").tolist() == [0, 0, 0, 0, 1]
    assert found.thresholds_chosen()["rows"] == [["m", 0.4, 1.0, 0.0, 1.0]]


def test_reported_pictures_are_never_those_of_the_validation_part():
    found = with_validation(0)
    assert found.subset("hit", "all").tolist() == [False, True, True, True, True]
    assert found.subset("hit", "misclassified clean").tolist() == [False, False, True, False, False]
    assert found.subset("hit", "flipped by the attack").tolist() == [False, True, False, True, True]


def test_attack_line_holds_accuracy_flips_size_and_localisation():
    found = with_validation(0)
    assert found.attacks()["rows"] == [
        ["clean", 4, 0.75, None, None, None, 0.75],
        ["hit", 4, 0.0, 0.75, 0.25, None, 0.5],
    ]


def test_change_of_localisation_pairs_pictures():
    rows = with_validation(0).falls()["rows"]
    assert isinstance(rows, list)
    changes = {row[1]: (row[3], row[6]) for row in rows}
    # clean hits of pictures 1 to 4: 1 1 1 0; attacked: 0 1 0 1
    assert changes["all"] == (-0.25, 4)
    assert changes["flipped by the attack"] == (pytest.approx(-0.3333), 3)


def test_a_kind_of_picture_that_does_not_occur_has_no_line():
    found = with_validation(2)
    rows = found.localisation("misclassified clean")["rows"]
    assert rows == []


def test_interval_holds_the_mean():
    rows = with_validation(0).everything()["rows"]
    assert isinstance(rows, list)
    for _, _, _, mean, low, high, images, *_ in rows:
        assert low <= mean <= high
        assert images >= 1
