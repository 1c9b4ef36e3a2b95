"""A classifier's weights in the architecture that its library builds, without anything of ours."""

__all__ = ["Plain", "plain_network"]

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError, OptionError
from figureground.models import Classifier, load_classifier
from figureground.studies.models import LoadedModel
from figureground.training.recipe import ModelSpec, is_run, read_recipe

_COUNTED = (
    "timm",
    "torchvision",
    "figureground",
)  # whose networks are built for a number of classes
_BUILT = (*_COUNTED, "hf", "file")
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Plain:
    """A plain network with a classifier's weights.

    Args:
        source: ``timm``, ``torchvision``, ``figureground``, another source of models, or ``file``.
        name: Under which the source builds it.
        arguments: For the function that builds it.
        network: The network, in evaluation mode.
        difference: Largest difference of its logits from the classifier's, on random images.
    """

    source: str
    name: str
    arguments: Mapping[str, Any]
    network: nn.Module
    difference: float


def plain_network(loaded: LoadedModel, outputs: int) -> Plain:
    """The architecture built anew, with the classifier's weights and its first outputs, and the same logits.

    Args:
        loaded: The classifier, and where it comes from.
        outputs: How many of the logits are kept, from the first.

    Returns:
        The network.

    Raises:
        OptionError: Nothing tells how the network is built, or the classifier is not of a form that its library builds,
            as its head was replaced.
        ModelError: The network that was built gives other logits.
    """
    name, arguments = _origin(loaded)
    source = "file" if ".py:" in name else name.partition(":")[0]
    if source not in _BUILT:
        raise OptionError(
            f"nothing tells how {loaded.classifier.name} is built anew; --to onnx writes every network"
        )
    inner = name if source == "file" else name.partition(":")[2]
    if source == "timm":
        inner = str(loaded.classifier.network.pretrained_cfg["architecture"])  # type: ignore[index]
    if source == "torchvision":
        inner = inner.partition("@")[0]
    if source in _COUNTED:
        arguments = {**arguments, "num_classes": outputs}
    with torch.random.fork_rng(devices=[]):  # the caller's random stream must not notice
        whole = inner if source == "file" else f"{source}:{inner}"
        network = load_classifier(whole, random=True, arguments=arguments).network
    state = loaded.classifier.network.state_dict()
    network.load_state_dict(_fitted(state, network.state_dict(), outputs, name=whole))
    difference = _difference(loaded.classifier, network.eval(), outputs)
    if not difference <= _TOLERANCE:
        raise ModelError(
            f"{whole} with these weights gives other logits (by {difference:.2g}) than the classifier; --to onnx "
            "writes the classifier as it is"
        )
    return Plain(source, inner, arguments, network, difference)


def _origin(loaded: LoadedModel) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the network: of the first run, where runs were trained further."""
    if loaded.run is None:
        return loaded.name, dict(loaded.settings.get("arguments") or {})
    spec: ModelSpec = loaded.run.recipe.model
    while is_run(spec.name):
        spec = read_recipe(Path(spec.name) / "recipe.yaml").model
    return spec.name, dict(spec.arguments)


def _fitted(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], outputs: int, *, name: str
) -> dict[str, Tensor]:
    """The weights, those of outputs that are dropped left out."""
    fitted = {}
    for key, value in state.items():
        like = wanted.get(key)
        cut = value[:outputs] if value.ndim else value
        fitted[key] = cut if like is not None and like.shape == cut.shape else value
    odd = [key for key in (*wanted, *fitted) if not _fit(fitted.get(key), wanted.get(key))]
    if odd:
        raise OptionError(
            f"the weights are not those of a plain {name} ({odd[0]}): its head was replaced by one of another kind; "
            "--to onnx writes every network"
        )
    return fitted


def _fit(value: Tensor | None, wanted: Tensor | None) -> bool:
    """Whether both are there and have one shape."""
    return value is not None and wanted is not None and value.shape == wanted.shape


@torch.inference_mode()
def _difference(classifier: Classifier, network: nn.Module, outputs: int) -> float:
    """The largest difference of a logit on random images."""
    plain = classifier.preprocessing
    drawn = torch.Generator().manual_seed(0)
    images = torch.rand(2, plain.channels, *plain.size, generator=drawn)
    other = Classifier(network, plain, output=classifier.output)
    return float((classifier(images)[:, :outputs] - other(images)).abs().max())
