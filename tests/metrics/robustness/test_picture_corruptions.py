"""Corruptions against scipy, PIL and colorsys, and the laws they obey."""

import colorsys
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.robustness.corruptions import (
    CORRUPTIONS,
    SEVERITIES,
    corrupt,
    corruption_strength,
)

NAMES = tuple(CORRUPTIONS)


@pytest.fixture
def photos() -> torch.Tensor:
    """Smooth colours with an edge, 2 images of 20 x 28."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 20), torch.linspace(0, 1, 28), indexing="ij")
    one = torch.stack([x, y, 0.5 + 0.4 * torch.sin(9 * x)])
    two = torch.stack([(x > 0.5).float(), 1 - y, 0.3 * x + 0.2])
    return torch.stack([one, two])


@pytest.mark.parametrize("name", NAMES)
def test_severity_0_leaves_pictures_as_they_are(name: str, photos: torch.Tensor):
    found = corrupt(photos, name, 0, seed=0)
    assert found.equal(photos)
    assert found.data_ptr() != photos.data_ptr()


@pytest.mark.parametrize("name", NAMES)
def test_each_severity_is_worse_within_bounds_and_repeatable(name: str, photos: torch.Tensor):
    before = photos.clone()
    errors = []
    for severity in SEVERITIES:
        found = corrupt(photos, name, severity, seed=3)
        assert found.shape == photos.shape
        assert found.min() >= 0
        assert found.max() <= 1
        assert found.equal(corrupt(photos, name, severity, seed=3))
        errors.append((found - photos).square().mean().item())
    # where a grid or a quality changes, single steps may go either way
    assert name in {"pixelate", "jpeg"} or errors == sorted(errors)
    assert errors[-1] > 1.2 * errors[0] > 0
    assert photos.equal(before)


@pytest.mark.parametrize("name", NAMES)
def test_only_noises_depend_on_the_seed(name: str, photos: torch.Tensor):
    same = corrupt(photos, name, 2, seed=0).equal(corrupt(photos, name, 2, seed=1))
    assert same == (name not in {"gaussian-noise", "shot-noise"})


def test_noises_have_the_stated_strength():
    grey = torch.full((1, 1, 200, 200), 0.5)
    sigma = corruption_strength("gaussian-noise", 2, shorter_side=200)
    # 0.12 leaves [0, 1] in 3 of 100,000 pixels
    assert corrupt(grey, "gaussian-noise", 2, seed=0).std().item() == pytest.approx(sigma, rel=0.02)
    photons = corruption_strength("shot-noise", 1, shorter_side=200)
    expected = (0.5 / photons) ** 0.5
    assert corrupt(grey, "shot-noise", 1, seed=0).std().item() == pytest.approx(expected, rel=0.02)


def test_blur_is_scipys(photos: torch.Tensor):
    sigma = corruption_strength("gaussian-blur", 4, shorter_side=20)
    expected = ndimage.gaussian_filter(
        photos.double().numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=4.0
    )
    found = corrupt(photos, "gaussian-blur", 4, seed=0)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_brightness_raises_the_value_of_hsv():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 3, 4, 5, generator=generator)
    pixels[0, :, 0, 0] = 0
    strength = corruption_strength("brightness", 5, shorter_side=4)
    found = corrupt(pixels, "brightness", 5, seed=0)
    for row, column in np.ndindex(4, 5):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixels[0, :, row, column].tolist())
        expected = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + strength))
        assert found[0, :, row, column].tolist() == pytest.approx(expected, abs=1e-5)


def test_contrast_keeps_the_mean_and_scales_differences():
    picture = torch.tensor([[[[0.2, 0.4], [0.6, 0.8]]]])
    found = corrupt(picture, "contrast", 2, seed=0)
    torch.testing.assert_close(found, torch.tensor([[[[0.35, 0.45], [0.55, 0.65]]]]))


def test_pixelate_is_pils_box_filter_where_sides_divide():
    pixels = torch.randint(0, 256, (1, 1, 100, 200), generator=torch.Generator().manual_seed(1))
    found = corrupt(pixels / 255, "pixelate", 2, seed=0)  # half of the sides
    small = Image.fromarray(pixels[0, 0].byte().numpy()).resize((100, 50), Image.Resampling.BOX)
    expected = np.asarray(small.resize((200, 100), Image.Resampling.BOX)) / 255
    np.testing.assert_allclose(
        found[0, 0].numpy(), expected, atol=1.01 / 255
    )  # PIL rounds rows, then columns


def test_jpeg_is_a_round_trip_at_the_stated_quality(photos: torch.Tensor):
    found = corrupt(photos, "jpeg", 3, seed=0)
    array = (photos[1] * 255).round().byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="JPEG", quality=58)
    expected = np.asarray(Image.open(buffer)).astype(np.float32) / 255
    np.testing.assert_allclose(found[1].permute(1, 2, 0).numpy(), expected, atol=1e-6)


def test_grey_pictures_can_be_corrupted():
    grey = torch.rand(2, 1, 9, 12, generator=torch.Generator().manual_seed(0))
    for name in NAMES:
        assert corrupt(grey, name, 5, seed=0).shape == grey.shape


def test_large_pictures_get_the_strengths_of_imagenet_c():
    assert corruption_strength("gaussian-noise", 5, shorter_side=95) == 0.10
    assert corruption_strength("gaussian-noise", 5, shorter_side=96) == 0.38


def test_what_does_not_exist_is_refused(photos: torch.Tensor):
    with pytest.raises(OptionError, match="no corruption 'fog'"):
        corrupt(photos, "fog", 1, seed=0)
    with pytest.raises(OptionError, match="1 to 5, not 6"):
        corrupt(photos, "jpeg", 6, seed=0)
    with pytest.raises(ShapeError, match="1 or 3 colours, not 2"):
        corrupt(photos[:, :2], "jpeg", 1, seed=0)
