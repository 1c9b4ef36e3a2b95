"""A new head on a known network, wherever the network keeps its old one."""

__all__ = ["replace_head"]

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from figureground.base.errors import HeadError, OptionError, unknown_option
from figureground.models.classifier import Classifier
from figureground.models.heads.cosine import CosineLinear
from figureground.models.heads.spinal import SpinalHead

_M = TypeVar("_M", bound=nn.Module)
_HEADS: dict[str, Callable[[int, int], nn.Module]] = {
    "cosine": CosineLinear,
    "linear": nn.Linear,
    "spinal": SpinalHead,
}
# where networks keep their classifier, by the habits of torchvision, timm, transformers and ourselves
_HEAD_NAMES = ("fc", "head", "heads", "classifier", "linear")


def replace_head(
    model: _M,
    num_outputs: int,
    *,
    head: str | Callable[[int, int], nn.Module] = "linear",
    at: str | None = None,
) -> tuple[_M, int]:
    """Put a fresh head in the place of a network's last linear layer.

    The layer is looked for where timm says that it is, else at ``fc``, ``head``, ``heads``, ``classifier`` or
    ``linear``; inside a group of modules it is the last linear layer. A 1 × 1 convolution that classifies (SqueezeNet)
    is replaced by another one. What precedes it (pooling, norm, dropout) stays, and so do auxiliary heads. The new head
    is on the old one's device and of its type; its weights are drawn from torch's global stream, as building a module
    always does.

    Args:
        model: Any classifier; changed in place, as is its ``num_classes`` where it has one.
        num_outputs: Number of logits, a background output included.
        head: ``linear``, ``spinal``, ``cosine``, or a function of the number of features and the number of outputs,
            such as ``functools.partial(SpinalHead, width=20, style="resnet")``.
        at: Dotted name of the layer to replace, where it cannot be found.

    Returns:
        The same model, and the number of features that its head gets.

    Raises:
        OptionError: Unknown head, no outputs, or no module of that name.
        HeadError: No head is found, there are several, or it cannot take this kind.

    Examples:
        >>> import torchvision
        >>> network, features = replace_head(torchvision.models.resnet18(), 11)
        >>> features, network.fc
        (512, Linear(in_features=512, out_features=11, bias=True))
    """
    if num_outputs < 1:
        raise OptionError(f"num_outputs must be at least 1, got {num_outputs}")
    network = model.network if isinstance(model, Classifier) else model
    name = _head_name(network) if at is None else at
    old = _module(network, name)
    features = _features(old, network, name)
    fresh = _fresh(old, (features, num_outputs), head)
    weight = getattr(old, "weight", None)
    if weight is None:
        weight = next(network.parameters(), None)
    if weight is not None:
        fresh = fresh.to(weight.device, weight.dtype)
    network.set_submodule(name, fresh.train(old.training))
    _set_count(network, num_outputs)
    if isinstance(model, Classifier):
        _set_classes(model, num_outputs)
    return model, features


def _head_name(network: nn.Module) -> str:
    """Dotted name of the last linear layer or 1 × 1 convolution."""
    modules = dict(network.named_modules())
    for start in (*_stated_names(network), *_HEAD_NAMES):
        inside = [name for name in modules if f"{name}.".startswith(f"{start}.")]
        spinal = [name for name in inside if isinstance(modules[name], SpinalHead)]
        found = spinal or [name for name in inside if _classifies(modules[name])]
        if found:
            return found[-1]
        if start in modules and isinstance(modules[start], nn.Identity):
            return start
    raise HeadError(
        f"no head found in {type(network).__name__}; say which layer to replace with at='NAME'"
    )


def _stated_names(network: nn.Module) -> tuple[str, ...]:
    """Where timm says that the classifier is, or nothing."""
    stated = (getattr(network, "pretrained_cfg", None) or {}).get("classifier") or ()
    names = (stated,) if isinstance(stated, str) else tuple(stated)
    parts = ((name.split("."), module) for name, module in network.named_modules())
    if len(names) == 1 and any("head_dist" in p and _classifies(m) for p, m in parts):
        names = (*names, "head_dist")
    if len(names) > 1:
        raise HeadError(f"{type(network).__name__} has {len(names)} heads ({', '.join(names)})")
    return names


def _classifies(module: nn.Module) -> bool:
    """Whether a module can be a classifier's last layer."""
    return isinstance(module, nn.Linear | CosineLinear) or (
        isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1
    )


def _module(network: nn.Module, name: str) -> nn.Module:
    """The module of this name."""
    modules = dict(network.named_modules())
    if name not in modules or not name:
        raise unknown_option(f"module of {type(network).__name__}", name, modules)
    return modules[name]


def _features(old: nn.Module, network: nn.Module, name: str) -> int:
    """How long the vectors are that the head gets."""
    if isinstance(old, nn.Linear | CosineLinear):
        return old.in_features
    if _classifies(old) and isinstance(old, nn.Conv2d):
        return old.in_channels
    if isinstance(old, SpinalHead):
        return old.in_features
    # timm's networks without a classifier
    known = getattr(network, "head_hidden_size", None) or getattr(network, "num_features", None)
    if not (isinstance(old, nn.Identity) and isinstance(known, int)):
        raise HeadError(f"'{name}' is a {type(old).__name__}: it cannot be replaced by a head")
    return known


def _fresh(
    old: nn.Module, sizes: tuple[int, int], head: str | Callable[[int, int], nn.Module]
) -> nn.Module:
    """The new head."""
    if isinstance(head, str) and head not in _HEADS:
        raise unknown_option("head", head, _HEADS)
    if not isinstance(old, nn.Conv2d):
        return _HEADS[head](*sizes) if isinstance(head, str) else head(*sizes)
    if head != "linear":
        raise HeadError("a convolution that classifies can only be replaced by head='linear'")
    return nn.Conv2d(*sizes, 1, bias=old.bias is not None)


def _set_count(network: nn.Module, num_outputs: int) -> None:
    """Keep the network's own count of classes true."""
    if isinstance(getattr(network, "num_classes", None), int):
        network.num_classes = num_outputs  # type: ignore[assignment]  # a plain attribute


def _set_classes(model: Classifier, num_outputs: int) -> None:
    """Class names fit as many outputs as before, and one more for the background."""
    names = model.class_names
    if names is not None and num_outputs == len(names) + 1:
        model.class_names = (*names, "background")
    elif names is not None and num_outputs != len(names):
        model.class_names = None
    model.num_classes = num_outputs
