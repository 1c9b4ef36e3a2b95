from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from figureground.base.errors import ModelError, OptionError
from figureground.models import LeNetGAP, load_classifier


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of a small network."""
    file = tmp_path / "lenet.safetensors"
    save_file(LeNetGAP().state_dict(), file)
    return file


def test_weights_from_a_file_are_those_of_the_network(weights: Path):
    first = load_classifier("figureground:lenet-gap", weights=weights)
    again = load_classifier("figureground:lenet-gap", weights=str(weights))
    images = torch.rand(2, 3, 100, 100)
    assert torch.equal(first(images), again(images))
    assert first.name == "figureground:lenet-gap"
    assert not first.training


def test_nothing_global_changes(weights: Path):
    before = torch.get_rng_state()
    with torch.enable_grad():
        load_classifier("figureground:lenet-gap", weights=weights)
        with pytest.raises(ModelError):
            load_classifier("figureground:lenet-gap", weights=weights, class_names=["one"])
        assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32


def test_random_networks_differ_unless_the_stream_is_set_back():
    state = torch.get_rng_state()
    first = load_classifier("figureground:lenet-gap", random=True).network.state_dict()
    second = load_classifier("figureground:lenet-gap", random=True).network.state_dict()
    torch.set_rng_state(state)
    again = load_classifier("figureground:lenet-gap", random=True).network.state_dict()
    assert torch.equal(first["conv1.weight"], again["conv1.weight"])
    assert not torch.equal(first["conv1.weight"], second["conv1.weight"])


def test_class_names_and_preprocessing_can_be_given(weights: Path, tmp_path: Path):
    words = [f"digit {index}" for index in range(10)]
    (tmp_path / "names.txt").write_text("\n".join(words))
    for names in (words, tmp_path / "names.txt", str(tmp_path / "names.txt")):
        classifier = load_classifier(
            "figureground:lenet-gap",
            weights=weights,
            class_names=names,
            preprocessing={"size": [50, 60], "interpolation": "bicubic"},
        )
        assert classifier.class_names == tuple(words)
        assert classifier.preprocessing.size == (50, 60)


def test_too_few_class_names_are_refused(weights: Path):
    with pytest.raises(ModelError, match="2 class names for figureground:lenet-gap, which has 10"):
        load_classifier("figureground:lenet-gap", weights=weights, class_names=["a", "b"])


def test_weights_that_do_not_fit_are_refused(weights: Path):
    with pytest.raises(ModelError, match="does not fit the network"):
        load_classifier("figureground:cifar-resnet20", weights=weights)


def test_weights_and_random_exclude_each_other(weights: Path):
    with pytest.raises(OptionError, match="exclude each other"):
        load_classifier("figureground:lenet-gap", weights=weights, random=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet50", "did you mean 'timm:resnet50'"),
        ("resnet50.a1_in1k", "did you mean 'timm:resnet50.a1_in1k'"),
        ("squeezenet1_1", "did you mean 'torchvision:squeezenet1_1'"),
        ("lenetgap", "closest: 'figureground:lenet-gap'"),
        ("tim:resnet50", "no model source 'tim'; closest: 'timm'"),
        ("??", "no model '..' .list them with"),
    ],
)
def test_a_name_without_a_source_is_answered_with_the_right_one(name: str, message: str):
    with pytest.raises(OptionError, match=message):
        load_classifier(name, random=True)


def test_published_weights_of_the_cluttered_digits_fit(shared_data: Path):
    file = shared_data / "weights" / "lenet_gap_cluttered_mnist.safetensors"
    classifier = load_classifier("figureground:lenet-gap", weights=file)
    pack = np.load(shared_data / "packs" / "mnist.npz")
    chosen = np.flatnonzero(pack["test"])[:200]
    digits = torch.from_numpy(pack["images"][chosen]).float() / 255
    images = torch.zeros(len(chosen), 3, 100, 100)
    # a lone digit in the middle of a black field: what the network knows, without the clutter
    images[:, :, 36:64, 36:64] = digits[:, None]
    with torch.no_grad():
        found = classifier(images).argmax(1).numpy()
    assert (found == pack["labels"][chosen]).mean() > 0.9


def test_a_module_of_ones_own_takes_photos():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    plain = load_classifier(network)
    assert plain.preprocessing.size == (224, 224)
    assert any("224" in one for one in plain.notes)
    changed = load_classifier(
        network,
        preprocessing={"size": 32, "mean": 0.5, "std": 0.5},
        class_names=["a", "b", "c", "d"],
    )
    assert (changed.preprocessing.size, changed.class_name(1)) == ((32, 32), "b")
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(changed(images), network((images - 0.5) / 0.5))
    assert load_classifier(changed).preprocessing == changed.preprocessing
