"""Batches depend on seed, epoch and step alone, and processes share them."""

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.training import Batches


def epoch(pictures, number=0, start=0, **settings):
    return list(Batches(pictures[0], pictures[1], 8, 5, **settings).epoch(number, start))


def test_an_epoch_shows_every_picture_once_in_another_order(pictures):
    first, second = (torch.cat([b.rows for b in epoch(pictures, n)]) for n in (0, 1))
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(32))
    assert first.tolist() != second.tolist()


def test_uncut_pictures_are_the_stored_ones_over_255(pictures):
    for batch in epoch(pictures):
        assert torch.equal(batch.images, pictures[0][batch.rows].float() / 255)
        assert torch.equal(batch.labels, pictures[1][batch.rows])


def test_an_epoch_begun_in_its_middle_goes_on_as_the_whole_one(pictures):
    whole = epoch(pictures, 3, pad=1, mirror=True)
    late = epoch(pictures, 3, 2, pad=1, mirror=True)
    assert len(whole) == 4
    assert len(late) == 2
    for one, other in zip(whole[2:], late, strict=True):
        assert torch.equal(one.images, other.images)


def test_two_processes_together_see_what_one_sees(pictures):
    whole = epoch(pictures, pad=1, mirror=True)
    halves = [epoch(pictures, pad=1, mirror=True, rank=rank, world=2) for rank in (0, 1)]
    for one, first, second in zip(whole, *halves, strict=True):
        assert torch.equal(one.images, torch.cat([first.images, second.images]))
        assert torch.equal(one.labels, torch.cat([first.labels, second.labels]))


def test_colours_lie_side_by_side_when_asked_for(pictures):
    (first, *_), (plain, *_) = epoch(pictures, channels_last=True), epoch(pictures)
    assert first.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first.images, plain.images)


def test_an_epoch_is_a_whole_number_of_optimiser_steps(pictures):
    assert len(Batches(pictures[0], pictures[1], 8, 0, accumulate=3)) == 3
    assert len(Batches(pictures[0], pictures[1], 5, 0)) == 6


def test_too_few_pictures_and_uneven_shares_are_refused(pictures):
    with pytest.raises(OptionError, match="a step of 64 pictures was asked for; there are 32"):
        Batches(pictures[0], pictures[1], 16, 0, accumulate=4)
    with pytest.raises(OptionError, match="3 processes cannot share batches of 8"):
        Batches(pictures[0], pictures[1], 8, 0, world=3)
