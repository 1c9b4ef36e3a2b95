"""Batches depend on seed, epoch and step alone, and processes share them."""

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.training import Batches


def epoch(data, number=0, start=0, **settings):
    return list(Batches(data[0], data[1], 8, 5, **settings).epoch(number, start))


def test_an_epoch_shows_every_image_once_in_another_order(data):
    first, second = (torch.cat([b.indices for b in epoch(data, n)]) for n in (0, 1))
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(32))
    assert first.tolist() != second.tolist()


def test_whole_images_are_the_stored_ones_over_255(data):
    for batch in epoch(data):
        assert torch.equal(batch.images, data[0][batch.indices].float() / 255)
        assert torch.equal(batch.labels, data[1][batch.indices])


def test_an_epoch_begun_in_its_middle_goes_on_as_the_whole_one(data):
    whole = epoch(data, 3, crop_padding=1, flip=True)
    late = epoch(data, 3, 2, crop_padding=1, flip=True)
    assert len(whole) == 4
    assert len(late) == 2
    for one, other in zip(whole[2:], late, strict=True):
        assert torch.equal(one.images, other.images)


def test_two_processes_together_see_what_one_sees(data):
    whole = epoch(data, crop_padding=1, flip=True)
    halves = [epoch(data, crop_padding=1, flip=True, rank=rank, world=2) for rank in (0, 1)]
    for one, first, second in zip(whole, *halves, strict=True):
        assert torch.equal(one.images, torch.cat([first.images, second.images]))
        assert torch.equal(one.labels, torch.cat([first.labels, second.labels]))


def test_colours_lie_side_by_side_when_asked_for(data):
    (first, *_), (plain, *_) = epoch(data, channels_last=True), epoch(data)
    assert first.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first.images, plain.images)


def test_an_epoch_is_a_whole_number_of_optimiser_steps(data):
    assert len(Batches(data[0], data[1], 8, 0, accumulate=3)) == 3
    assert len(Batches(data[0], data[1], 5, 0)) == 6


def test_too_few_images_and_uneven_shares_are_refused(data):
    with pytest.raises(OptionError, match="a step of 64 images was asked for; there are 32"):
        Batches(data[0], data[1], 16, 0, accumulate=4)
    with pytest.raises(OptionError, match="3 processes cannot share batches of 8"):
        Batches(data[0], data[1], 8, 0, world=3)


def test_joined_batches_keep_crops_only_where_both_have_them(data):
    cropped, whole = epoch(data, crop_padding=1, flip=True)[:2], epoch(data)[0]
    both = cropped[0].joined(cropped[1])
    assert both.crops.padding == 1
    for name in ("top", "left", "flipped"):
        parts = [getattr(one.crops, name) for one in cropped]
        assert torch.equal(getattr(both.crops, name), torch.cat(parts))
    assert torch.equal(both.images, torch.cat([one.images for one in cropped]))
    assert torch.equal(both.indices, torch.cat([one.indices for one in cropped]))
    assert cropped[0].joined(whole).crops is None
