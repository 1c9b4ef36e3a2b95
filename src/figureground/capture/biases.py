"""Every bias that a run of a network adds, and the input it begins with: what a logit is the sum of, and gradients."""

__all__ = ["BiasGradients", "BiasTape", "Biases"]

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.overrides import TorchFunctionMode

from figureground.base.errors import HeadError, LayerError
from figureground.base.shapes import Logits
from figureground.capture.head import Directions

_MAPS = frozenset({F.conv2d, F.conv_transpose2d})
_REFUSED: Mapping[Callable[..., Any], str] = {
    F.layer_norm: "layer normalisation",
    F.group_norm: "group normalisation",
    F.instance_norm: "instance normalisation",
    F.rms_norm: "RMS normalisation",
    F.scaled_dot_product_attention: "attention",
    F.multi_head_attention_forward: "attention",
}


@dataclass(frozen=True, eq=False)
class _Bias:
    """What one operation added to each channel, and its result, part of the graph."""

    values: Float[Tensor, " C"]
    output: Tensor
    is_map: bool


@dataclass(frozen=True)
class BiasGradients:
    """The terms that one class score is the sum of.

    Args:
        input: ``(N, c, H, W)`` what the first operation took.
        input_gradient: Of the score with respect to it.
        maps: Of each convolution and batch norm with a bias: the bias ``(C,)``, and the gradient ``(N, C, h, w)``.
        vectors: Of each linear layer with a bias, or batch norm of vectors: the bias ``(C,)``, and the gradient
            ``(rows, ..., C)``, whose rows are those of N images one after the other.
    """

    input: Float[Tensor, "N c H W"]
    input_gradient: Float[Tensor, "N c H W"]
    maps: tuple[tuple[Tensor, Tensor], ...]
    vectors: tuple[tuple[Tensor, Tensor], ...]

    @property
    def sums(self) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
        """The input's term of each image, and that of all biases."""
        first = (self.input * self.input_gradient).flatten(1).sum(1)
        biases = [(gradient.flatten(2).sum(2) @ bias) for bias, gradient in self.maps]
        biases += [
            (gradient * bias).reshape(len(first), -1).sum(1) for bias, gradient in self.vectors
        ]
        return first, torch.stack(biases).sum(0) if biases else torch.zeros_like(first)


@dataclass(frozen=True)
class Biases:
    """The biases of one run.

    Args:
        tape: Record of it.
        logits: ``(N, L)``, part of the graph.
    """

    tape: "BiasTape"
    logits: Logits

    def gradients(self, directions: Directions) -> Iterator[BiasGradients]:
        """The terms of one class after the other.

        Args:
            directions: K classes or combinations of logits.

        Yields:
            Input and biases with their gradients, float32.

        Raises:
            HeadError: The network normalises by what it sees, or attends, so that its logits are no such sum.
            LayerError: No gradient of the logits reaches the first operation, or that takes no images.
        """
        first, biases = self.tape.input, self.tape.biases
        if self.tape.faults:
            raise HeadError(
                f"a logit of this network is no sum of an input term and bias terms, as it has {self.tape.faults[0]} "
                "(full-grad is for convolutions, linear layers and batch norms): use layer-cam of several layers, or "
                "attention-gradient for a transformer"
            )
        if first is None or first.ndim != 4 or not self.logits.requires_grad:
            raise LayerError(
                "no gradient of the logits reaches a first convolution that takes the images: use a method without "
                "gradients (eigen-cam)"
            )
        wanted = [first, *(bias.output for bias in biases)]
        for k in range(directions.count):
            asked = directions.cotangent(k, self.logits)
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                self.logits, wanted, asked, retain_graph=True, allow_unused=True
            )
            full = [
                torch.zeros_like(one) if gradient is None else gradient
                for one, gradient in zip(wanted, found, strict=True)
            ]
            terms = [
                (bias.is_map, (bias.values.float(), gradient.float()))
                for bias, gradient in zip(biases, full[1:], strict=True)
            ]
            yield BiasGradients(
                first.detach().float(),
                full[0].float(),
                tuple(term for is_map, term in terms if is_map),
                tuple(term for is_map, term in terms if not is_map),
            )


class BiasTape(TorchFunctionMode):
    """Record the biases that are added inside ``with tape:``; entered again, it begins anew.

    Seen are the functions that convolutions, linear layers and batch norms run, also where a module does more than
    that. A graph is recorded from the input of the first of them on.

    Attributes:
        input: What the first of them took, a leaf of the graph; None where none ran.
        biases: What was added, in the order of the run.
        faults: What ran whose result is no constant plus a linear function, in words.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input: Tensor | None = None
        self.biases: list[_Bias] = []
        self.faults: list[str] = []
        self._taken: Tensor | None = None

    def __enter__(self) -> "BiasTape":
        self.input, self.biases, self.faults = None, [], []
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._taken = None

    def __torch_function__(self, func: Any, types: Any, *rest: Any) -> Any:  # noqa: ANN401
        """Carry a function out and keep its bias; torch calls this."""
        args, kwargs = (*rest, {})[:2] if rest else ((), {})
        kwargs = kwargs or {}
        if func in _REFUSED:
            self.faults.append(_REFUSED[func])
        if func not in _MAPS and func is not F.linear and func is not F.batch_norm:
            return func(*args, **kwargs)
        if args:
            args = (self._begun(args[0]), *args[1:])
        else:
            kwargs = {**kwargs, "input": self._begun(kwargs["input"])}
        result: Tensor = func(*args, **kwargs)
        values = self._shift(args, kwargs) if func is F.batch_norm else _given(args, kwargs)
        if values is None:
            return result
        is_map = result.ndim == 4 and func is not F.linear
        self.biases.append(_Bias(values.detach(), result, is_map=is_map))
        return result.clone()  # what follows may write in place

    def _begun(self, taken: Tensor) -> Tensor:
        """What an operation takes: a leaf in place of what the first of all took."""
        if self.input is None:
            self._taken, self.input = taken, taken.detach().requires_grad_()
            torch.set_grad_enabled(mode=True)  # ends with the block around the whole run
        return self.input if taken is self._taken else taken

    def _shift(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
        """What a batch norm adds: ``β − μγ/√(σ² + ε)``."""
        names = (
            "input",
            "running_mean",
            "running_var",
            "weight",
            "bias",
            "training",
            "momentum",
            "eps",
        )
        given: dict[str, Any] = {"weight": None, "bias": None, "training": False, "eps": 1e-5}
        given |= {**dict(zip(names, args, strict=False)), **kwargs}
        if given["training"]:
            self.faults.append("batch norms that use the statistics of the batch")
            return None
        scale = (given["running_var"] + given["eps"]).rsqrt()
        scale = scale if given["weight"] is None else scale * given["weight"]
        shift: Tensor = -given["running_mean"] * scale
        return shift if given["bias"] is None else shift + given["bias"]


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The bias of a convolution or linear layer."""
    bias: Tensor | None = args[2] if len(args) > 2 else kwargs.get("bias")
    return bias
