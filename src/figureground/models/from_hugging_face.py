"""Image classifiers from the Hugging Face hub, by way of transformers (an optional extra)."""

__all__ = ["build", "from_processor", "names"]

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from huggingface_hub import constants
from torch import nn

from figureground.base.errors import ModelError, OptionError
from figureground.models.preprocessing import Preprocessing
from figureground.models.source import Found, Wanted, fetching, reachable

# by the number that image processors write down
_INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")


def build(name: str, wanted: Wanted) -> Found:
    """A classifier from the hub, or from a folder that ``save_pretrained`` wrote.

    Args:
        name: ``organisation/model``, or a folder.
        wanted: ``arguments`` go to the model's configuration.

    Returns:
        The network, its image processor's preprocessing, and its configuration's class names.

    Raises:
        OptionError: An argument that it does not take.
        ModelError: transformers is not installed, or the files cannot be had or are no image classifier.
    """
    transformers = _transformers()
    offline = Path(name).is_dir() or not reachable(constants.ENDPOINT)
    try:
        with fetching(f"hf:{name}"):
            network = _network(transformers, name, (wanted, offline))
            processor = transformers.AutoImageProcessor.from_pretrained(
                name, local_files_only=offline
            )
    except TypeError as error:
        raise OptionError(
            f"hf:{name} cannot take the arguments {dict(wanted.arguments)}: {error}"
        ) from error
    except (ValueError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"hf:{name} is not an image classifier that can be built: {error}"
        ) from error
    config: Any = network.config
    return Found(
        network=network,
        preprocessing=from_processor(processor.to_dict()),
        class_names=_class_names(config.id2label),
        num_classes=config.num_labels,
    )


def names() -> list[str]:
    """Nothing: the hub is too large to list.

    Returns:
        An empty list.
    """
    return []


def from_processor(config: Mapping[str, Any]) -> Preprocessing:
    """Preprocessing from the configuration of a transformers image processor.

    Args:
        config: ``to_dict()`` of the processor, or its ``preprocessor_config.json``.

    Returns:
        The preprocessing. A processor that lets the shape vary with the image becomes a centre crop.

    Examples:
        >>> vit = {
        ...     "size": {"height": 224, "width": 224},
        ...     "resample": 2,
        ...     "image_mean": [0.5] * 3,
        ...     "image_std": [0.5] * 3,
        ... }
        >>> from_processor(vit).resize
        'stretch'
    """
    size, resize, fraction = _resizing(config)
    mean, std = _normalisation(config)
    return Preprocessing(
        size=size,
        resize=resize,
        crop_fraction=fraction,
        interpolation=_INTERPOLATIONS[int(config.get("resample", 2))],
        mean=mean,
        std=std,
    )


def _transformers() -> ModuleType:
    """The package, where it is installed."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ModelError(
            "models from the Hugging Face hub need transformers: install figureground with its extra 'hf'"
        ) from error


def _network(transformers: ModuleType, name: str, how: tuple[Wanted, bool]) -> nn.Module:
    """The network alone, with or without its trained weights."""
    wanted, offline = how
    models, arguments = transformers.AutoModelForImageClassification, dict(wanted.arguments)
    if wanted.trained:
        return models.from_pretrained(name, local_files_only=offline, **arguments)
    config = transformers.AutoConfig.from_pretrained(name, local_files_only=offline, **arguments)
    return models.from_config(config)


def _resizing(
    config: Mapping[str, Any],
) -> tuple[tuple[int, int], Literal["crop", "stretch"], float]:
    """Size, way to resize, and fraction that is kept."""
    asked = _sides(config.get("size", 224))
    edge = asked.get("shortest_edge")
    cropped = _sides(config["crop_size"]) if config.get("do_center_crop") else {}
    if edge is None:
        height, width = asked["height"], asked["width"]
        kept = (cropped.get("height", height), cropped.get("width", width))
        return kept, "stretch", kept[0] / height
    if "crop_pct" in config:
        # the ConvNeXt processor: small images are cropped, large ones stretched whole
        large = edge >= 384
        fraction = 1.0 if large else float(config["crop_pct"] or 1.0)
        return (edge, edge), "stretch" if large else "crop", fraction
    kept = (cropped.get("height", edge), cropped.get("width", edge))
    return kept, "crop", min(kept) / edge


def _sides(size: int | Mapping[str, int]) -> dict[str, int]:
    """A size as a mapping, whichever way it was written."""
    return {"height": size, "width": size} if isinstance(size, int) else dict(size)


def _normalisation(config: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation for images in [0, 1], with the processor's own rescaling folded in."""
    mean, std = (0.0,) * 3, (1.0,) * 3
    if config.get("do_normalize", True):
        mean, std = tuple(config["image_mean"]), tuple(config["image_std"])
    scale = 255 * config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 255.0
    shift = 1.0 if config.get("rescale_offset") else 0.0
    return tuple((value + shift) / scale for value in mean), tuple(value / scale for value in std)


def _class_names(labels: Mapping[Any, str]) -> tuple[str, ...] | None:
    """Names in the order of the logits; none where they are only numbered."""
    ordered = tuple(str(labels[key]) for key in sorted(labels, key=int))
    numbered = all(label == f"LABEL_{index}" for index, label in enumerate(ordered))
    return None if numbered else ordered
