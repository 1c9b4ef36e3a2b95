import pytest
import torch

from figureground.base.errors import OptionError
from figureground.metrics.uncertainty.instability import cam_instability
from figureground.metrics.uncertainty.views import (
    crop_view,
    flip_view,
    maps_of_views,
    same_view,
    standard_views,
)


@pytest.fixture
def smooth():
    """Pictures without detail finer than a crop can carry."""
    y, x = torch.meshgrid(torch.linspace(0, 3, 32), torch.linspace(0, 3, 48), indexing="ij")
    return torch.stack([(y + x).sin(), (2 * y - x).cos()])[:, None].add(1) / 2


def brightness(images, classes):
    return images.mean(1)


def test_an_explainer_that_follows_the_picture_is_laid_back_onto_it(smooth):
    classes = torch.tensor([0, 0])
    found = maps_of_views(brightness, smooth, classes=classes, views=standard_views())
    assert found.shape == (6, 2, 32, 48)
    difference = (found - smooth[:, 0]).nan_to_num()
    assert difference.abs().max() < 0.04
    assert cam_instability(found).max() < 0.02


def test_an_explainer_that_follows_the_frame_is_unstable(smooth):
    fixed = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(32))
    found = maps_of_views(
        lambda *_: fixed, smooth, classes=torch.tensor([0, 0]), views=standard_views()
    )
    assert (cam_instability(found) > 0.2).all()


def test_flip_is_undone_exactly(smooth):
    views = (same_view(), flip_view())
    found = maps_of_views(brightness, smooth, classes=torch.tensor([0, 0]), views=views)
    assert torch.equal(found[0], found[1])
    assert torch.equal(flip_view().change(smooth), smooth.flip(3))


def test_a_crop_sees_its_corner_only():
    image = torch.zeros(1, 1, 8, 12)
    image[..., 6:, :4] = 1
    view = crop_view(1.0, 0.0, share=0.5)
    inside = ~view.align(torch.zeros(1, 8, 12)).isnan()
    assert inside[0, 4:, :6].all()
    assert inside.sum() == 24
    assert view.change(image)[..., -1, 0] == 1
    assert view.change(image).mean().item() == pytest.approx(8 / 24, abs=0.05)


@pytest.mark.parametrize("numbers", [(1.5, 0.0, 0.5), (0.0, -0.1, 0.5), (0.0, 0.0, 0.0)])
def test_windows_outside_the_picture_are_refused(numbers):
    with pytest.raises(OptionError, match="top, left and share"):
        crop_view(numbers[0], numbers[1], share=numbers[2])
