"""Images are prepared as the image processors of transformers prepare them, number for number."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from figureground.base.errors import ModelError
from figureground.models import load_classifier
from figureground.models.from_hugging_face import _assumptions, from_processor

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
BICUBIC = {"resample": 3, "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255}
SIZES = [(37, 53), (301, 200), (640, 427), (224, 224), (500, 212), (231, 457), (256, 255)]


def prepared(config: dict[str, Any], image: Image.Image) -> Tensor:
    """What our reading of a configuration makes of an image."""
    ours = from_processor(config)
    return ours.normalise(ours.view(image)[0][None] / 255)[0]


def square(name: str, side: int) -> dict[str, dict[str, int]]:
    return {name: {"height": side, "width": side}}


# the second row of each channel, of transformers 5.23's processors with Pillow; the image is 9 × 12 pixels
REFERENCES: dict[str, tuple[dict[str, Any], list[list[float]]]] = {
    "MobileViT": (
        {
            "size": {"shortest_edge": 4},
            **square("crop_size", 4),
            "do_center_crop": True,
            "do_flip_channel_order": True,
            **HALF,  # which it never uses
        },
        [
            [0.498, 0.4431, 0.5725, 0.5255],
            [0.4902, 0.5529, 0.4627, 0.4157],
            [0.5843, 0.5882, 0.4196, 0.5608],
        ],
    ),
    "Levit": (
        {
            "size": {"shortest_edge": 4},
            **square("crop_size", 4),
            "do_center_crop": True,
            "do_normalize": True,
            **IMAGENET,
        },
        [
            [0.4337, 0.4508, -0.2856, 0.3309],
            [0.1527, 0.4328, 0.0301, -0.18],
            [0.4091, 0.1651, 0.7402, 0.5311],
        ],
    ),
    "Perceiver": (
        {
            **square("size", 3),
            **square("crop_size", 4),
            "do_center_crop": True,
            "do_normalize": True,
            **IMAGENET,
        },
        [[-0.5767, 0.1768, 0.8961], [-0.4251, -0.0924, 0.2052], [0.6356, 0.8099, -0.2184]],
    ),
    "EfficientNet": (
        {
            **square("size", 3),
            **square("crop_size", 289),
            "do_center_crop": False,
            "include_top": True,
            "rescale_offset": False,
            "do_normalize": True,
            **HALF,
        },
        [[0.102, 0.0863, 0.0706], [-0.102, -0.0863, -0.1176], [0.0235, -0.0078, -0.0235]],
    ),
    "PoolFormer": (
        {
            "size": {"shortest_edge": 4},
            **square("crop_size", 3),
            "crop_pct": 0.9,
            "do_center_crop": True,
            "do_normalize": True,
            **IMAGENET,
        },
        [[-0.0458, -0.0972, 0.6392], [0.1001, -0.145, 0.1176], [0.5311, 0.7054, 0.0605]],
    ),
    "ConvNext": (
        {"size": {"shortest_edge": 3}, "crop_pct": 0.875, "do_normalize": True, **HALF},
        [[0.0902, 0.0039, 0.0824], [0.0431, -0.0745, -0.0667], [-0.0275, 0.051, -0.0196]],
    ),
}


@pytest.mark.parametrize("family", REFERENCES)
def test_each_family_is_prepared_by_its_own_rule(family: str):
    config, expected = REFERENCES[family]
    values = (np.arange(9 * 12 * 3) * 91 % 256).reshape(12, 9, 3).astype(np.uint8)
    config = {**BICUBIC, **config, "image_processor_type": f"{family}ImageProcessor"}
    found = prepared(config, Image.fromarray(values))[:, 1]
    torch.testing.assert_close(found, torch.tensor(expected), atol=6e-5, rtol=0)


def test_red_comes_last_where_the_channels_are_flipped():
    config = {**BICUBIC, **REFERENCES["MobileViT"][0], "image_processor_type": "MobileViT"}
    found = prepared(config, Image.new("RGB", (9, 12), (250, 10, 30)))
    assert found[:, 2, 2].tolist() == pytest.approx([30 / 255, 10 / 255, 250 / 255])


@pytest.mark.parametrize("side", [235, 255, 226, 249, 200])
def test_the_shorter_side_has_the_length_that_is_asked_for(side: int):
    """224 / (224 / 235) is less than 235 in floating point, and 234.99... was cut to 234."""
    config = {"size": {"shortest_edge": side}, **square("crop_size", 224)}
    ours = from_processor({**BICUBIC, **HALF, "do_center_crop": True, **config})
    _, view = ours.view(Image.new("RGB", (1000, 1000)))
    assert view.scale_x * 1000 == pytest.approx(side)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 200}}, "differ"),
        ({"size": {"height": 256, "width": 240}, **square("crop_size", 224)}, "in proportion"),
        ({"size": {"shortest_edge": 256, "longest_edge": 300}}, "longest_edge"),
        ({"patch_size": 16, "max_num_patches": 256}, "max_num_patches"),
        (
            {
                "image_processor_type": "PerceiverImageProcessor",
                **square("size", 224),
                "crop_size": {"height": 256, "width": 250},
            },
            "differ",
        ),
        (
            {"image_processor_type": "PoolFormerImageProcessor", "crop_pct": 0.9},
            "crop_pct without shortest_edge",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused(change: dict[str, Any], named: str):
    config = {**BICUBIC, **HALF, **square("size", 256), **square("crop_size", 224)}
    with pytest.raises(ModelError, match=named):
        from_processor({**config, "do_center_crop": True, **change})


def test_a_processor_without_a_size_is_refused():
    with pytest.raises(ModelError, match="KeyError\\('size'\\)"):
        from_processor({**BICUBIC, **HALF})


def test_settings_that_are_not_known_are_noted():
    config = {**BICUBIC, **HALF, **square("size", 224)}
    assert _assumptions({**config, "do_reduce_labels": False, "_name": 3, "max": None}) == ()
    (note,) = _assumptions({**config, "sharpness": 2, "image_processor_type": "NewImageProcessor"})
    assert note == "NewImageProcessor has settings that are not followed here: sharpness"


@pytest.mark.parametrize("extra", [{}, {"crop_pct": 0.9}])
def test_a_family_that_keeps_the_shape_is_cropped_whole_and_says_so(extra: dict[str, Any]):
    config = {**BICUBIC, **HALF, "size": {"shortest_edge": 224}, "do_center_crop": False, **extra}
    config["image_processor_type"] = "PoolFormerImageProcessor"
    side = 248 if extra else 224
    assert from_processor(config).size == (side, side)
    assert "keeps the shape of an image" in _assumptions(config)[0]


FAMILIES: dict[str, list[dict[str, Any]]] = {
    "Beit": [{}, {"do_center_crop": True}],
    "Bit": [
        {},
        {"size": {"shortest_edge": 256}},
        {"size": {"shortest_edge": 235}},
        {"size": {"shortest_edge": 200}},
        {"resample": 0},
        {"resample": 1},
    ],
    "Blip": [{}],
    "CLIP": [{}, {"size": {"shortest_edge": 255}}, {"do_normalize": False}],
    "ChineseCLIP": [{}],
    "ConvNext": [
        {},
        {"size": {"shortest_edge": 224}},
        {"size": {"shortest_edge": 256}, "crop_pct": 0.95},
    ],
    "DeiT": [{}, {"do_center_crop": False}],
    "EfficientNet": [
        {},
        {"include_top": False},
        {"do_normalize": False},
        {"rescale_offset": True, "rescale_factor": 1 / 127.5},
        {"do_center_crop": True},
        {"do_rescale": False, "rescale_offset": True, "include_top": False},
    ],
    "Levit": [{}, {"do_normalize": False}],
    "MobileNetV1": [{}],
    "MobileNetV2": [{}],
    "MobileViT": [
        {},
        {"do_flip_channel_order": False},
        {"do_normalize": True},
        {"size": {"shortest_edge": 288}},
    ],
    "Perceiver": [{}, {"do_center_crop": False}],
    "PoolFormer": [{}, {"crop_pct": None}, {"size": {"shortest_edge": 384}, "crop_pct": 0.95}],
    "Pvt": [{}],
    "Segformer": [{}],
    "Siglip": [{}],
    "ViT": [{}, {"size": {"height": 192, "width": 256}}, {"resample": 5}, {"do_normalize": False}],
}


def noise(size: tuple[int, int]) -> Image.Image:
    """Every pixel different from its neighbours: a shift by one pixel cannot hide."""
    values = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore")
def test_images_equal_those_of_transformers(family: str, transformers: Any, tmp_path: Path):
    for number, options in enumerate(FAMILIES[family]):
        processor = getattr(transformers, f"{family}ImageProcessorPil")(**options)
        folder = tmp_path / str(number)
        processor.save_pretrained(folder)
        written = json.loads((folder / "preprocessor_config.json").read_text())
        assert from_processor(written) == from_processor(processor.to_dict())
        assert _assumptions(written) == ()
        high = 255 if options.get("do_rescale") is False else 1
        for size in SIZES:
            expected = processor(images=noise(size), return_tensors="pt")["pixel_values"][0]
            found = prepared(processor.to_dict(), noise(size))
            away = (found - torch.as_tensor(expected, dtype=torch.float32)).abs().max()
            assert float(away) <= 1e-4 * high, (options, size)


@pytest.mark.parametrize("family", [*FAMILIES, "DINOv3ViT"])
@pytest.mark.filterwarnings("ignore")
def test_the_processors_that_use_torchvision_round_otherwise(family: str, transformers: Any):
    processor = getattr(transformers, f"{family}ImageProcessor")()
    config = processor.to_dict()
    level = 1 / 255 / min(from_processor(config).std)
    for size in SIZES:
        image = smooth(size)
        expected = processor(images=image, return_tensors="pt")["pixel_values"][0]
        away = (prepared(config, image) - torch.as_tensor(expected)).abs()
        assert float(away.max()) < 2.01 * level


def smooth(size: tuple[int, int]) -> Image.Image:
    """Nothing that a cubic would carry beyond black or white, where the two ways of transformers differ."""
    small = noise((max(2, size[0] // 9), max(2, size[1] // 9))).point(lambda value: 64 + value // 2)
    return small.resize(size, Image.Resampling.BICUBIC)


@pytest.mark.filterwarnings("ignore")
def test_networks_of_timm_are_prepared_as_their_processor_prepares_them(transformers: Any):
    wrapper = importlib.import_module("transformers.models.timm_wrapper")
    processor = wrapper.TimmWrapperImageProcessor(
        {
            "input_size": [3, 160, 160],
            "crop_pct": 0.9,
            "interpolation": "bicubic",
            "mean": [0.3] * 3,
        }
    )
    for size in SIZES:
        expected = processor(noise(size), return_tensors="pt")["pixel_values"][0]
        torch.testing.assert_close(
            prepared(processor.to_dict(), noise(size)), expected, atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("family", ["Donut", "ImageGPT", "PPLCNet", "Siglip2", "TextNet"])
@pytest.mark.filterwarnings("ignore")
def test_families_with_steps_of_their_own_are_refused(family: str, transformers: Any):
    with pytest.raises(ModelError, match="in ways that are not known here"):
        from_processor(getattr(transformers, f"{family}ImageProcessor")().to_dict())


@pytest.mark.filterwarnings("ignore")
def test_a_whole_model_has_the_logits_that_transformers_gives(transformers: Any, tmp_path: Path):
    config = transformers.MobileViTConfig(
        image_size=64,
        hidden_sizes=[8, 12, 16],
        neck_hidden_sizes=[4, 4, 8, 8, 8, 8, 16],
        num_labels=3,
    )
    network = transformers.MobileViTForImageClassification(config).eval()
    options = {"size": {"shortest_edge": 72}, **square("crop_size", 64)}
    network.save_pretrained(tmp_path)
    processor = transformers.MobileViTImageProcessorPil(**options)
    processor.save_pretrained(tmp_path)
    classifier = load_classifier(f"hf:{tmp_path}")
    image = noise((97, 70))
    pixels, _ = classifier.preprocessing.view(image)
    with torch.no_grad():
        expected = network(**processor(images=image, return_tensors="pt")).logits
        torch.testing.assert_close(classifier(pixels[None] / 255), expected, atol=1e-5, rtol=0)
