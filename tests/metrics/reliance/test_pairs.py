"""Each image is once a foreground and once a background in every round, and never meets its own group."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.reliance import cross

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])


@pytest.mark.parametrize("seed", range(20))
def test_rounds_are_derangements(seed: int):
    pairs = cross(LABELS, rounds=3, same_rounds=0, seed=seed)
    assert len(pairs) == 30
    for number in range(3):
        here = pairs.round == number
        assert pairs.foreground[here].sort().values.tolist() == list(range(10))
        assert pairs.background[here].sort().values.tolist() == list(range(10))
    assert (pairs.foreground != pairs.background).all()


@pytest.mark.parametrize("seed", range(20))
def test_same_rounds_stay_within_the_class(seed: int):
    pairs = cross(LABELS, rounds=0, same_rounds=2, seed=seed)
    assert len(pairs) == 2 * 9  # the only image of class 3 has no partner
    assert torch.equal(LABELS[pairs.foreground], LABELS[pairs.background])
    assert (pairs.foreground != pairs.background).all()
    assert torch.equal(torch.bincount(pairs.background, minlength=10)[:9], torch.full((9,), 2))


@pytest.mark.parametrize("seed", range(20))
def test_images_of_a_group_never_meet(seed: int):
    groups = torch.tensor([0, 0, 1, 2, 2, 2, 3, 4, 5, 6])
    pairs = cross(LABELS, rounds=4, same_rounds=2, seed=seed, groups=groups)
    assert (groups[pairs.foreground] != groups[pairs.background]).all()
    assert not ((pairs.foreground >= 3) & (pairs.foreground <= 4) & (pairs.round > 3)).any()
    assert len(pairs) >= 40


def test_equal_seeds_give_equal_pairs_and_others_do_not():
    one, same, other = (cross(LABELS, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one.background, same.background)
    assert not torch.equal(one.background, other.background)


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(ShapeError, match="1 image cannot be crossed"):
        cross(torch.tensor([0]), seed=0)
    with pytest.raises(OptionError, match="rounds"):
        cross(LABELS, rounds=0, same_rounds=0, seed=0)
    with pytest.raises(ShapeError, match="groups"):
        cross(LABELS, seed=0, groups=torch.tensor([0, 1]))
