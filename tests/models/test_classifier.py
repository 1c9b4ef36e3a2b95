import copy
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError, OptionError, ShapeError
from figureground.models import Classifier, Preprocessing

PLAIN = Preprocessing((8, 8), "stretch", 1.0, "bilinear", (0.1,) * 3, (0.5,) * 3, 3)
NAMES = ("tench, Tinca tinca", "tabby, tabby cat", "Egyptian cat", "crane", "crane bird", "7")


class _Means(nn.Module):
    """Logits are the channel means of what arrives."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


class _Wrapped(nn.Module):
    """Returns what models from the Hugging Face hub return."""

    def forward(self, images: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=images.mean(dim=(2, 3)))


def _preprocessing(channels: int = 3) -> Preprocessing:
    return Preprocessing(
        size=(4, 5),
        resize="crop",
        crop_fraction=1.0,
        interpolation="bilinear",
        mean=(0.1, 0.2, 0.3)[:channels],
        std=(0.5, 0.25, 0.125)[:channels],
        channels=channels,
    )


def _named() -> Classifier:
    return Classifier(nn.Identity(), _preprocessing(), name="toy", class_names=NAMES)


def test_logits_are_the_networks_on_normalised_images():
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    means = images.double().mean(dim=(2, 3))
    expected = (means - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.5, 0.25, 0.125])
    for network in (_Means(), _Wrapped()):
        logits = Classifier(network, _preprocessing())(images)
        torch.testing.assert_close(logits.double(), expected, rtol=0, atol=1e-5)


def test_the_classifier_normalises_as_its_preprocessing_does():
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    seen: list[Tensor] = []
    network = _Means()
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    classifier = Classifier(network, _preprocessing())
    classifier(images)
    assert torch.equal(seen[0], classifier.preprocessing.normalise(images))


def test_a_grey_network_takes_one_channel():
    grey = Classifier(_Means(), _preprocessing(1))
    assert grey(torch.full((2, 1, 3, 3), 0.6)).tolist() == [[1.0], [1.0]]


def test_half_precision_stays_half_precision():
    half = Classifier(_Means(), _preprocessing()).half()
    assert half(torch.ones(1, 3, 2, 2, dtype=torch.float16)).dtype == torch.float16


def test_gradients_reach_the_images():
    images = torch.zeros(1, 3, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(Classifier(_Means(), _preprocessing())(images).sum(), images)
    assert gradient[0, :, 0, 0].tolist() == pytest.approx([0.5, 1.0, 2.0])


def test_the_state_is_that_of_the_network_alone():
    network = nn.Conv2d(3, 2, 1)
    keys = Classifier(network, _preprocessing()).state_dict().keys()
    assert list(keys) == [f"network.{key}" for key in network.state_dict()]


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 1, 4, 4), torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, 4, 4)],
)
def test_images_that_cannot_be_are_refused(images: Tensor):
    # past the annotations, which only tests check
    forward = Classifier.forward
    forward = getattr(forward, "__wrapped__", forward)
    with pytest.raises(ShapeError, match=r"needs float images \(N, 3, H, W\)"):
        forward(Classifier(_Means(), _preprocessing()), images)


def test_a_network_that_returns_no_logits_is_refused_by_name():
    toy = Classifier(nn.Identity(), _preprocessing(), name="toy")
    with pytest.raises(ModelError, match=r"toy: logits are floats \(N, L\) with N = 1"):
        toy(torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ("tench, tinca tinca", 0),
        ("Tinca Tinca", 0),
        ("TABBY CAT", 1),
        ("tabby", 1),
        ("egypt", 2),
        ("crane", 3),
        ("crane bird", 4),
        (" bird ", 4),
        ("7", 5),
        ("5", 5),
        ("0", 0),
        (3, 3),
    ],
)
def test_a_class_is_found_by_name_synonym_part_or_index(given: str | int, index: int):
    assert _named().class_index(given) == index


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cat", r"'cat' fits 2 classes of toy: 1 'tabby, tabby cat', 2 'Egyptian cat'"),
        ("tensh", "no class 'tensh' in toy; closest: 0 'tench, Tinca tinca'"),
        ("", "no class ''"),
        (6, "no class 6 in toy: indices are 0 to 5"),
        (-1, "no class -1 in toy"),
        ("6", "no class 6 in toy"),
    ],
)
def test_a_class_that_is_not_there_is_refused(given: str | int, message: str):
    with pytest.raises(OptionError, match=message):
        _named().class_index(given)


def test_without_names_only_indices_are_known():
    bare = Classifier(nn.Identity(), _preprocessing(), name="bare", num_classes=3)
    assert bare.class_index("2") == 2
    assert bare.class_name(2) == "class 2"
    with pytest.raises(OptionError, match="bare has no class names"):
        bare.class_index("dog")
    with pytest.raises(OptionError, match="indices are 0 to 2"):
        bare.class_name(3)


def test_without_a_number_of_classes_only_negative_indices_are_refused():
    bare = Classifier(nn.Identity(), _preprocessing())
    assert bare.num_classes is None
    assert bare.class_index(10_000) == 10_000
    with pytest.raises(OptionError, match="0 and above"):
        bare.class_index(-1)


def test_the_number_of_classes_is_the_networks_own():
    network = nn.Identity()
    network.num_classes = 4  # type: ignore[assignment]
    assert Classifier(network, _preprocessing()).num_classes == 4
    with pytest.raises(ModelError, match="6 class names for Identity, which has 4 logits"):
        Classifier(network, _preprocessing(), class_names=NAMES)


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float64])
def test_images_are_brought_to_the_networks_precision(precision: torch.dtype):
    torch_net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    wanted = Classifier(torch_net, PLAIN)(images)
    found = Classifier(copy.deepcopy(torch_net).to(precision), PLAIN)(images)
    assert found.dtype == precision
    torch.testing.assert_close(found.float(), wanted, atol=0.02, rtol=0.02)
