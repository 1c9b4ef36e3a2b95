"""One call of attention: its weights, and their gradient, rebuilt exactly from what went in and came out."""

__all__ = ["AttentionCall", "of_heads", "of_module", "of_weights"]

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Weights = Float[Tensor, "N heads queries keys"]
Heads = Float[Tensor, "N heads tokens d"]
Read = Callable[[], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """What one call of attention took and gave; nothing of it is computed before it is asked for.

    Args:
        rows: Size of the batch that it ran on.
        heads: Number of heads.
        queries: Number of tokens that ask.
        keys: Number of tokens that are looked at.
        output: What the call gave, part of the graph where one is recorded.
        read: Gives scaled queries, keys and values, each ``(N, heads, tokens, d)``.
        mask: What is added to the products of queries and keys, where something is.
        weights_given: The weights themselves, where the network computed them.
        projection: Weight and bias of the linear layer that the output has gone through already (that of
            ``nn.MultiheadAttention``), whose output is ``(tokens, N, D)``; else None.
    """

    rows: int
    heads: int
    queries: int
    keys: int
    output: Tensor
    read: Read
    mask: Tensor | None = None
    weights_given: Tensor | None = None
    projection: tuple[Tensor, Tensor | None] | None = None

    def weights(self) -> Weights:
        """``A = softmax(q kᵀ + mask)``, ``(N, heads, queries, keys)`` float32; each row sums to 1."""
        if self.weights_given is not None:
            return self.weights_given.float()
        query, key, _ = self.read()
        products = query.float() @ key.float().transpose(-2, -1)
        if self.mask is not None:
            products = products + self.mask
        return products.softmax(-1)

    def head_gradient(self, gradient: Tensor) -> Heads:
        """A gradient with respect to the output as one of what each head gave.

        Args:
            gradient: Shaped like the output.

        Returns:
            ``(N, heads, queries, d)`` float32.
        """
        if self.projection is None:
            return gradient.float().view(self.rows, self.heads, self.queries, -1)
        inner = gradient.float() @ self.projection[0].float()
        return inner.view(self.queries, self.rows, self.heads, -1).permute(1, 2, 0, 3)

    def weight_gradient(self, gradient: Tensor) -> Weights:
        """A gradient with respect to the output as one of the weights: that of the heads times ``Vᵀ``.

        Args:
            gradient: Shaped like the output.

        Returns:
            ``(N, heads, queries, keys)`` float32.
        """
        value = self.read()[2].float()
        return self.head_gradient(gradient) @ value.transpose(-2, -1)

    def error(self) -> float:
        """How far the rebuilt ``A V`` is from the output, relative to the largest value of the output."""
        made = self.weights() @ self.read()[2].float()
        if self.projection is not None:
            weight, bias = (None if part is None else part.float() for part in self.projection)
            assert weight is not None  # noqa: S101 - a projection has a weight
            made = F.linear(made.permute(2, 0, 1, 3).flatten(2), weight, bias)
        given = self.output.detach().float()
        scale = given.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
        return float((made.view_as(given) - given).abs().amax() / scale)


def of_heads(args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor) -> AttentionCall:
    """A call of ``scaled_dot_product_attention``.

    Args:
        args: Its positional arguments.
        kwargs: Its others.
        output: Its result, ``(N, heads, queries, d)``.

    Returns:
        The call; a single head where the tensors have three axes.
    """
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    query, key, value = (_four_axes(given[name].detach()) for name in names[:3])
    scale = given.get("scale") or query.shape[-1] ** -0.5
    groups = query.shape[1] // key.shape[1]  # several heads may share their keys and values
    shape = (query.shape[-2], key.shape[-2])
    mask = _added(given.get("attn_mask"))
    if given.get("is_causal"):
        mask = _added(torch.ones(shape, dtype=torch.bool, device=query.device).tril())

    def read() -> tuple[Tensor, Tensor, Tensor]:
        shared = (
            part.repeat_interleave(groups, 1) if groups > 1 else part for part in (key, value)
        )
        return query * scale, *shared

    return AttentionCall(len(query), query.shape[1], *shape, output, read, mask)


def of_weights(weights: Tensor, value: Tensor, output: Tensor) -> AttentionCall:
    """A product of softmax weights and values that a network computed itself.

    Args:
        weights: ``(N, heads, queries, keys)``, or without the axis of heads.
        value: ``(N, heads, keys, d)``, likewise.
        output: Their product.

    Returns:
        The call.
    """
    weights, value = _four_axes(weights.detach()), _four_axes(value.detach())
    rows, heads, queries, keys = weights.shape

    def read() -> tuple[Tensor, Tensor, Tensor]:
        return (
            weights,
            weights,
            value,
        )  # nobody asks for queries and keys where the weights are known

    return AttentionCall(rows, heads, queries, keys, output, read, weights_given=weights)


def of_module(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor
) -> AttentionCall | str:
    """A call of ``multi_head_attention_forward``, which is what ``nn.MultiheadAttention`` runs.

    Args:
        args: Its positional arguments.
        kwargs: Its others.
        output: Its first result, ``(queries, N, D)``.

    Returns:
        The call; or what it uses that cannot be rebuilt, in words.
    """
    bound = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    extras = ("key_padding_mask", "bias_k", "bias_v", "static_k", "static_v")
    used = [name for name in extras if given[name] is not None]
    if used or given["add_zero_attn"] or output.ndim != 3:
        what = ", ".join(used) or ("add_zero_attn" if given["add_zero_attn"] else "no batch axis")
        return f"multi-head attention with {what}"
    query, key, value = (given[name].detach() for name in ("query", "key", "value"))
    heads, (queries, rows) = given["num_heads"], query.shape[:2]

    def read() -> tuple[Tensor, Tensor, Tensor]:
        made = [
            F.linear(part.float(), weight, bias)
            .view(len(part), rows, heads, -1)
            .permute(1, 2, 0, 3)
            for part, (weight, bias) in zip((query, key, value), _projections(given), strict=True)
        ]
        return made[0] * made[0].shape[-1] ** -0.5, made[1], made[2]

    mask = _added(given["attn_mask"])
    if mask is not None and mask.ndim == 3:
        mask = mask.view(rows, heads, *mask.shape[1:])
    projection = (given["out_proj_weight"].detach(), _detached(given["out_proj_bias"]))
    shape = (rows, heads, queries, len(key))
    return AttentionCall(*shape, output, read, mask, projection=projection)


def _projections(given: Mapping[str, Any]) -> list[tuple[Tensor, Tensor | None]]:
    """Weight and bias of queries, keys and values."""
    if given["use_separate_proj_weight"]:
        names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        weights = [given[name].detach().float() for name in names]
    else:
        weights = list(given["in_proj_weight"].detach().float().chunk(3))
    bias = given["in_proj_bias"]
    biases = [None] * 3 if bias is None else list(bias.detach().float().chunk(3))
    return list(zip(weights, biases, strict=True))


def _four_axes(tensor: Tensor) -> Tensor:
    """With an axis of one head where there is none."""
    return tensor[:, None] if tensor.ndim == 3 else tensor


def _added(mask: Tensor | None) -> Tensor | None:
    """A mask as numbers that are added: what a boolean one leaves out is minus infinity."""
    if mask is None or mask.dtype != torch.bool:
        return _detached(mask)
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, -torch.inf)


def _detached(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach()
