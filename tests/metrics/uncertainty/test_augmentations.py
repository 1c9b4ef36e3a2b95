import pytest
import torch

from figureground.base.errors import OptionError
from figureground.maps import resize
from figureground.metrics.uncertainty.augmentations import (
    crop_augmentation,
    flip_augmentation,
    identity_augmentation,
    standard_augmentations,
)
from figureground.metrics.uncertainty.variation import cam_variation


@pytest.fixture
def smooth():
    """Images without detail finer than a crop can carry."""
    y, x = torch.meshgrid(torch.linspace(0, 3, 32), torch.linspace(0, 3, 48), indexing="ij")
    return torch.stack([(y + x).sin(), (2 * y - x).cos()])[:, None].add(1) / 2


def brightness(images, classes):
    return images.mean(1)


def aligned_maps(explain, images, *, classes, augmentations):
    """The maps of all augmentations, each laid over the original image."""
    size = (images.shape[-2], images.shape[-1])
    return torch.stack(
        [
            augmentation.align(resize(explain(augmentation.change(images), classes), size))
            for augmentation in augmentations
        ]
    )


def test_an_explainer_that_follows_the_picture_is_laid_back_onto_it(smooth):
    classes = torch.tensor([0, 0])
    found = aligned_maps(
        brightness, smooth, classes=classes, augmentations=standard_augmentations()
    )
    assert found.shape == (6, 2, 32, 48)
    difference = (found - smooth[:, 0]).nan_to_num()
    assert difference.abs().max() < 0.04
    assert cam_variation(found).max() < 0.02


def test_an_explainer_that_follows_the_frame_is_unstable(smooth):
    fixed = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(32))
    found = aligned_maps(
        lambda *_: fixed,
        smooth,
        classes=torch.tensor([0, 0]),
        augmentations=standard_augmentations(),
    )
    assert (cam_variation(found) > 0.2).all()


def test_flip_is_undone_exactly(smooth):
    augmentations = (identity_augmentation(), flip_augmentation())
    found = aligned_maps(
        brightness, smooth, classes=torch.tensor([0, 0]), augmentations=augmentations
    )
    assert torch.equal(found[0], found[1])
    assert torch.equal(flip_augmentation().change(smooth), smooth.flip(3))


def test_a_crop_sees_its_corner_only():
    image = torch.zeros(1, 1, 8, 12)
    image[..., 6:, :4] = 1
    augmentation = crop_augmentation(1.0, 0.0, share=0.5)
    inside = ~augmentation.align(torch.zeros(1, 8, 12)).isnan()
    assert inside[0, 4:, :6].all()
    assert inside.sum() == 24
    assert augmentation.change(image)[..., -1, 0] == 1
    assert augmentation.change(image).mean().item() == pytest.approx(8 / 24, abs=0.05)


@pytest.mark.parametrize("numbers", [(1.5, 0.0, 0.5), (0.0, -0.1, 0.5), (0.0, 0.0, 0.0)])
def test_windows_outside_the_picture_are_refused(numbers):
    with pytest.raises(OptionError, match="top, left and share"):
        crop_augmentation(numbers[0], numbers[1], share=numbers[2])
