"""What a CAM method is: a pure function of captured tensors, and what the explainer must know of it."""

__all__ = [
    "CamMethod",
    "MethodInputs",
    "MethodResult",
    "channel_sum",
    "find_methods",
    "first_components",
    "layer_notes",
]

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import Field, dataclass
from types import NoneType
from typing import Any, ClassVar, get_args

import torch
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, unknown_option
from figureground.base.paper import Paper
from figureground.base.shapes import (
    Activations,
    FeatureMaps,
    Gradients,
    Images,
    Logits,
    MapsPerClass,
    MapStack,
)
from figureground.capture.attention import Attention
from figureground.capture.biases import Biases
from figureground.capture.head import Directions
from figureground.capture.second_derivative import Derivatives
from figureground.methods.left_out import LEFT_OUT
from figureground.methods.principal import principal_evidence
from figureground.methods.registry import METHODS, MethodEntry, Need
from figureground.methods.sweeps import Sweeps
from figureground.methods.targets import Targets

_TYPES = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a text",
    NoneType: "nothing",
}
_DESCRIBED = ("name", "title", "paper", "needs", "class_specific", "per_layer", "signed")


@dataclass(frozen=True)
class MethodInputs:
    """What one run of the network left for the methods, for one layer.

    Args:
        images: ``(N, C, H, W)`` as the network took them.
        activations: ``(N, C, h, w)`` float32.
        logits: ``(N, L)`` float32.
        directions: The K classes (or combinations of logits) asked for.
        gradients: ``(N, K, C, h, w)``; N, h and w may be 1 where it is the same for all; for methods that need them.
        class_maps: ``(N, K, h, w)`` weighted by a linear head; for methods that need them.
        tape: Record of the operations of the run; for methods that need it.
        concept_logits: Maps concept vectors ``(k, C)`` to the classifier's logits ``(k, L)``; for methods that need it.
        derivatives: First and second derivatives of the classes' evidence; for methods that need them.
        targets: The classes or functions asked for, to be read at other logits.
        sweeps: Runs of the network on other maps or images, shared by all classes and methods; for methods that need
            ``replay`` or ``rescore``.
        attention: The attention of the run, with gradients where they were asked for; for methods that need it.
        biases: The biases of the run, with their gradients; for methods that need them.
    """

    images: Images
    activations: FeatureMaps
    logits: Logits
    directions: Directions
    gradients: Gradients | None = None
    class_maps: MapsPerClass | None = None
    tape: Any = None
    concept_logits: Callable[[Tensor], Tensor] | None = None
    derivatives: Derivatives | None = None
    targets: Targets | None = None
    sweeps: Sweeps | None = None
    attention: Attention | None = None
    biases: Biases | None = None

    @property
    def per_class(self) -> tuple[Activations, Gradients]:
        """Activations ``(N, 1, C, h, w)`` and gradients, ready to broadcast over the classes."""
        assert self.gradients is not None  # noqa: S101 - the explainer gives what `needs` lists
        return self.activations[:, None], self.gradients

    @property
    def per_sweep(self) -> tuple[Targets, Sweeps]:
        """The targets, and what the network says to other maps and images."""
        assert self.targets is not None  # noqa: S101 - as above
        assert self.sweeps is not None  # noqa: S101
        return self.targets, self.sweeps


@dataclass(frozen=True)
class MethodResult:
    """What a method made.

    Args:
        maps: Raw maps ``(N, K, h, w)``.
        details: What else it found: concepts, fixation points; None for most methods.
    """

    maps: MapsPerClass
    details: Any = None


class CamMethod(ABC):
    """Base of all methods. An instance holds options; ``maps`` computes raw maps.

    A method of the registry has its ``entry`` there, and the rest from it. One of your own sets the others itself.

    Class attributes:
        adds_channels: Whether a map is one ``channel_sum``, of which ``smooth="principal"`` shows the first component.
        entry: Its line of the registry.
        name: As users type it.
        title: As printed.
        paper: Where it comes from.
        needs: What the explainer must provide beyond activations and logits.
        class_specific: Whether the map depends on the class; otherwise K = 1 (or one map per concept).
        per_layer: Whether the map depends on the layer.
        signed: Whether negative values carry meaning (evidence against).
    """

    entry: ClassVar[MethodEntry | None] = None
    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[Paper]
    needs: ClassVar[frozenset[Need]] = frozenset()
    class_specific: ClassVar[bool] = True
    per_layer: ClassVar[bool] = True
    signed: ClassVar[bool] = False
    adds_channels: ClassVar[bool] = False
    sweeps_each_class: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        entry = cls.__dict__.get("entry")
        for name in _DESCRIBED if entry is not None else ():
            setattr(cls, name, getattr(entry, name))
        own = cls.__dict__.get("__post_init__")
        if own is not None:

            def post_init(self: CamMethod) -> None:
                _check_types(self)
                own(self)

            cls.__post_init__ = post_init  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        """Options are of the types that they are declared with."""
        _check_types(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"  # methods with options are dataclasses and show them

    def forwards(self, channels: int, height: int, width: int) -> int:
        """Expected runs for one image beyond the shared one; for each class where ``sweeps_each_class``.

        Args:
            channels: C of the layer.
            height: h of the layer.
            width: w of the layer.

        Returns:
            Runs of the whole network for a method that needs ``rescore``; for one that needs ``replay`` runs of the
            part above the layer, of which a linear head takes none. 0 for all others.
        """
        del channels, height, width
        return 0

    @property
    def sweep(self) -> Hashable:
        """What the runs beyond the shared one depend on: methods that agree in it share them."""
        return self

    def why_blank(self, height: int, width: int) -> str:
        """Why every map of a layer of this size is zero, whatever the image; empty where it need not be.

        Args:
            height: h of the layer.
            width: w of the layer.

        Returns:
            A sentence with the way on.
        """
        del height, width
        return ""

    def trial(self) -> "CamMethod":
        """The same method as cheap as it can be had, to see whether it works at all; itself where it costs little."""
        return self

    def result(self, inputs: MethodInputs) -> MethodResult:
        """The maps, with what else the method found."""
        return MethodResult(self.maps(inputs))

    @abstractmethod
    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)`` float32, neither normalised nor resized."""


_FIRST_COMPONENTS = ContextVar("first components", default=False)


@contextmanager
def first_components() -> Iterator[None]:
    """Within, ``channel_sum`` gives the first principal component of the weighted channels in place of their sum."""
    token = _FIRST_COMPONENTS.set(True)
    try:
        yield
    finally:
        _FIRST_COMPONENTS.reset(token)


def channel_sum(weights: Gradients, activations: Activations) -> MapStack:
    """``Σ_k weights_k ⊙ activations_k`` over the channel axis, without building the product.

    Within ``first_components``, the first principal component of the summands instead.

    Args:
        weights: ``(..., C, h, w)`` or ``(..., C, 1, 1)``.
        activations: ``(..., C, h, w)``; leading axes broadcast.

    Returns:
        ``(..., h, w)``.

    Examples:
        >>> import torch
        >>> a = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])  # two channels, 1×2 positions
        >>> channel_sum(torch.tensor([1.0, -1.0])[:, None, None], a).tolist()
        [[-2.0, -2.0]]
    """
    if _FIRST_COMPONENTS.get():
        return principal_evidence(weights * activations)
    if weights.shape[-2:] == (1, 1):
        return torch.einsum("...c,...chw->...hw", weights[..., 0, 0], activations)
    return (weights * activations).sum(-3)


def _check_types(method: CamMethod) -> None:
    """Refuse options of another type than declared, before anything is computed with them."""
    options: dict[str, Field[Any]] = getattr(method, "__dataclass_fields__", {})
    for option in options.values():
        value = getattr(method, option.name)
        kinds = {one for one in get_args(option.type) or (option.type,) if isinstance(one, type)}
        allowed = (*kinds, int) if float in kinds else tuple(kinds)
        if kinds and (
            not isinstance(value, allowed) or (isinstance(value, bool) and bool not in kinds)
        ):
            words = " or ".join(sorted(_TYPES.get(one, one.__name__) for one in kinds))
            raise OptionError(f"{method.name}: {option.name} is {words}, not {value!r}")


@checked
def find_methods(
    methods: str | CamMethod | Sequence[str | CamMethod] | Mapping[str, Any],
) -> dict[str, CamMethod]:
    """The methods that were asked for.

    Args:
        methods: Names (``grad-cam``; case and punctuation do not matter, ``GradCAMPlusPlus`` and ``gradcam++`` are
            ``grad-cam++``), instances with options (``EigenCAM(center=True)``), one or several; or a mapping from names
            of one's choice to instances, so that one method may occur with several options.

    Returns:
        Name -> method, in the order asked for.

    Raises:
        OptionError: Unknown name, one that is left out (with the reason), nothing asked for, or one name twice.

    Examples:
        >>> list(find_methods(["GradCAM++", "eigencam"]))
        ['grad-cam++', 'eigen-cam']
    """
    if not isinstance(methods, str | CamMethod) and not methods:
        raise OptionError("no method asked for")
    if isinstance(methods, Mapping):
        return _named_instances(methods)
    asked = [methods] if isinstance(methods, str | CamMethod) else list(methods)
    found: dict[str, CamMethod] = {}
    for one in asked:
        method = one if isinstance(one, CamMethod) else _of_name(one)
        if method.name in found:
            raise OptionError(
                f"method '{method.name}' is asked for twice; to compare options, name each: "
                "methods={'a': ..., 'b': ...}"
            )
        found[method.name] = method
    return found


def _named_instances(methods: Mapping[str, Any]) -> dict[str, CamMethod]:
    """The mapping as it is, if it holds methods."""
    wrong = {name: one for name, one in methods.items() if not isinstance(one, CamMethod)}
    for name, one in wrong.items():
        raise OptionError(
            f"'{name}' stands for a method with its options, EigenCAM(...), not for {one!r}"
        )
    return dict(methods)


def _of_name(name: str) -> CamMethod:
    """The method of a name, with its usual options."""
    known = {_canonical(one): one for one in METHODS}
    word, _, options = name.partition("(")
    key = _canonical(word)
    if key not in known:
        raise _unknown(name, key)
    if options.strip(" )"):
        kind = METHODS[known[key]].kind
        raise OptionError(
            f"'{name}' is for the command line; here options are given to an instance: figureground.{kind}(...)"
        )
    return METHODS[known[key]].load()()


def layer_notes(methods: Iterable[CamMethod], layers: Sequence[str]) -> tuple[str, ...]:
    """What must be said where layers are named and methods do not look at a layer (``rise``, ``attention-rollout``).

    Args:
        methods: All that are asked for.
        layers: The layers that are named; none where the choice is left to us.

    Returns:
        A note that names these methods, or none.

    Raises:
        OptionError: None of the methods looks at a layer.
    """
    asked = list(methods)
    without = list(dict.fromkeys(method.name for method in asked if not method.per_layer))
    if not layers or not without:
        return ()
    look = "does not look" if len(without) == 1 else "do not look"
    told = f"{', '.join(without)} {look} at a layer but at the whole network"
    if all(not method.per_layer for method in asked):
        raise OptionError(
            f"{told}, so that layer {', '.join(layers)} would change nothing: leave the layer out, or take a "
            "method that looks at one (hires-cam, layer-cam)"
        )
    return (f"{told}: the layer that was named is not theirs",)


def _unknown(name: str, key: str) -> OptionError:
    """Why there is no method of this name."""
    if key in {"finer", "finercam"}:
        return OptionError(
            f"'{name}' is no method but a target, which every method can have: --methods grad-cam --target finer; in "
            "Python classes=figureground.finer()"
        )
    reasons = {_canonical(known): reason for known, reason in LEFT_OUT.items()}
    if key in reasons:
        return OptionError(f"'{name}' is left out: {reasons[key]}")
    return unknown_option("method", name, METHODS)


def _canonical(name: str) -> str:
    """Letters and digits only, ``++`` spelled out."""
    spelled = re.sub(r"[^a-z0-9+]", "", name.lower()).replace("++", "plusplus").replace("+", "")
    spelled = re.sub(r"campp$", "camplusplus", spelled)
    return "dff" if spelled == "deepfeaturefactorization" else spelled
