"""Networks from timm, prepared as timm prepares them for evaluation."""

__all__ = ["build", "from_config", "names"]

from collections.abc import Mapping
from typing import Any, Literal

import timm
from huggingface_hub import constants, try_to_load_from_cache
from timm.data.config import resolve_data_config
from timm.data.imagenet_info import ImageNetInfo
from torch import nn

from figureground.base.errors import FigureGroundError, ModelError, OptionError, unknown_option
from figureground.models.imagenet import imagenet_names
from figureground.models.preprocessing import Preprocessing, per_channel
from figureground.models.source import LOGITS_OF_1001, Found, Wanted, fetching, reachable

_HUB_PREFIXES = ("hf-hub:", "local-dir:")
_RESIZE: dict[str, Literal["crop", "stretch", "pad"]] = {
    "center": "crop",
    "squash": "stretch",
    "border": "pad",
}
_SUBSETS = {
    11221: "imagenet-21k-miil",
    11821: "imagenet-12k",
    21841: "imagenet-22k",
    21842: "imagenet-22k-ms",
    21843: "imagenet-21k-goog",
}


def build(name: str, wanted: Wanted) -> Found:
    """A timm network.

    Args:
        name: As timm spells it, with or without the tag of the weights: ``resnet50``, ``resnet50.a1_in1k``.
        wanted: ``arguments`` go to ``timm.create_model``.

    Returns:
        The network, its preprocessing at training resolution, and class names where known.

    Raises:
        OptionError: Unknown name, weights tag or argument.
        ModelError: The weights cannot be had, or the network has no classifier.
    """
    _check_name(name)
    arguments = dict(wanted.arguments)
    if wanted.trained and not name.startswith(_HUB_PREFIXES):
        arguments |= _weights_on_disk(name, arguments)
    try:
        with fetching(f"timm:{name}"):
            network = timm.create_model(name, pretrained=wanted.trained, **arguments)
    except TypeError as error:
        raise OptionError(f"timm:{name} cannot take the arguments {arguments}: {error}") from error
    except Exception as error:  # on a damaged folder its readers raise nearly anything
        if isinstance(error, FigureGroundError):
            raise
        raise ModelError(f"timm cannot build {name}: {error}") from error
    return _found(network, wanted, name)


def names() -> list[str]:
    """Every architecture that timm knows.

    Returns:
        Names without tags.
    """
    return timm.list_models()


def from_config(
    config: Mapping[str, Any], arguments: Mapping[str, Any] | None = None
) -> Preprocessing:
    """Preprocessing from a timm configuration (``pretrained_cfg``).

    Args:
        config: Any of ``input_size interpolation crop_pct crop_mode mean std``; timm's defaults for the rest.
        arguments: Of the network: ``img_size`` and ``in_chans`` go before the configuration.

    Returns:
        The preprocessing.
    """
    given = arguments or {}
    # an empty mapping would read as "nothing given"
    resolved: dict[str, Any] = resolve_data_config(  # type: ignore[no-untyped-call]
        pretrained_cfg=dict(config) or {"input_size": None}
    )
    channels, height, width = resolved["input_size"]
    size = given.get("img_size") or (height, width)
    channels = given.get("in_chans") or channels
    return Preprocessing(
        size=(size, size) if isinstance(size, int) else (int(size[0]), int(size[1])),
        resize=_RESIZE[resolved["crop_mode"]],
        crop_fraction=float(resolved["crop_pct"]),
        interpolation=resolved["interpolation"],
        mean=per_channel(resolved["mean"], channels),
        std=per_channel(resolved["std"], channels),
        channels=channels,
    )


def _found(network: nn.Module, wanted: Wanted, name: str) -> Found:
    """A built network with all that its configuration says of it."""
    config: Mapping[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    count: int = network.num_classes  # type: ignore[assignment]
    if count < 1:
        raise ModelError(
            f"timm:{name} has no classifier, only features; give it one with the model argument num_classes "
            "(--model-arg num_classes=…; model.arguments in a recipe) and its weights with a file (--weights FILE; "
            "model.weights in a recipe)"
        )
    class_names = _class_names(config, count)
    return Found(
        network=network,
        preprocessing=from_config(config, wanted.arguments),
        class_names=class_names,
        num_classes=count,
        notes=_notes(config, count, trained=wanted.trained),
    )


def _check_name(name: str) -> None:
    """Refuse a name or a weights tag that timm does not have."""
    if name.startswith(_HUB_PREFIXES):
        return
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        raise unknown_option("timm model", name, timm.list_models())
    tagged = timm.list_models(f"{base}.*", pretrained=True)
    if tag and name not in tagged:
        raise unknown_option("timm weights", name, tagged)


def _weights_on_disk(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing where timm will find the weights itself; else where they lie from an earlier download."""
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise ModelError(
            f"timm has no trained weights for {name}; give a weights file (--weights FILE; model.weights in "
            "a recipe) or take an untrained network (--random; model.pretrained=false)"
        )
    if not config.hf_hub_id or constants.HF_HUB_OFFLINE or reachable(constants.ENDPOINT):
        return {}
    for file in (config.hf_hub_filename, "model.safetensors", "pytorch_model.bin"):
        path = try_to_load_from_cache(config.hf_hub_id, file) if file else None
        if isinstance(path, str) and "pretrained_cfg_overlay" not in arguments:
            return {"pretrained_cfg_overlay": {"file": path}}
    with fetching(f"timm:{name}"):
        raise ConnectionError(f"{constants.ENDPOINT} cannot be reached")


def _class_names(config: Mapping[str, Any], count: int) -> tuple[str, ...] | None:
    """Names that come with the weights, or ImageNet's."""
    labels = config.get("label_names")
    if labels and len(labels) == count:
        described = config.get("label_descriptions")
        described = described if isinstance(described, dict) else {}
        return tuple(str(described.get(label, label)) for label in labels)
    return _imagenet_names(config.get("num_classes"), count)


def _imagenet_names(trained_count: int | None, count: int) -> tuple[str, ...] | None:
    """ImageNet's names, where the numbers of outputs that were trained and that there are leave no doubt."""
    if count == 1001 and trained_count in {1000, 1001}:
        return ("background", *imagenet_names())
    if count != trained_count:
        return None
    if count == 1000:
        return imagenet_names()
    return tuple(ImageNetInfo(_SUBSETS[count]).label_descriptions()) if count in _SUBSETS else None


def _notes(config: Mapping[str, Any], count: int, *, trained: bool) -> tuple[str, ...]:
    """What a reader of the results should know."""
    notes = []
    if trained and config.get("num_classes") != count:
        notes.append(
            f"The weights were trained for {config.get('num_classes')} classes: the classifier with {count} logits is "
            "untrained."
        )
    if count == 1001:
        notes.append(LOGITS_OF_1001)
    return tuple(notes)
