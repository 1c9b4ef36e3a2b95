from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from figureground.base.errors import ModelError, OptionError
from figureground.models import from_timm, load_classifier
from figureground.models.from_timm import build, from_config
from figureground.models.source import Wanted

SMALL = "mobilenetv3_small_050"


def _build(name: str, **arguments: Any) -> Any:
    return build(name, Wanted(trained=False, arguments=arguments))


def test_a_network_comes_with_its_preprocessing_and_imagenets_names():
    found = _build(SMALL)
    assert found.preprocessing.interpolation == "bicubic"
    assert found.num_classes == 1000
    assert len(found.class_names) == len(set(found.class_names)) == 1000
    assert found.class_names[281:283] == ("tabby", "tiger cat")
    assert found.notes == ()


def test_1001_outputs_begin_with_background_and_a_note_says_so():
    found = _build(SMALL, num_classes=1001)
    assert found.class_names[0] == "background"
    assert found.class_names[282] == "tabby"
    assert "logit 0 was taken for background" in found.notes[0]


def test_another_number_of_classes_has_no_names():
    found = _build(SMALL, num_classes=7)
    assert found.class_names is None
    assert found.num_classes == 7


def test_large_imagenets_have_as_many_names_as_outputs():
    for count in from_timm._SUBSETS:
        names = from_timm._class_names({"num_classes": count}, count)
        assert names is not None
        assert len(names) == count


def test_names_that_come_with_the_weights_go_first():
    config = {"num_classes": 2, "label_names": ["n1", "n2"], "label_descriptions": {"n1": "cat"}}
    assert from_timm._class_names(config, 2) == ("cat", "n2")
    assert from_timm._class_names({**config, "label_descriptions": None}, 2) == ("n1", "n2")


def test_grey_and_another_size_are_taken_from_the_arguments():
    grey = from_config({"input_size": (3, 32, 32), "mean": (0.1, 0.2, 0.6)}, {"in_chans": 1})
    assert grey.channels == 1
    assert grey.mean == pytest.approx((0.3,))
    assert from_config({}, {"img_size": 64}).size == (64, 64)
    assert from_config({}, {"img_size": (64, 96)}).size == (64, 96)
    assert _build(SMALL, in_chans=1).network.conv_stem.in_channels == 1


def test_a_network_without_a_classifier_is_refused():
    with pytest.raises(ModelError, match="has no classifier, only features"):
        _build(SMALL, num_classes=0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", "no timm model 'resnet5'; closest: 'resnet50'"),
        ("resnet18.a1_in1", "no timm weights 'resnet18.a1_in1'; closest: 'resnet18.a1_in1k'"),
    ],
)
def test_unknown_names_are_refused(name: str, message: str):
    with pytest.raises(OptionError, match=message):
        _build(name)


def test_unknown_arguments_are_refused():
    with pytest.raises(OptionError, match=r"cannot take the arguments .*colour"):
        _build(SMALL, colour="red")


def test_what_timm_cannot_build_is_reported():
    with pytest.raises(ModelError, match="timm cannot build"):
        _build("vit_tiny_patch16_224", global_pool="no such pooling")


def test_without_a_network_the_error_is_quick_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(from_timm, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("timm was asked"))
    with pytest.raises(ModelError, match=r"cannot fetch timm:resnet18: .*--weights FILE.*--random"):
        build("resnet18", Wanted())


def test_a_download_that_fails_half_way_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(from_timm, "reachable", lambda _: True)

    def broken(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("not on the hub and not in the cache")

    monkeypatch.setattr(timm, "create_model", broken)
    with pytest.raises(ModelError, match="cannot fetch timm:resnet18: not on the hub"):
        build("resnet18", Wanted())


def test_weights_fetched_earlier_are_used_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trained = timm.create_model(SMALL)
    file = tmp_path / "model.safetensors"
    save_file(trained.state_dict(), file)
    monkeypatch.setattr(
        from_timm,
        "try_to_load_from_cache",
        lambda _, name: str(file) if name == file.name else None,
    )
    found = build(SMALL, Wanted())
    for key, value in trained.state_dict().items():
        assert torch.equal(found.network.state_dict()[key], value), key


def test_an_untrained_head_on_trained_weights_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "model.safetensors"
    save_file(timm.create_model(SMALL).state_dict(), file)
    monkeypatch.setattr(from_timm, "try_to_load_from_cache", lambda *_: str(file))
    found = build(SMALL, Wanted(arguments={"num_classes": 5}))
    assert "trained for 1000 classes: the classifier with 5 logits is untrained" in found.notes[0]


def test_a_network_that_never_had_weights_is_not_fetched():
    name = next(
        name
        for name in timm.list_models()
        if (config := timm.get_pretrained_cfg(name)) and not config.has_weights
    )
    with pytest.raises(ModelError, match="timm has no trained weights for"):
        build(name, Wanted())


def test_real_weights_see_the_dog_and_the_cat(shared_data: Path):
    classifier = load_classifier(
        "timm:mobilenetv2_100",
        weights=shared_data / "weights" / "mobilenetv2_100_imagenet1001.safetensors",
        arguments={"num_classes": 1001, "pad_type": "same"},
        preprocessing={
            "resize": "stretch",
            "size": 224,
            "crop_fraction": 1,
            "mean": 0.5,
            "std": 0.5,
        },
    )
    pixels, _ = classifier.preprocessing.view(Image.open(shared_data / "photos" / "dog_cat.png"))
    with torch.no_grad():
        top = classifier(pixels[None] / 255).softmax(1)[0].topk(3)
    names = [classifier.class_name(index) for index in top.indices.tolist()]
    assert names == ["bull mastiff", "boxer", "tiger cat"]
    assert top.values.tolist() == pytest.approx([0.57, 0.154, 0.04], abs=0.005)
