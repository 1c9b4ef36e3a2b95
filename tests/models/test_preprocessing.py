import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch import nn
from torchvision.models import get_model_weights, list_models

from figureground.base.errors import OptionError
from figureground.models import Classifier, Preprocessing, preprocessing as module
from figureground.models.from_timm import from_config
from figureground.models.from_torchvision import _preprocessing as from_transform

SIZES = [(97, 61), (60, 133), (300, 201), (224, 224)]
TIMM_CONFIGS: dict[str, dict[str, Any]] = {
    "usual": {"input_size": (3, 224, 224), "crop_pct": 0.875, "interpolation": "bicubic"},
    "odd fraction": {"input_size": (3, 160, 160), "crop_pct": 0.887, "interpolation": "bilinear"},
    "with a black border": {"input_size": (3, 128, 128), "crop_pct": 1.15},
    "wide": {"input_size": (3, 96, 160), "crop_pct": 0.9},
    "tall": {"input_size": (3, 160, 96), "crop_pct": 1.0},
    "stretched": {"input_size": (3, 112, 112), "crop_pct": 0.9, "crop_mode": "squash"},
    "stretched wide": {"input_size": (3, 96, 160), "crop_pct": 1.0, "crop_mode": "squash"},
    "padded": {"input_size": (3, 128, 128), "crop_pct": 0.9, "crop_mode": "border"},
    "padded wide": {"input_size": (3, 96, 160), "crop_pct": 1.0, "crop_mode": "border"},
    "half and half": {"input_size": (3, 64, 64), "mean": (0.5,) * 3, "std": (0.5,) * 3},
}


def _noise(size: tuple[int, int]) -> Image.Image:
    """Every pixel different from its neighbours: a shift by one pixel cannot hide."""
    width, height = size
    values = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def _prepared(preprocessing: Preprocessing, image: Image.Image) -> torch.Tensor:
    pixels, _ = preprocessing.view(image)
    return preprocessing.normalise(pixels[None] / 255)[0]


def _plain(**changes: Any) -> Preprocessing:
    start = Preprocessing((8, 8), "crop", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3)
    return start.changed(changes)


@pytest.mark.parametrize("kind", TIMM_CONFIGS)
def test_images_equal_those_of_timm(kind: str):
    config = TIMM_CONFIGS[kind]
    reference = create_transform(**resolve_data_config(pretrained_cfg=config))
    ours = from_config(config)
    for size in SIZES:
        image = _noise(size)
        torch.testing.assert_close(_prepared(ours, image), reference(image), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_images_equal_those_of_every_pretrained_timm_network():
    keys = ("input_size", "crop_pct", "crop_mode", "interpolation", "mean", "std")
    configs = [
        config.to_dict()
        for name in timm.list_models(pretrained=True)
        if (config := timm.get_pretrained_cfg(name)) is not None
    ]
    kinds = {tuple(config[key] for key in keys) for config in configs}
    assert len(kinds) > 50
    image = _noise((97, 61))
    for values in kinds:
        chosen = dict(zip(keys, values, strict=True))
        reference = create_transform(**resolve_data_config(pretrained_cfg=chosen))
        ours = _prepared(from_config(chosen), image)
        torch.testing.assert_close(ours, reference(image), rtol=0, atol=1e-5)


def test_images_equal_those_of_every_torchvision_classifier():
    transforms = {
        repr(entry.transforms()): entry.transforms()
        for name in list_models(module=torchvision.models)
        for entry in get_model_weights(name)
    }
    assert len(transforms) > 20
    image = _noise((53, 40))
    for transform in transforms.values():
        ours = _prepared(from_transform(transform), image)
        # one network's std is 1/255: what is left of the rounding of x / 255 is 255 times larger there
        torch.testing.assert_close(ours, transform(image), rtol=1e-6, atol=2e-5)


def test_real_images_equal_those_of_both_zoos(shared_data: Path):
    for path in sorted((shared_data / "photos").glob("*.*")):
        image = Image.open(path).convert("RGB")
        config = TIMM_CONFIGS["usual"]
        reference = create_transform(**resolve_data_config(pretrained_cfg=config))
        torch.testing.assert_close(
            _prepared(from_config(config), image), reference(image), rtol=0, atol=1e-6
        )
        transform = torchvision.models.ResNet50_Weights.IMAGENET1K_V2.transforms()
        torch.testing.assert_close(
            _prepared(from_transform(transform), image), transform(image), rtol=0, atol=1e-6
        )


def test_a_long_thin_image_is_cut_before_it_is_enlarged(monkeypatch: pytest.MonkeyPatch):
    ours = _plain(size=(40, 40), interpolation="bicubic", crop_fraction=0.9)
    image = _noise((900, 11))
    whole, view = ours.view(image)
    monkeypatch.setattr(module, "_LARGE", 0)
    cut, cut_view = ours.view(image)
    assert view == cut_view
    assert (whole.int() - cut.int()).abs().max() <= 1


def test_a_image_of_one_row_of_pixels_does_not_fill_the_memory():
    pixels, view = _plain(size=(224, 224)).view(Image.new("RGB", (60_000, 1), (9, 9, 9)))
    assert pixels.shape == (3, 224, 224)
    assert pixels.unique().tolist() == [9]
    assert view.scale_x == 224


def test_palette_transparent_and_grey_images_become_rgb():
    for mode in ("P", "RGBA", "L", "1"):
        pixels, _ = _plain().view(Image.new(mode, (9, 12), 1))
        assert pixels.shape == (3, 8, 8)
        assert pixels.dtype == torch.uint8


def test_a_grey_network_gets_luminance():
    pixels, _ = _plain(channels=1).view(Image.new("RGB", (9, 12), (255, 0, 0)))
    assert pixels.shape == (1, 8, 8)
    assert pixels.unique().tolist() == [76]  # ITU-R 601: 0.299 * 255


def test_padding_has_the_mean_colour():
    ours = _plain(resize="pad", mean=(0.2, 0.4, 0.6))
    pixels, _ = ours.view(Image.new("RGB", (16, 8), (255, 255, 255)))
    assert pixels[:, 0, 0].tolist() == [51, 102, 153]
    grey, _ = _plain(resize="pad", channels=1, mean=0.2).view(Image.new("L", (16, 8), 255))
    assert grey[0, 0, 0] == 51


def test_the_image_and_the_batch_are_not_changed():
    image, ours = _noise((30, 20)), _plain(mean=0.5)
    before = image.tobytes()
    ours.view(image)
    batch = torch.ones(2, 3, 4, 5)
    assert ours.normalise(batch).unique().tolist() == [0.5]
    assert image.tobytes() == before
    assert batch.unique().tolist() == [1.0]


def test_it_survives_the_way_to_a_worker_process():
    ours = _plain()
    assert pickle.loads(pickle.dumps(ours)) == ours  # noqa: S301 - our own bytes


def test_changes_accept_what_a_command_line_or_json_gives():
    changed = _plain(size=[10, 12], mean=[0, 0, 1], std=2, crop_fraction=1)
    assert changed.size == (10, 12)
    assert changed.mean == (0.0, 0.0, 1.0)
    assert changed.std == (2.0, 2.0, 2.0)
    assert changed.crop_fraction == 1.0


def test_grey_takes_the_average_of_the_colours_normalisation():
    changed = _plain(mean=(0.1, 0.2, 0.6), std=(0.1, 0.2, 0.3)).changed({"channels": 1})
    assert changed.mean == pytest.approx((0.3,))
    assert changed.std == pytest.approx((0.2,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sise": 3}, "no preprocessing field 'sise'; closest: 'size'"),
        ({"resize": "squash"}, "no resize 'squash'"),
        ({"interpolation": "cubic"}, "closest: 'bicubic'"),
        ({"size": [1, 2, 3]}, "cannot use the preprocessing"),
        ({"size": 0}, "at least 1"),
        ({"size": "big"}, "cannot use the preprocessing"),
        ({"crop_fraction": 0}, "crop_fraction above 0"),
        ({"crop_fraction": float("nan")}, "crop_fraction above 0"),
        ({"mean": [0.5, 0.5]}, "need 3 numbers"),
        ({"std": [0, 1, 1]}, "std above 0"),
        ({"channels": 4}, "not 4"),
        ({"mean": None}, "cannot use the preprocessing"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(OptionError, match=message):
        _plain(**changes)


def test_the_middle_is_cut_in_whole_pixels_before_it_is_resized():
    image = _noise(
        (97, 61)
    )  # floor(0.7 * 61) = 42, which begins at floor(55 / 2) and floor(19 / 2)
    ours = _plain(size=(20, 10), resize="middle", crop_fraction=0.7, half_pixel="down")
    expected = image.crop((27, 9, 69, 51)).resize((10, 20), Image.Resampling.BILINEAR)
    pixels, view = ours.view(image)
    assert torch.equal(pixels, torch.from_numpy(np.array(expected)).permute(2, 0, 1))
    assert view.window == pytest.approx((27, 9, 69, 51))
    assert view.view_size == (10, 20)


def test_half_a_pixel_goes_to_the_even_side_or_down():
    image = Image.fromarray(np.arange(11, dtype=np.uint8).repeat(8).reshape(11, 8))
    plain = _plain(channels=1)
    assert plain.view(image)[0][0, :, 0].tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert plain.changed({"half_pixel": "down"}).view(image)[0][0, :, 0].tolist() == [*range(1, 9)]


def test_blue_comes_first_where_the_network_wants_it():
    ours = _plain(channel_order="bgr", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0))
    images = torch.rand(2, 3, 4, 5)
    usual = ours.changed({"channel_order": "rgb"}).normalise(images)
    assert torch.equal(ours.normalise(images), usual[:, [2, 1, 0]])
    given = Classifier(nn.Identity(), ours, output=lambda found: found.mean((2, 3)))
    torch.testing.assert_close(given(images), usual[:, [2, 1, 0]].mean((2, 3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channel_order": "gbr"}, "no channel_order 'gbr'"),
        ({"half_pixel": "up"}, "no half_pixel 'up'"),
        ({"resize": "middle", "crop_fraction": 1.1}, "at most 1 is needed with resize 'middle'"),
    ],
)
def test_ways_that_do_not_exist_are_refused(change: dict[str, Any], message: str):
    with pytest.raises(OptionError, match=message):
        _plain(**change)
