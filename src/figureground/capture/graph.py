"""Whether one tensor was computed from another, read from the graph that autograd recorded."""

__all__ = ["is_behind"]

from typing import Any

from torch import Tensor


def is_behind(result: Tensor, source: Tensor) -> bool:
    """Whether a recorded way leads from a tensor to one that was computed later; no gradient is computed.

    Args:
        result: The later tensor.
        source: The earlier one; it requires a gradient where a way can be known.

    Returns:
        Whether ``result`` is ``source`` or depends on it, as far as the graph tells.

    Examples:
        >>> import torch
        >>> a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        >>> is_behind((a * 2).sum(), a), is_behind((a * 2).sum(), b), is_behind(a.detach() * b, a)
        (True, False, False)
    """
    if not source.requires_grad or not result.requires_grad:
        return False
    if result is source:
        return True
    wanted: Any = source.grad_fn
    seen: set[Any] = set()
    waiting: list[Any] = [result.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node is wanted or getattr(node, "variable", None) is source:
            return True
        waiting.extend(following for following, _ in node.next_functions)
    return False
