"""Networks from torchvision, prepared as their weights say."""

__all__ = ["build", "names"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torchvision
from torchvision.models import get_model, get_model_weights, list_models

from figureground.base.errors import ModelError, OptionError, unknown_option
from figureground.models.preprocessing import Preprocessing
from figureground.models.source import Found, Wanted, fetching

# these two warn where nobody says whether to initialise them
_ASK_FOR_INITIALISATION = frozenset({"googlenet", "inception_v3"})


def build(name: str, wanted: Wanted) -> Found:
    """A torchvision network.

    Args:
        name: As torchvision spells it, if need be with its weights: ``resnet50``, ``resnet50@IMAGENET1K_V1``.
        wanted: ``arguments`` go to ``torchvision.models.get_model``. ``readout`` is for its networks of that kind:
            ``segmentation``, and ``boxes`` for its detectors.

    Returns:
        The network, its preprocessing, and its class names.

    Raises:
        OptionError: Unknown name, weights or argument.
        ModelError: The weights cannot be had.
    """
    base, _, tag = name.partition("@")
    weights = _weights(base, tag or "DEFAULT", known=_known(base, wanted))
    arguments = dict(wanted.arguments)
    if wanted.readout is not None:
        # else torchvision fetches a trained backbone for an untrained network
        arguments.setdefault("weights_backbone", None)
    if base in _ASK_FOR_INITIALISATION and not wanted.trained:
        arguments.setdefault("init_weights", True)
    try:
        with fetching(f"torchvision:{name}"):
            network = get_model(base, weights=weights if wanted.trained else None, **arguments)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"torchvision:{name} cannot take the arguments {arguments}: {error}"
        ) from error
    except (RuntimeError, MemoryError) as error:
        raise ModelError(f"torchvision cannot build {name}: {error}") from error
    class_names = _class_names(weights.meta, wanted.arguments)
    count = len(class_names) if class_names else wanted.arguments.get("num_classes")
    transform = weights.transforms()
    if wanted.readout == "boxes":
        prepared, count = _of_detector(network), count or _DETECTED
    else:
        prepared = _preprocessing(transform)
    return Found(network, prepared, class_names, count, assumptions=_assumptions(transform))


def names() -> list[str]:
    """Every classifier that torchvision knows.

    Returns:
        Names without weights.
    """
    return list_models(module=torchvision.models)


# readout -> the networks that it is for, and what they return
_DENSE = {
    "segmentation": (torchvision.models.segmentation, "scores for each pixel"),
    "boxes": (torchvision.models.detection, "boxes"),
}
_DETECTED = 91  # torchvision builds its detectors for COCO's categories


def _known(base: str, wanted: Wanted) -> list[str]:
    """The names of networks whose outputs can be read as is wanted."""
    for readout, (module, gives) in _DENSE.items():
        if wanted.readout is None and base in list_models(module=module):
            raise OptionError(
                f"torchvision:{base} gives {gives}: say --readout {readout} (readout='{readout}') to have a class for "
                "each category"
            )
    if wanted.readout is None:
        return names()
    if wanted.readout not in _DENSE:
        raise unknown_option("readout", wanted.readout, _DENSE)
    return list_models(module=_DENSE[wanted.readout][0])


def _weights(base: str, tag: str, *, known: Sequence[str]) -> Any:  # noqa: ANN401 - torchvision is not typed
    """The entry of torchvision's table of weights."""
    if base not in known:
        raise unknown_option("torchvision network", base, known)
    table = get_model_weights(base)
    if tag not in table.__members__:
        raise unknown_option(f"torchvision weights of {base}", tag, table.__members__)
    return table[tag]


def _preprocessing(transform: Any) -> Preprocessing:  # noqa: ANN401 - torchvision is not typed
    """The same steps as torchvision's own evaluation transform."""
    resize = transform.resize_size[0]
    crop = transform.crop_size[0] if hasattr(transform, "crop_size") else resize
    fraction = crop / resize
    if math.floor(crop / fraction) != resize:
        fraction = math.nextafter(fraction, 0)
    return Preprocessing(
        size=(crop, crop),
        resize="crop",
        crop_fraction=fraction,
        interpolation=transform.interpolation.value,
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )


def _of_detector(network: Any) -> Preprocessing:  # noqa: ANN401 - torchvision is not typed
    """At the size that the detector would bring an image to; it normalises by itself."""
    side = int(network.transform.min_size[-1])
    return Preprocessing((side, side), "crop", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3)


def _assumptions(transform: Any) -> tuple[str, ...]:  # noqa: ANN401 - torchvision is not typed
    """What was assumed of the preprocessing."""
    if hasattr(transform, "crop_size"):
        return ()
    note = (
        "torchvision keeps the shape of images for segmentation and detection; all are cropped to the middle square "
        "here (--size and --resize say otherwise)"
    )
    return (note,)


def _class_names(meta: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names that come with the weights, unless the network is built with another number of classes."""
    categories = meta.get("categories")
    if not categories or arguments.get("num_classes", len(categories)) != len(categories):
        return None
    return tuple(categories)
