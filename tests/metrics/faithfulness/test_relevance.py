import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.faithfulness.relevance import (
    is_blank,
    on_pixels,
    pixel_ranks,
    soft_masks,
)


@pytest.fixture
def maps():
    return torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(2))


def test_ranks_equal_a_sort_by_value_then_reading_order(maps):
    maps = (maps * 2).round()  # many ties
    ranks = pixel_ranks(maps, torch.zeros(3, 1, 4, 5))
    for one, found in zip(maps, ranks, strict=True):
        values = one.flatten().tolist()
        order = sorted(range(20), key=lambda place: (-values[place], place))
        assert [found.flatten()[place].item() for place in order] == list(range(20))


def test_ranks_do_not_change_under_increasing_functions(maps):
    images = torch.zeros(3, 1, 4, 5)
    assert torch.equal(pixel_ranks(maps, images), pixel_ranks(maps.exp() * 7 - 3, images))


def test_masks_reach_from_zero_to_one_at_image_size(maps):
    masks = soft_masks(maps, torch.zeros(3, 1, 8, 15))
    assert masks.shape == (3, 8, 15)
    assert torch.equal(masks.amin((1, 2)), torch.zeros(3))
    assert torch.equal(masks.amax((1, 2)), torch.ones(3))


def test_blank_are_the_constant_and_the_not_finite(maps):
    odd = torch.stack([maps[0], torch.full((4, 5), 3.0), maps[1], maps[2]])
    odd[2, 1, 1], odd[3, 0, 0] = torch.nan, torch.inf
    assert is_blank(odd).tolist() == [False, True, True, True]
    assert torch.equal(on_pixels(odd, torch.zeros(4, 1, 4, 5))[2], torch.zeros(4, 5))


@pytest.mark.usefixtures("as_a_user")
def test_a_missing_map_is_refused(maps):
    with pytest.raises(ShapeError, match="4 images need 4 maps, not 3"):
        pixel_ranks(maps, torch.zeros(4, 1, 4, 5))
