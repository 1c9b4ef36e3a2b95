import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from figureground.base.errors import ModelError, OptionError
from figureground.models import Preprocessing, from_hugging_face, load_classifier
from figureground.models.from_hugging_face import build, from_processor
from figureground.models.source import Wanted

VIT = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "rescale_factor": 1 / 255,
    "size": {"height": 224, "width": 224},
}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


class _Network(nn.Module):
    """Channel means, returned as transformers returns logits."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=images.mean(dim=(2, 3)) + self.weight)


class _Hub:
    """Just enough of transformers: what it is asked is kept in ``calls``."""

    def __init__(self, labels: dict[int, str]) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.config = SimpleNamespace(id2label=labels, num_labels=len(labels))
        self.failure: Exception | None = None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module = ModuleType("transformers")
        models = SimpleNamespace(from_pretrained=self._network, from_config=self._untrained)
        module.AutoModelForImageClassification = models  # type: ignore[attr-defined]
        module.AutoConfig = SimpleNamespace(from_pretrained=self._config)  # type: ignore[attr-defined]
        processors = SimpleNamespace(from_pretrained=self._processor)
        module.AutoImageProcessor = processors  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "transformers", module)

    def _network(self, name: str, **options: Any) -> _Network:
        self.calls.append(("network", options))
        if self.failure is not None:
            raise self.failure
        return _Network(self.config)

    def _untrained(self, config: Any) -> _Network:
        self.calls.append(("untrained", {}))
        return _Network(config)

    def _config(self, name: str, **options: Any) -> Any:
        self.calls.append(("config", options))
        return self.config

    def _processor(self, name: str, **options: Any) -> Any:
        self.calls.append(("processor", options))
        return SimpleNamespace(to_dict=lambda: VIT)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> _Hub:
    """A hub that is reachable, with one model of three classes."""
    made = _Hub({2: "ten", 0: "cat", 1: "dog"})
    made.install(monkeypatch)
    monkeypatch.setattr(from_hugging_face, "reachable", lambda _: True)
    return made


def test_a_model_comes_with_its_processor_and_its_class_names(hub: _Hub):
    classifier = load_classifier("hf:somebody/net")
    assert classifier.class_names == ("cat", "dog", "ten")
    assert classifier.preprocessing == from_processor(VIT)
    logits = classifier(torch.full((2, 3, 4, 4), 0.75))
    assert logits.tolist() == [[0.5] * 3] * 2
    assert hub.calls[0] == ("network", {"local_files_only": False})


def test_an_untrained_model_needs_only_the_configuration(hub: _Hub):
    load_classifier("hf:somebody/net", random=True, arguments={"num_labels": 3})
    assert [what for what, _ in hub.calls] == ["config", "untrained", "processor"]
    assert hub.calls[0][1] == {"local_files_only": False, "num_labels": 3}


def test_without_a_network_only_files_on_this_machine_are_asked_for(
    hub: _Hub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(from_hugging_face, "reachable", lambda _: False)
    hub.failure = OSError("not in the cache")
    with pytest.raises(ModelError, match="cannot fetch hf:somebody/net: not in the cache"):
        load_classifier("hf:somebody/net")
    assert hub.calls == [("network", {"local_files_only": True})]


def test_a_folder_is_read_without_a_network(hub: _Hub, tmp_path: Path):
    build(str(tmp_path), Wanted())
    assert all(options["local_files_only"] for _, options in hub.calls)


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        (ValueError("Unrecognized configuration"), ModelError, "not an image classifier"),
        (TypeError("unexpected keyword"), OptionError, "cannot take the arguments"),
    ],
)
def test_failures_of_the_library_are_reported(
    hub: _Hub, failure: Exception, error: type[Exception], message: str
):
    hub.failure = failure
    with pytest.raises(error, match=message):
        build("somebody/net", Wanted())


def test_numbered_labels_are_no_names(hub: _Hub):
    hub.config.id2label = {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    assert build("somebody/net", Wanted()).class_names is None


def test_without_transformers_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match="with its extra 'hf'"):
        build("somebody/net", Wanted())


def test_a_vit_stretches_and_has_the_half_and_half_normalisation():
    ours = from_processor(VIT)
    assert (ours.resize, ours.size, ours.interpolation) == ("stretch", (224, 224), "bilinear")
    assert ours.mean == pytest.approx((0.5,) * 3)
    assert ours.std == pytest.approx((0.5,) * 3)


def test_a_clip_crops_the_shortest_edge():
    config = {
        **VIT,
        "size": {"shortest_edge": 256},
        "do_center_crop": True,
        "crop_size": {"height": 224, "width": 224},
        "resample": 3,
    }
    ours = from_processor(config)
    assert (ours.resize, ours.size, ours.interpolation) == ("crop", (224, 224), "bicubic")
    assert ours.crop_fraction == pytest.approx(0.875)


def test_a_convnext_crops_small_images_and_stretches_large_ones():
    small = from_processor({**VIT, "size": {"shortest_edge": 224}, "crop_pct": 0.875})
    large = from_processor({**VIT, "size": {"shortest_edge": 384}, "crop_pct": 1.0})
    assert (small.resize, small.size, small.crop_fraction) == ("crop", (224, 224), 0.875)
    assert (large.resize, large.size, large.crop_fraction) == ("stretch", (384, 384), 1.0)


def test_an_efficientnet_stretches_then_crops():
    size, crop = {"height": 346, "width": 346}, {"height": 289, "width": 289}
    ours = from_processor({**VIT, "size": size, "do_center_crop": True, "crop_size": crop})
    assert (ours.resize, ours.size) == ("stretch", (289, 289))
    assert int(289 / ours.crop_fraction) == 346


def test_old_processors_write_one_number_for_the_size():
    assert from_processor({**VIT, "size": 192}).size == (192, 192)


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("factor", [1 / 255, 1 / 127.5])
def test_rescaling_is_folded_into_the_normalisation(offset: bool, factor: float):
    config = {**VIT, **IMAGENET, "rescale_factor": factor, "rescale_offset": offset}
    values = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    mean, std = (torch.tensor(IMAGENET[key]).view(3, 1, 1) for key in IMAGENET)
    expected = (values * 255 * factor - (1 if offset else 0) - mean) / std
    torch.testing.assert_close(
        from_processor(config).normalise(values), expected, atol=1e-5, rtol=0
    )


def test_a_processor_that_does_not_normalise_leaves_zero_to_one():
    ours = from_processor({**VIT, "do_normalize": False})
    assert ours.mean == (0.0,) * 3
    assert ours.std == (1.0,) * 3


CROP = {"do_center_crop": True, "crop_size": {"height": 224, "width": 224}}


def _resized(ours: Preprocessing) -> int:
    """The shorter side of a square image once it is resized."""
    _, view = ours.view(Image.new("RGB", (1000, 1000)))
    return round(view.scale_x * 1000)


@pytest.mark.parametrize(
    ("kind", "extra", "resized"),
    [
        # LevitImageProcessor: int(256 / 224 * shortest_edge), then the middle
        ("LevitImageProcessor", {"size": {"shortest_edge": 224}, **CROP}, 256),
        ("LevitImageProcessorFast", {"size": {"shortest_edge": 224}, **CROP}, 256),
        ("BitImageProcessor", {"size": {"shortest_edge": 224}, **CROP}, 224),
        # PoolFormerImageProcessor divides the shortest edge by crop_pct
        (
            "PoolFormerImageProcessor",
            {"size": {"shortest_edge": 224}, "crop_pct": 0.9, **CROP},
            248,
        ),
        ("PoolFormerImageProcessor", {"size": {"shortest_edge": 384}, "crop_pct": 0.95}, 404),
    ],
)
def test_families_that_resize_by_a_rule_of_their_own(
    kind: str, extra: dict[str, Any], resized: int
):
    ours = from_processor({**VIT, "image_processor_type": kind, **extra})
    assert ours.resize == "crop"
    assert _resized(ours) == resized


def test_a_perceiver_keeps_the_middle_of_the_shorter_side():
    config = {**VIT, "image_processor_type": "PerceiverImageProcessor", "do_center_crop": True}
    ours = from_processor({**config, "crop_size": {"height": 256, "width": 256}})
    # its own words: crop the side min(h, w) * 224 / 256 from the middle, resize that to 224
    _, view = ours.view(Image.new("RGB", (512, 800)))
    kept = view.boxes_to_original(torch.tensor([[0.0, 0.0, 224.0, 224.0]]))[0]
    assert kept.tolist() == [32, 176, 480, 624]


def test_an_efficientnet_divides_by_the_deviation_twice():
    config = {**VIT, **IMAGENET, "include_top": True, "rescale_offset": False}
    values = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    mean, std = (torch.tensor(IMAGENET[key]).view(3, 1, 1) for key in IMAGENET)
    torch.testing.assert_close(
        from_processor(config).normalise(values), (values - mean) / std / std, atol=1e-5, rtol=0
    )


def test_a_network_of_timm_is_prepared_as_timm_prepares_it():
    config = {
        "image_processor_type": "TimmWrapperImageProcessor",
        "architecture": "resnet18",
        "pretrained_cfg": {"input_size": [3, 160, 192]},
        "data_config": {
            "input_size": [3, 160, 192],
            "interpolation": "bicubic",
            "mean": [0.1, 0.2, 0.3],
            "std": [0.4, 0.5, 0.6],
            "crop_pct": 0.95,
            "crop_mode": "center",
        },
    }
    ours = from_processor(config)
    assert ours == Preprocessing(
        (160, 192), "crop", 0.95, "bicubic", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"do_resize": False}, "do_resize=false"),
        ({"do_pad": True}, "do_pad"),
        ({"do_color_quantize": True}, "do_color_quantize"),
        ({"do_thumbnail": True}, "do_thumbnail"),
        ({"do_something_new": True}, "do_something_new"),
        ({"size_divisor": 32}, "size_divisor"),
        ({"size": {"longest_edge": 224}}, "does not say"),
        ({"size": {"max_height": 2, "max_width": 3}}, "does not say"),
        ({"image_mean": 0.5}, "does not say"),
        ({"size": None}, "does not say"),
    ],
)
def test_what_has_no_counterpart_is_refused_and_not_left_out(change: dict[str, Any], named: str):
    with pytest.raises(ModelError, match=named):
        from_processor({**VIT, **change})


def test_a_step_that_is_switched_off_is_none():
    off = {"do_flip_channel_order": False, "do_pad": None, "size_divisor": None}
    assert from_processor({**VIT, **off}) == from_processor(VIT)
    bare = {
        key: value for key, value in VIT.items() if "image" not in key and key != "do_normalize"
    }
    assert from_processor(bare).mean == (0.0,) * 3
