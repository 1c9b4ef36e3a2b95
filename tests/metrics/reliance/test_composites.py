"""Composites replace, fills stay within what is kept, and the three masks lie in each other."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.data.planted import shipped_photographs
from figureground.metrics.faithfulness import linear_imputation
from figureground.metrics.reliance import (
    FILLS,
    background_of,
    composite,
    dilated,
    nested_masks,
    refined,
)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 20, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def masks() -> torch.Tensor:
    made = torch.zeros(3, 20, 28, dtype=torch.bool)
    made[0, 4:10, 5:20], made[1, 0:8, 0:9], made[2, 12:20, 3:28] = True, True, True
    return made


def test_an_image_on_its_own_background_is_itself(images: torch.Tensor, masks: torch.Tensor):
    for fill in FILLS:
        own = background_of(images, masks, fill=fill)
        assert torch.equal(composite(images, masks, own), images)
        assert torch.equal(
            own[~masks[:, None].expand_as(own)], images[~masks[:, None].expand_as(own)]
        )


def test_the_foreground_replaces_what_lies_there(images: torch.Tensor, masks: torch.Tensor):
    other = images.roll(1, 0)
    made = composite(images, masks, other)
    for i in range(3):
        for y, x in ((5, 6), (1, 1), (15, 20)):
            wanted = images if masks[i, y, x] else other
            assert torch.equal(made[i, :, y, x], wanted[i, :, y, x])
    assert made.max() <= 1  # added instead of replaced would be brighter


def test_a_soft_mask_mixes():
    made = composite(torch.ones(1, 1, 1, 2), torch.tensor([[[0.25, 1.0]]]), torch.zeros(1, 1, 1, 2))
    assert made.flatten().tolist() == [0.25, 1.0]


def test_a_large_image_is_filled_as_by_the_whole_system_of_equations():
    """Holes of photographs: what a quarter of the resolution leaves out is below a fiftieth of the range."""
    crops = [torch.from_numpy(one[:224, :224].copy()) for one in shipped_photographs()[:8]]
    images = torch.stack(crops).permute(0, 3, 1, 2).float() / 255
    masks = torch.zeros(8, 224, 224, dtype=torch.bool)
    masks[:, 60:150, 41:203] = True
    masks[::2, 100:224, 0:90] = True
    exact = linear_imputation(images, masks, tolerance=1e-6)
    found = background_of(images, masks)
    errors = (found - exact).square().mean((1, 2, 3)).sqrt()
    assert float(errors.max()) < 0.02
    assert torch.equal(
        found[~masks[:, None].expand_as(found)], images[~masks[:, None].expand_as(found)]
    )


def test_a_large_fill_knows_nothing_of_the_object():
    images = torch.rand(2, 3, 130, 141, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 130, 141, dtype=torch.bool)
    masks[0, 7:99, 13:100] = masks[1, 50:130, 40:141] = True
    painted = torch.where(masks[:, None], 7.0, images)
    assert torch.equal(background_of(painted, masks), background_of(images, masks))
    lowest, highest = background_of(painted, masks).aminmax()
    assert 0 <= float(lowest) < float(highest) <= 1


@pytest.mark.parametrize("fill", ["impute", "tile", "mean"])
def test_a_fill_knows_nothing_of_the_object(images: torch.Tensor, masks: torch.Tensor, fill: str):
    painted = torch.where(masks[:, None], 7.0, images)
    assert torch.equal(
        background_of(painted, masks, fill=fill), background_of(images, masks, fill=fill)
    )


def test_a_tile_repeats_the_largest_strip_beside_the_hole():
    image = torch.arange(24.0).view(1, 1, 4, 6) / 24
    hole = torch.zeros(1, 4, 6, dtype=torch.bool)
    hole[0, 1:3, 1:3] = True  # beside it: 1 row above, 1 below, 1 column left, 3 columns right
    filled = background_of(image, hole, fill="tile")[0, 0]
    assert filled[1:3, 1:3].tolist() == image[0, 0, 0:2, 3:5].tolist()


def test_what_is_removed_altogether_is_grey(images: torch.Tensor):
    everything = torch.ones(3, 20, 28, dtype=torch.bool)
    for fill in FILLS:
        assert (background_of(images, everything, fill=fill) == 0.5).all()


def test_a_hole_that_touches_every_border_is_filled_with_the_mean():
    image, hole = torch.rand(1, 3, 6, 6), torch.zeros(1, 6, 6, dtype=torch.bool)
    hole[0, 2], hole[0, :, 3] = True, True
    found = background_of(image, hole, fill="tile")[0, :, 2, 3]
    torch.testing.assert_close(found, image[0][:, ~hole[0]].mean(1))


def test_dilation_is_a_square_neighbourhood():
    mask = torch.zeros(1, 7, 9, dtype=torch.bool)
    mask[0, 3, 4] = True
    grown = dilated(mask, 2)[0].nonzero()
    assert grown.amin(0).tolist() == [1, 2]
    assert grown.amax(0).tolist() == [5, 6]
    assert len(grown) == 25


def test_three_masks_lie_in_each_other(images: torch.Tensor, masks: torch.Tensor):
    found = nested_masks(images, masks, exact=torch.tensor([True, False, False]))
    assert not (found.inner & ~found.given).any()
    assert not (found.given & ~found.outer).any()
    assert torch.equal(found.given, masks)
    assert (found.outer.sum((1, 2)) > masks.sum((1, 2))).all()
    assert found.inner.flatten(1).any(1).all()
    assert int(found.inner[0].sum()) == (6 - 2) * (15 - 2)  # eroded by one pixel


def test_a_box_is_refined_to_what_differs_from_its_surroundings():
    """A red square of 12 x 12 in the middle of a box of 24 x 24 on noise around blue."""
    draw = torch.Generator().manual_seed(3)
    image = (
        0.05 * torch.randn(1, 3, 60, 60, generator=draw)
        + torch.tensor([0.2, 0.3, 0.7])[:, None, None]
    )
    truth, box = (torch.zeros(1, 60, 60, dtype=torch.bool) for _ in range(2))
    truth[0, 24:36, 24:36], box[0, 18:42, 18:42] = True, True
    image[0, :, 24:36, 24:36] = torch.tensor([0.8, 0.2, 0.1])[:, None, None]
    found = refined(image.clamp(0, 1), box)
    assert torch.equal(found, truth)


def test_a_box_without_surroundings_stays():
    everything = torch.ones(2, 12, 16, dtype=torch.bool)
    assert refined(torch.rand(2, 3, 12, 16), everything).all()
    assert refined(torch.rand(0, 3, 12, 16), everything[:0]).shape == (0, 12, 16)


def test_what_cannot_be_is_refused(images: torch.Tensor, masks: torch.Tensor):
    with pytest.raises(OptionError, match="no fill 'blur'"):
        background_of(images, masks, fill="blur")
    with pytest.raises(ShapeError):
        composite(images, masks[:, :-1], images)
    with pytest.raises(ShapeError):
        background_of(images, masks[:2])
    with pytest.raises(OptionError):
        dilated(masks, -1)
