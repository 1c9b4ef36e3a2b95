import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision.transforms._presets import ImageClassification

from figureground.base.errors import ModelError, OptionError
from figureground.models import load_classifier
from figureground.models.from_torchvision import _preprocessing as from_transform, build
from figureground.models.source import Wanted


def _build(name: str, **arguments: Any) -> Any:
    return build(name, Wanted(trained=False, arguments=arguments))


def test_a_network_comes_with_the_facts_of_its_weights():
    found = _build("shufflenet_v2_x0_5")
    assert found.preprocessing.size == (224, 224)
    assert found.class_names[281] == "tabby"
    assert found.num_classes == 1000


def test_the_weights_named_decide_the_preprocessing():
    first, second = _build("mobilenet_v2@IMAGENET1K_V1"), _build("mobilenet_v2@IMAGENET1K_V2")
    assert first.preprocessing.crop_fraction == pytest.approx(224 / 256)
    assert second.preprocessing.crop_fraction == pytest.approx(224 / 232)
    assert _build("mobilenet_v2").preprocessing == second.preprocessing


def test_another_number_of_classes_has_no_names():
    found = _build("shufflenet_v2_x0_5", num_classes=5)
    assert found.class_names is None
    assert found.num_classes == 5


@pytest.mark.slow
def test_networks_that_ask_how_to_start_do_not_warn():
    for name in ("googlenet", "inception_v3"):
        assert _build(name).num_classes == 1000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", "no torchvision network 'resnet5'; closest: 'resnet50'"),
        ("fcn_resnet50", "say --readout segmentation"),
        ("resnet18@V1", "no torchvision weights of resnet18 'V1'.*IMAGENET1K_V1"),
    ],
)
def test_unknown_names_are_refused(name: str, message: str):
    with pytest.raises(OptionError, match=message):
        _build(name)


def test_unknown_arguments_are_refused():
    with pytest.raises(OptionError, match=r"cannot take the arguments .*colour"):
        _build("squeezenet1_1", colour="red")


def test_without_a_network_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def unplugged(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unplugged)
    with pytest.raises(
        ModelError, match=r"cannot fetch torchvision:squeezenet1_1: .*--weights FILE"
    ):
        build("squeezenet1_1", Wanted())
    assert capsys.readouterr().out == ""


def test_a_damaged_download_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def damaged(*_: Any, **__: Any) -> None:
        raise RuntimeError("invalid hash value")

    monkeypatch.setattr(torch.hub, "download_url_to_file", damaged)
    with pytest.raises(ModelError, match="torchvision cannot build squeezenet1_1: invalid hash"):
        build("squeezenet1_1", Wanted())


def test_real_weights_see_the_dog(shared_data: Path):
    classifier = load_classifier(
        "torchvision:squeezenet1_1",
        weights=shared_data / "weights" / "squeezenet1_1_imagenet.safetensors",
    )
    pixels, _ = classifier.preprocessing.view(Image.open(shared_data / "photos" / "dog_cat.png"))
    with torch.no_grad():
        top = classifier(pixels[None] / 255)[0].topk(3).indices.tolist()
    assert {"boxer", "bull mastiff"} <= {classifier.class_name(index) for index in top}


def test_real_weights_name_the_shared_images(shared_data: Path):
    classifier = load_classifier(
        "torchvision:squeezenet1_1",
        weights=shared_data / "weights" / "squeezenet1_1_imagenet.safetensors",
    )
    right = 0
    paths = sorted((shared_data / "photos").glob("n*.JPEG"))
    for path in paths:
        pixels, _ = classifier.preprocessing.view(Image.open(path))
        with torch.no_grad():
            found = int(classifier(pixels[None] / 255).argmax())
        name = path.stem.partition("_")[2].replace("_", " ")
        right += classifier.class_index(name) == found
    assert right >= len(paths) - 2


@pytest.mark.parametrize(("crop", "resize"), [(224, 256), (192, 225), (240, 255), (103, 121)])
def test_the_resized_side_survives_being_written_as_a_fraction(crop: int, resize: int):
    ours = from_transform(ImageClassification(crop_size=crop, resize_size=resize))
    _, view = ours.view(Image.new("RGB", (500, 500)))
    assert view.scale_x * 500 == pytest.approx(resize)
