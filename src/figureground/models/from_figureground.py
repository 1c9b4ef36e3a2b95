"""The small networks of the papers that we build on, as named models."""

__all__ = ["NETWORKS", "Network", "build", "names"]

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from figureground.base.errors import ModelError, OptionError, unknown_option
from figureground.models.cifar_mobile import (
    CifarMobileNetV2,
    CifarShuffleNetV1,
    CifarShuffleNetV2,
)
from figureground.models.cifar_resnet import CifarResNet
from figureground.models.cifar_vgg import CifarVGG
from figureground.models.cifar_wide_resnet import CifarWideResNet
from figureground.models.gap_networks import alexnet_gap, googlenet_gap, vgg16_gap
from figureground.models.imagenet import imagenet_names
from figureground.models.lenet_gap import LeNetGAP
from figureground.models.preprocessing import Preprocessing
from figureground.models.small_resnet import SmallResNet
from figureground.models.source import Found, Wanted

_CIFAR_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_CIFAR = Preprocessing(
    size=(32, 32),
    resize="stretch",
    crop_fraction=1.0,
    interpolation="bilinear",
    # ImageNet's numbers on CIFAR images: the published weights were trained so, and do worse with CIFAR's own
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
# the distillation benchmark's own numbers
_BENCHMARK = _CIFAR.changed({"mean": (0.5071, 0.4867, 0.4408), "std": (0.2675, 0.2565, 0.2761)})
_WIDE_RESNET = partial(CifarResNet, widths=(32, 64, 128, 256), shortcut="convolution")
_STL_NAMES = (
    *("airplane", "bird", "car", "cat", "deer"),
    *("dog", "horse", "monkey", "ship", "truck"),
)
_STL = _CIFAR.changed({"size": (96, 96)})
_IMAGENET = Preprocessing(
    size=(224, 224),
    resize="crop",
    crop_fraction=0.875,
    interpolation="bilinear",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
# what torchvision's GoogLeNet makes of images normalised as above, before its first layer
_HALVES = _IMAGENET.changed({"mean": (0.5,) * 3, "std": (0.5,) * 3})
_DIGITS = Preprocessing(
    size=(100, 100),
    resize="stretch",
    crop_fraction=1.0,
    interpolation="bilinear",
    mean=(0.0,) * 3,
    std=(1.0,) * 3,
)


@dataclass(frozen=True)
class Network:
    """One of our own networks.

    Args:
        factory: Builds it; takes ``num_classes`` and ``channels``.
        preprocessing: What it was made for.
        class_names: Of its data set; None for ImageNet's.
    """

    factory: Callable[..., nn.Module]
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None = None


NETWORKS = {
    "lenet-gap": Network(LeNetGAP, _DIGITS, tuple("0123456789")),
    "cifar-resnet8": Network(partial(CifarResNet, 8), _CIFAR, _CIFAR_NAMES),
    "cifar-resnet20": Network(partial(CifarResNet, 20), _CIFAR, _CIFAR_NAMES),
    "cifar-resnet32": Network(partial(CifarResNet, 32), _CIFAR, _CIFAR_NAMES),
    "cifar-resnet44": Network(partial(CifarResNet, 44), _CIFAR, _CIFAR_NAMES),
    "cifar-resnet56": Network(partial(CifarResNet, 56), _CIFAR, _CIFAR_NAMES),
    "cifar-resnet110": Network(partial(CifarResNet, 110), _CIFAR, _CIFAR_NAMES),
    "cifar-resnet8x4": Network(partial(_WIDE_RESNET, 8), _BENCHMARK, _CIFAR_NAMES),
    "cifar-resnet32x4": Network(partial(_WIDE_RESNET, 32), _BENCHMARK, _CIFAR_NAMES),
    "cifar-wrn-16-1": Network(partial(CifarWideResNet, 16, 1), _BENCHMARK, _CIFAR_NAMES),
    "cifar-wrn-16-2": Network(partial(CifarWideResNet, 16, 2), _BENCHMARK, _CIFAR_NAMES),
    "cifar-wrn-40-1": Network(partial(CifarWideResNet, 40, 1), _BENCHMARK, _CIFAR_NAMES),
    "cifar-wrn-40-2": Network(partial(CifarWideResNet, 40, 2), _BENCHMARK, _CIFAR_NAMES),
    "cifar-vgg8": Network(partial(CifarVGG, 8), _BENCHMARK, _CIFAR_NAMES),
    "cifar-vgg13": Network(partial(CifarVGG, 13), _BENCHMARK, _CIFAR_NAMES),
    "cifar-mobilenetv2": Network(CifarMobileNetV2, _BENCHMARK, _CIFAR_NAMES),
    "cifar-shufflenetv1": Network(CifarShuffleNetV1, _BENCHMARK, _CIFAR_NAMES),
    "cifar-shufflenetv2": Network(CifarShuffleNetV2, _BENCHMARK, _CIFAR_NAMES),
    "small-resnet": Network(SmallResNet, _STL, _STL_NAMES),
    "alexnet-gap": Network(alexnet_gap, _IMAGENET),
    "vgg16-gap": Network(vgg16_gap, _IMAGENET),
    "googlenet-gap": Network(googlenet_gap, _HALVES),
}


def build(name: str, wanted: Wanted) -> Found:
    """One of our own networks.

    Args:
        name: A key of ``NETWORKS``.
        wanted: Not ``trained``, as no weights can be fetched; ``arguments`` may be ``num_classes``, ``channels``
            and what else the network's own function takes.

    Returns:
        The network, its preprocessing, and class names where the number of classes is its data set's.

    Raises:
        OptionError: Unknown name or argument.
        ModelError: Trained weights were wanted.
    """
    entry = _entry(name)
    if wanted.trained:
        raise ModelError(
            f"figureground:{name} has no weights to fetch; give a weights file (--weights FILE; model.weights in a "
            "recipe) or take an untrained network (--random; model.pretrained=false)"
        )
    try:
        network = entry.factory(**wanted.arguments)
    except TypeError as error:
        raise OptionError(
            f"figureground:{name} cannot take the arguments {dict(wanted.arguments)}: {error}"
        ) from error
    except (RuntimeError, ValueError, ArithmeticError) as error:  # sizes that no tensor has
        raise ModelError(f"cannot build figureground:{name}: {error}") from error
    usual = 1000 if entry.class_names is None else len(entry.class_names)
    count = wanted.arguments.get("num_classes", usual)
    class_names = (entry.class_names or imagenet_names()) if count == usual else None
    channels = wanted.arguments.get("channels", 3)
    return Found(network, _with_channels(entry.preprocessing, channels), class_names, count)


def names() -> list[str]:
    """Our own networks.

    Returns:
        The keys of ``NETWORKS``.
    """
    return list(NETWORKS)


def _entry(name: str) -> Network:
    """The network of this name."""
    if name not in NETWORKS:
        raise unknown_option("figureground network", name, NETWORKS)
    return NETWORKS[name]


def _with_channels(preprocessing: Preprocessing, channels: int) -> Preprocessing:
    """The same for grey images, or as it is."""
    return preprocessing if channels == 3 else preprocessing.changed({"channels": channels})
