"""The attention tape: every call of attention in one run of a network, whichever way it is written."""

__all__ = ["AttentionTape"]

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from figureground.capture.attention_calls import AttentionCall, of_heads, of_module, of_weights
from figureground.capture.grid import first_tensor, with_first_tensor
from figureground.capture.untouched import listening

_SOFTMAX = frozenset({torch.softmax, Tensor.softmax, F.softmax})
_PRODUCTS = frozenset({torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm})
_UNCHANGED = frozenset(
    {F.dropout, torch.dropout, Tensor.to, Tensor.type_as, Tensor.float, Tensor.contiguous}
)


class AttentionTape(TorchFunctionMode):
    """Record the calls of attention that run inside ``with tape:``; entered again, it begins anew.

    Seen are ``scaled_dot_product_attention``, what ``nn.MultiheadAttention`` runs, and a softmax over the last axis
    that is multiplied with something, through dropout or a change of type. The network runs as it always does, with its
    fused kernels: the weights are rebuilt afterwards, and their gradient is that of the output times ``Vᵀ``.

    Args:
        gradient: Whether a graph is recorded from the first call on.
        blocks: Modules whose outputs are kept, in order.

    Attributes:
        calls: The calls in the order in which they ran.
        outputs: What each of the blocks returned in its last run, as it did.
        faults: What was seen that cannot be rebuilt, in words.

    Examples:
        >>> import torch
        >>> q, k, v = torch.randn(3, 2, 4, 5, 8, generator=torch.Generator().manual_seed(0))
        >>> with AttentionTape() as tape:
        ...     y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        >>> torch.allclose(tape.calls[0].weights() @ v, y, atol=1e-6)
        True
    """

    def __init__(self, *, gradient: bool = False, blocks: Iterable[nn.Module] = ()) -> None:
        super().__init__()
        self.gradient = gradient
        self.blocks = tuple(blocks)
        self.calls: list[AttentionCall] = []
        self.outputs: dict[nn.Module, Any] = {}
        self.faults: list[str] = []
        self._open: list[tuple[Tensor, tuple[int, ...]]] = []
        self._listening = ExitStack()

    def __enter__(self) -> "AttentionTape":
        self.calls, self.outputs, self.faults, self._open = [], {}, [], []
        self._listening.enter_context(listening(self.blocks, self._keep_output))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._listening.close()
        unused = {shape for _, shape in self._open if len(shape) == 4 and shape[2] == shape[3]}
        self.faults += [
            f"attention weights of {shape[2]} by {shape[3]} tokens that are changed between their softmax and their "
            "values (talking heads, gates)"
            for shape in sorted(unused)
        ]
        self._open = []

    def __torch_function__(self, func: Any, types: Any, *rest: Any) -> Any:  # noqa: ANN401
        """Carry a function out and keep it where it is attention; torch calls this."""
        args, kwargs = (*rest, {})[:2] if rest else ((), {})
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            result = self._begun(result)
            self.calls.append(of_heads(args, kwargs, result))
            return result.clone()
        if func is F.multi_head_attention_forward:
            made = self._begun(result[0])
            call = of_module(args, kwargs, made)
            if isinstance(call, AttentionCall):
                self.calls.append(call)
            else:
                self.faults.append(call)
            return made.clone(), *result[1:]
        return self._by_hand(func, args, kwargs=kwargs, result=result)

    def _by_hand(
        self,
        func: Any,  # noqa: ANN401
        args: tuple[Any, ...],
        *,
        kwargs: Mapping[str, Any],
        result: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """A softmax, what leaves it as it is, or its product with the values."""
        if func in _SOFTMAX and _over_last_axis(args, kwargs):
            self._open.append((result, tuple(result.shape)))
        elif func in _UNCHANGED and args and (place := self._place(args[0])) is not None:
            self._open[place] = (result, self._open[place][1])
        elif func in _PRODUCTS and (place := self._place(args[0])) is not None:
            weights, _ = self._open.pop(place)
            result = self._begun(result)
            self.calls.append(of_weights(weights, args[1], result))
            return result.clone()
        return result

    def _place(self, tensor: object) -> int | None:
        """Which of the open softmaxes a tensor is."""
        places = (place for place, (one, _) in enumerate(self._open) if one is tensor)
        return next(places, None)

    def _begun(self, output: Tensor) -> Tensor:
        """The output in the graph; the first one of all begins it. A copy of it goes on."""
        if self.gradient and not output.requires_grad:
            output = output.detach().requires_grad_()
            torch.set_grad_enabled(mode=True)  # ends with the block around the whole run
        return output

    def _keep_output(self, module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        """After a block: what goes on in place of its output, a copy."""
        self.outputs[module] = output
        tensor = first_tensor(output)
        return None if tensor is None else with_first_tensor(output, tensor.clone())


def _over_last_axis(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a softmax runs over the last of at least three axes."""
    values = args[0] if args else kwargs.get("input")
    axis = args[1] if len(args) > 1 else kwargs.get("dim")
    return isinstance(values, Tensor) and values.ndim >= 3 and axis in {-1, values.ndim - 1}
