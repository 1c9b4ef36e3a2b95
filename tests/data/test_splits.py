"""Splits are fixed by their seed, stratified, and keep what belongs together on one side."""

import hashlib
import random

import numpy as np
import pytest
import torch

from figureground.base.errors import DataError, OptionError, ShapeError
from figureground.data import few_shot, random_subset, split, split_by_group, split_groups

LABELS = torch.tensor([row % 3 if row < 60 else 3 for row in range(100)])


def test_parts_are_disjoint_complete_sorted_and_stratified():
    train, val, test = split(LABELS, (0.7, 0.2, 0.1), seed=4)
    assert sorted(torch.cat([train, val, test]).tolist()) == list(range(100))
    assert all(part.tolist() == sorted(part.tolist()) for part in (train, val, test))
    assert torch.bincount(LABELS[train]).tolist() == [14, 14, 14, 28]
    assert torch.bincount(LABELS[val]).tolist() == [4, 4, 4, 8]


def test_the_split_of_a_seed_never_changes():
    # written down: whoever changes the hash makes every published split another one
    assert split(torch.zeros(8, dtype=torch.int64), (0.5, 0.5), seed=0)[0].tolist() == [2, 4, 6, 7]
    assert (
        split(LABELS, (0.5, 0.5), seed=0)[0].tolist()
        != split(LABELS, (0.5, 0.5), seed=1)[0].tolist()
    )


def splitmix(seed_bits, row):
    """SplitMix64 of Steele, Lea and Flood (2014) in Python's unbounded integers."""
    mask = 2**64 - 1
    bits = (seed_bits + (row + 1) * 0x9E3779B97F4A7C15) & mask
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & mask
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
    return bits ^ (bits >> 31)


def test_order_is_that_of_the_published_hash():
    digest = hashlib.blake2b(b"7|'rows'", digest_size=16).digest()
    start = int.from_bytes(digest[:8], "little")
    order = sorted(range(50), key=lambda row: splitmix(start, row))
    assert few_shot(torch.zeros(50, dtype=torch.int64), per_class=9, seed=7).tolist() == sorted(
        order[:9]
    )


def test_order_is_random_enough():
    firsts = [
        split(torch.zeros(10, dtype=torch.int64), (0.1, 0.9), seed=s)[0].item() for s in range(500)
    ]
    counts = torch.bincount(torch.tensor(firsts), minlength=10)
    assert ((counts - 50.0) ** 2 / 50).sum() < 27.9  # 99.9 % point for 9 degrees of freedom


def test_smaller_subsets_lie_within_larger_ones():
    sets = [set(few_shot(LABELS, per_class=count, seed=3).tolist()) for count in (1, 5, 20)]
    assert sets[0] < sets[1] < sets[2]
    shares = few_shot(LABELS, fraction=0.1, seed=3)
    assert torch.bincount(LABELS[shares]).tolist() == [2, 2, 2, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give one of"),
        ({"per_class": 1, "fraction": 0.5}, "give one of"),
        ({"per_class": 0}, "at least 1"),
        ({"fraction": 1.5}, r"fraction lies in \(0, 1\]"),
        ({"per_class": 21}, "21 of label 0 are asked for, it has 20"),
    ],
)
def test_impossible_subsets_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        few_shot(LABELS, seed=0, **options)


@pytest.mark.parametrize("fractions", [(), (0.5, 0.6), (1.5, -0.5)])
def test_fractions_that_are_no_shares_are_refused(fractions):
    with pytest.raises(OptionError, match="sum to 1"):
        split(LABELS, fractions, seed=0)
    with pytest.raises(OptionError, match="sum to 1"):
        split_groups(["a"], fractions, seed=0)


def test_nothing_cannot_be_divided():
    with pytest.raises(ShapeError, match="no labels"):
        split(torch.zeros(0, dtype=torch.int64), (1.0,), seed=0)
    with pytest.raises(ShapeError, match="0 rows"):
        split_groups([], seed=0)
    with pytest.raises(ShapeError, match="1 rows to divide, 2 strata"):
        split_groups(["a"], strata=[0, 1], seed=0)


def test_no_group_is_divided_and_shares_are_kept():
    draw = random.Random(0)
    for seed in range(20):
        groups = [f"g{draw.randrange(60)}" for _ in range(600)]
        parts = split_groups(groups, (0.6, 0.2, 0.2), seed=seed)
        assert sorted(torch.cat(parts).tolist()) == list(range(600))
        held = [{groups[row] for row in part.tolist()} for part in parts]
        assert not (held[0] & held[1])
        assert not (held[0] & held[2])
        assert not (held[1] & held[2])
        largest = max(map(groups.count, set(groups)))
        for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
            assert abs(len(part) - 600 * share) <= largest


def test_every_kind_is_divided_by_itself():
    groups = [str(row) for row in range(110)]
    strata = ["many"] * 100 + ["few"] * 10
    train, val, test = split_groups(groups, (0.8, 0.1, 0.1), strata=strata, seed=1)
    assert [sum(strata[row] == "few" for row in part.tolist()) for part in (train, val, test)] == [
        8,
        1,
        1,
    ]


def test_a_group_in_two_kinds_stays_together():
    groups = [str(row) for row in range(20)] * 2
    strata = ["pictures"] * 20 + ["inverses"] * 20
    for part in split_groups(groups, (0.5, 0.5), strata=strata, seed=0):
        rows = part.tolist()
        assert {row + 20 for row in rows if row < 20} == {row for row in rows if row >= 20}


def test_entries_of_one_name_stay_in_one_part():
    names = [f"{at // 3}" for at in range(90)]
    validation, test = split_by_group(names, np.ones(90, bool), fraction=0.3, seed=1)
    assert not {names[at] for at in validation} & {names[at] for at in test}
    assert (len(validation), len(test)) == (27, 63)


def test_positions_that_cannot_be_used_are_in_no_part():
    usable = np.arange(20) % 4 > 0
    sides = split_by_group([str(at) for at in range(20)], usable, fraction=0.5, seed=0)
    assert sorted(np.concatenate(sides)) == np.flatnonzero(usable).tolist()
    assert all((np.diff(side) > 0).all() for side in sides)


def test_the_division_depends_on_names_and_seed_only():
    names = [str(at) for at in range(30)]
    one, other, again = (
        {some[at] for at in split_by_group(some, np.ones(30, bool), fraction=0.2, seed=seed)[0]}
        for some, seed in ((names, 0), (names[::-1], 0), (names, 1))
    )
    assert one == other
    assert one != again


def test_the_division_of_a_seed_never_changes():
    # written down: thresholds of published tables were chosen on these
    found = split_by_group(
        [f"{at:02d}" for at in range(12)], np.ones(12, bool), fraction=0.3, seed=7
    )
    drawn = np.random.default_rng(7).permutation(12)[:4]
    assert found[0].tolist() == sorted(drawn.tolist()) == [0, 4, 6, 10]


@pytest.mark.parametrize(("fraction", "count"), [(0.01, 1), (0.25, 1), (0.99, 3)])
def test_each_side_of_a_division_has_a_name(fraction, count):
    validation, test = split_by_group(list("abcd"), np.ones(4, bool), fraction=fraction, seed=0)
    assert (len(validation), len(test)) == (count, 4 - count)


def test_divisions_that_cannot_be_are_refused():
    for fraction in (0.0, 1.0):
        with pytest.raises(OptionError, match=f"between 0 and 1, got {fraction}"):
            split_by_group(["a", "b"], np.ones(2, bool), fraction=fraction, seed=0)
    with pytest.raises(DataError, match="1 image to divide"):
        split_by_group(["a", "a"], np.ones(2, bool), fraction=0.5, seed=0)


def test_a_random_subset_is_the_sorted_beginning_of_the_seeds_permutation():
    drawn = torch.randperm(50, generator=torch.Generator().manual_seed(3))[:7]
    assert random_subset(50, 7, seed=3).tolist() == sorted(drawn.tolist())
    assert random_subset(50, 7, seed=3).tolist() != random_subset(50, 7, seed=4).tolist()


def test_a_random_subset_of_enough_is_everything_in_order():
    for limit in (None, 5, 6):
        assert random_subset(5, limit, seed=1).tolist() == [0, 1, 2, 3, 4]
    for limit in (0, -1):
        with pytest.raises(OptionError, match=f"at least 1 element, not {limit}"):
            random_subset(5, limit, seed=1)
