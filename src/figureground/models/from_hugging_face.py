"""Image classifiers from the Hugging Face hub, by way of transformers (an optional extra)."""

__all__ = ["build", "from_processor", "names"]

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from huggingface_hub import constants
from torch import nn

from figureground.base.errors import FigureGroundError, ModelError, OptionError
from figureground.models.hugging_face_texts import zero_shot_network
from figureground.models.preprocessing import Preprocessing
from figureground.models.source import Found, Wanted, fetching, reachable, source

_STEPS = frozenset({
    "do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_flip_channel_order",
    "do_reduce_labels",  # of masks, not of images
})  # fmt: skip
_OTHER_STEPS = (
    "size_divisor", "clusters", "pad_size", "max_num_patches", "ensure_multiple_of", "keep_aspect_ratio"
)  # fmt: skip
# all else is noted; what begins with an underscore says nothing of images
_FOLLOWED = frozenset({
    "size", "crop_size", "crop_pct", "resample", "rescale_factor", "rescale_offset", "include_top", "image_mean",
    "image_std", "image_processor_type", "feature_extractor_type", "processor_class", "auto_map", "reduce_labels",
    "default_to_square", "data_format", "input_data_format", "return_tensors", "device", "disable_grouping",
    "data_config", "pretrained_cfg", "architecture", "num_channels",
})  # fmt: skip
# where one number for the size is that of the shorter side
_BY_SHORTER_SIDE = (
    "Bit", "CLIP", "ChineseCLIP", "ConvNeXT", "ConvNext", "Levit", "MobileNet", "MobileViT", "PoolFormer", "TextNet"
)  # fmt: skip
# by the number that image processors write down
_INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")


def build(name: str, wanted: Wanted) -> Found:
    """A classifier from the hub, or from a folder that ``save_pretrained`` wrote.

    Args:
        name: ``organisation/model``, or a folder.
        wanted: ``arguments`` go to the model's configuration; ``texts`` are the classes of a model that embeds images
            and texts.

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
            built = _network if wanted.texts is None else zero_shot_network
            network: nn.Module = built(transformers, name, (wanted, offline))
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
    described = processor.to_dict()
    class_names, count = _classes(network, name, wanted)
    return Found(
        network=network,
        preprocessing=from_processor(described),
        class_names=class_names,
        num_classes=count,
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
        The preprocessing: exactly what the processor does with Pillow. With torchvision it rounds otherwise, by up to
        two levels of 255, and by more where a cubic goes beyond black or white. A processor that lets the shape vary
        with the image becomes a centre crop.

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
        channel_order="bgr" if config.get("do_flip_channel_order") else "rgb",
        half_pixel="down",
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
    if config.get("data_config") or config.get("pretrained_cfg"):
        return ()
    told = []
    fixed = config.get("do_center_crop") or ("crop_pct" in config and not _is(config, "PoolFormer"))
    if "shortest_edge" in _size(config) and not fixed:
        told.append(
            f"{_kind(config)} keeps the shape of an image; all are cropped to the middle square here (--size and "
            "--resize say otherwise)"
        )
    other = [key for key in config if key not in _FOLLOWED and not key.startswith(("do_", "_"))]
    unknown = [key for key in other if config[key] not in (None, False, "", [], {})]
    if unknown:
        told.append(
            f"{_kind(config)} has settings that are not followed here: {', '.join(unknown)}"
        )
    return tuple(told)


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


_Resizing = tuple[tuple[int, int], Literal["crop", "stretch", "middle"], float]


def _resizing(config: Mapping[str, Any]) -> _Resizing:
    """Size, way to resize, and fraction that is kept."""
    asked = _size(config)
    cropped = _sides(config["crop_size"]) if config.get("do_center_crop") else {}
    if "shortest_edge" in asked:
        return _by_shorter_side(config, asked, cropped)
    height, width = asked["height"], asked["width"]
    if _is(config, "Perceiver") and cropped:
        # cuts the middle of the shorter side, size over crop, and resizes that
        _refuse_unequal(height / cropped["height"], width / cropped["width"])
        return (height, width), "middle", height / cropped["height"]
    if _is(config, "PoolFormer") and config.get("crop_pct"):
        raise ValueError("crop_pct without shortest_edge")
    kept = (cropped.get("height", height), cropped.get("width", width))
    return kept, "stretch", _fraction(kept, (height, width))


def _by_shorter_side(
    config: Mapping[str, Any], asked: Mapping[str, int], cropped: Mapping[str, int]
) -> _Resizing:
    """The same for processors that say how long the shorter side becomes."""
    edge, share = asked["shortest_edge"], config.get("crop_pct")
    if asked.get("longest_edge"):
        raise ValueError("longest_edge beside shortest_edge")
    if "crop_pct" in config and not _is(config, "PoolFormer"):
        # the ConvNeXt processor: small images are cropped, large ones stretched whole
        if edge >= 384:
            return (edge, edge), "stretch", 1.0
        return (edge, edge), "crop", _fraction((edge, edge), (int(edge / (share or 1.0)),) * 2)
    resized = int(256 / 224 * edge) if _is(config, "Levit") else int(edge / (share or 1.0))
    kept = (cropped.get("height", resized), cropped.get("width", resized))
    _refuse_unequal(*map(float, kept))
    return kept, "crop", _fraction(kept, (resized, resized))


def _fraction(kept: tuple[int, int], resized: tuple[int, int]) -> float:
    """The share of the resized image that is kept, so that the sides come out as whole numbers again."""
    share = kept[0] / resized[0]
    for one in (share, math.nextafter(share, 0.0)):
        if all(math.floor(k / one) == r for k, r in zip(kept, resized, strict=True)):
            return one
    raise ValueError(f"{kept} of {resized}, whose sides are not in proportion")


def _refuse_unequal(of_height: float, of_width: float) -> None:
    """Refuse what is not the same for both sides."""
    if of_height != of_width:
        raise ValueError(f"height and width differ: {of_height}, {of_width}")


def _size(config: Mapping[str, Any]) -> dict[str, int]:
    """The size that is asked for, as a mapping."""
    if isinstance(config["size"], int) and _is(config, *_BY_SHORTER_SIDE):
        return {"shortest_edge": config["size"]}
    return _sides(config["size"])


def _is(config: Mapping[str, Any], *families: str) -> bool:
    """Whether the processor is that of one of these families."""
    return _kind(config).startswith(families)


def _sides(size: int | Mapping[str, int]) -> dict[str, int]:
    """A size as a mapping, whichever way it was written."""
    return {"height": size, "width": size} if isinstance(size, int) else dict(size)


def _normalisation(config: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation for images in [0, 1], with the processor's own rescaling folded in."""
    mean: tuple[float, ...] = (0.0,) * 3
    std: tuple[float, ...] = (1.0,) * 3
    # the MobileViT processor never does, whatever its configuration holds
    asked = config.get("do_normalize", config.get("image_mean") is not None)
    if asked and not _is(config, "MobileViT"):
        mean, std = tuple(config["image_mean"]), tuple(config["image_std"])
    if config.get("include_top"):  # the EfficientNet processor divides by the deviation once more
        std = tuple(one * two for one, two in zip(std, config["image_std"], strict=True))
    rescaled = config.get("do_rescale", True)
    scale = 255 * config.get("rescale_factor", 1 / 255) if rescaled else 255.0
    shift = 1.0 if rescaled and config.get("rescale_offset") else 0.0
    return tuple((value + shift) / scale for value in mean), tuple(value / scale for value in std)


def _classes(network: Any, name: str, wanted: Wanted) -> tuple[tuple[str, ...] | None, int]:  # noqa: ANN401
    """The names of the classes, where known, and how many they are."""
    if wanted.texts is not None:
        return wanted.texts.names, len(wanted.texts.names)
    config = network.config
    made_for = getattr(config, "architectures", None) or ()
    if hasattr(config, "text_config") and not any("Classification" in one for one in made_for):
        raise OptionError(
            f"hf:{name} embeds images and texts and has no classes: name them with --texts 'a cat,a dog'"
        )
    return _class_names(config.id2label), config.num_labels


def _class_names(labels: Mapping[Any, str]) -> tuple[str, ...] | None:
    """Names in the order of the logits; none where they are only numbered."""
    ordered = tuple(str(labels[key]) for key in sorted(labels, key=int))
    numbered = all(label == f"LABEL_{index}" for index, label in enumerate(ordered))
    return None if numbered else ordered
