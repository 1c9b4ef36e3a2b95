"""Image classifiers from the Hugging Face hub, by way of transformers (an optional extra)."""

__all__ = ["build", "from_processor", "names"]

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from huggingface_hub import constants
from torch import nn

from figureground.base.errors import FigureGroundError, ModelError, OptionError
from figureground.models.preprocessing import Preprocessing
from figureground.models.source import Found, Wanted, fetching, reachable, source

# by the number that image processors write down
_STEPS = frozenset({"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"})
_OTHER_STEPS = ("size_divisor", "clusters", "pad_size")
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
    except Exception as error:  # on a damaged folder its readers raise nearly anything
        if isinstance(error, FigureGroundError):
            raise
        raise ModelError(
            f"hf:{name} is not an image classifier that can be built: {error}"
        ) from error
    config: Any = network.config
    described = processor.to_dict()
    return Found(
        network=network,
        preprocessing=from_processor(described),
        class_names=_class_names(config.id2label),
        num_classes=config.num_labels,
        assumptions=_assumptions(described),
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

    Raises:
        ModelError: It does something to the images that has no counterpart here.

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
    timm_config = config.get("data_config") or config.get("pretrained_cfg")
    if isinstance(timm_config, Mapping):  # a network of timm in transformers' clothes
        return source("timm").from_config(timm_config)  # type: ignore[attr-defined]
    _refuse_unknown(config)
    try:
        size, resize, fraction = _resizing(config)
        mean, std = _normalisation(config)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{_kind(config)} does not say how images are prepared: {error!r}"
        ) from error
    return Preprocessing(
        size=size,
        resize=resize,
        crop_fraction=fraction,
        interpolation=_INTERPOLATIONS[
            int(2 if config.get("resample") is None else config["resample"])
        ],
        mean=mean,
        std=std,
    )


def _kind(config: Mapping[str, Any]) -> str:
    """The class of the processor, as far as it is known."""
    return str(
        config.get("image_processor_type")
        or config.get("feature_extractor_type")
        or "the image processor"
    )


def _refuse_unknown(config: Mapping[str, Any]) -> None:
    """Refuse steps that would be left out: images prepared in another way give answers that look right."""
    asked = [key for key, value in config.items() if key.startswith("do_") and value]
    unknown = [key for key in asked if key not in _STEPS]
    unknown += [key for key in _OTHER_STEPS if config.get(key)]
    if config.get("do_resize") is False:
        unknown.append("do_resize=false")
    if unknown:
        raise ModelError(
            f"{_kind(config)} prepares images in ways that are not known here ({', '.join(unknown)}); wrap the "
            "model in a Python file that does it (--model FILE.py:FUNCTION)"
        )


def _assumptions(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What was assumed of the preprocessing, in sentences."""
    size = config.get("size")
    varies = isinstance(size, Mapping) and "shortest_edge" in size and not _fixed_shape(config)
    if not varies:
        return ()
    assumed = "all are cropped to the middle square here (--size and --resize say otherwise)"
    return (f"{_kind(config)} keeps the shape of an image; {assumed}",)


def _fixed_shape(config: Mapping[str, Any]) -> bool:
    """Whether all images come out in one shape."""
    return bool(config.get("do_center_crop") or "crop_pct" in config)


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


_Resizing = tuple[tuple[int, int], Literal["crop", "stretch"], float]


def _resizing(config: Mapping[str, Any]) -> _Resizing:
    """Size, way to resize, and fraction that is kept."""
    asked = _sides(config.get("size", 224))
    cropped = _sides(config["crop_size"]) if config.get("do_center_crop") else {}
    if "shortest_edge" in asked:
        return _by_shorter_side(config, asked["shortest_edge"], cropped)
    height, width = asked["height"], asked["width"]
    if _kind(config).startswith(
        "Perceiver"
    ):  # cuts the middle of the shorter side, size over crop, and resizes that
        return (height, width), "crop", height / cropped.get("height", height)
    kept = (cropped.get("height", height), cropped.get("width", width))
    return kept, "stretch", kept[0] / height


def _by_shorter_side(config: Mapping[str, Any], edge: int, cropped: Mapping[str, int]) -> _Resizing:
    """The same for processors that say how long the shorter side becomes."""
    kind, share = _kind(config), config.get("crop_pct")
    if "crop_pct" in config and not kind.startswith("PoolFormer"):
        # the ConvNeXt processor: small images are cropped, large ones stretched whole
        large = edge >= 384
        return (edge, edge), "stretch" if large else "crop", 1.0 if large else float(share or 1.0)
    resized = int(edge / share) if share else edge
    if kind.startswith("Levit"):
        resized = int(256 / 224 * edge)
    kept = (cropped.get("height", edge), cropped.get("width", edge))
    return kept, "crop", min(kept) / resized


def _sides(size: int | Mapping[str, int]) -> dict[str, int]:
    """A size as a mapping, whichever way it was written."""
    return {"height": size, "width": size} if isinstance(size, int) else dict(size)


def _normalisation(config: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation for images in [0, 1], with the processor's own rescaling folded in."""
    mean: tuple[float, ...] = (0.0,) * 3
    std: tuple[float, ...] = (1.0,) * 3
    if config.get("do_normalize", config.get("image_mean") is not None):
        mean, std = tuple(config["image_mean"]), tuple(config["image_std"])
        if config.get(
            "include_top"
        ):  # the EfficientNet processor divides by the deviation once more
            std = tuple(value * value for value in std)
    scale = 255 * config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 255.0
    shift = 1.0 if config.get("rescale_offset") else 0.0
    return tuple((value + shift) / scale for value in mean), tuple(value / scale for value in std)


def _class_names(labels: Mapping[Any, str]) -> tuple[str, ...] | None:
    """Names in the order of the logits; none where they are only numbered."""
    ordered = tuple(str(labels[key]) for key in sorted(labels, key=int))
    numbered = all(label == f"LABEL_{index}" for index, label in enumerate(ordered))
    return None if numbered else ordered
