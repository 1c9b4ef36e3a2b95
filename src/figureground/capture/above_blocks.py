"""The part of a transformer above its last block, run on other tokens."""

__all__ = ["above_blocks"]

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import LayerError, ModelError
from figureground.base.outputs import find_logits
from figureground.base.shapes import Images
from figureground.capture.grid import with_first_tensor
from figureground.capture.untouched import borrowed


def above_blocks(
    model: nn.Module,
    images: Images,
    outputs: Mapping[nn.Module, Any],
    *,
    tokens: Float[Tensor, "M tokens D"],
    tokens_first: bool = False,
    output: Callable[[Any], Tensor] | None = None,
) -> Float[Tensor, "M L"]:
    """Logits of tokens in the place of what the last block of a transformer gives, with a graph from the tokens on.

    What runs is a shallow copy of the modules that hold the blocks, in which every block gives what it gave before
    without computing it, and the last one the tokens. The network itself is not touched.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)`` that went in; the first one goes in again.
        outputs: Block -> what it returned, in the order of the blocks.
        tokens: ``(M, tokens, D)``.
        tokens_first: Whether the blocks give them as ``(tokens, M, D)``.
        output: How to find the logits in what the model returns.

    Returns:
        ``(M, L)`` float32.

    Raises:
        LayerError: What is above the blocks does not take a batch of another size, as it looks at more than the last
            block.
    """
    *_, last = outputs
    laid = tokens.to(images.dtype).transpose(0, 1) if tokens_first else tokens.to(images.dtype)
    answers = {**outputs, last: with_first_tensor(outputs[last], laid)}
    fault: Exception | None = None
    with borrowed(model), torch.enable_grad():
        answering = _answering(model, answers)
        # one image is enough for what is below the blocks, unless a wrapper counts images
        for given in (images[:1], images[:1].expand(len(tokens), -1, -1, -1)):
            try:
                return find_logits(answering(given), len(tokens), output).float()
            except (RuntimeError, ModelError) as error:
                fault = error
    raise LayerError(
        f"what is above the last block cannot be run on tokens alone: {fault}; use attention-gradient"
    ) from fault


def _answering(module: nn.Module, answers: Mapping[nn.Module, Any]) -> nn.Module:
    """The module; a shallow copy of it where it is a block, or holds one, which gives an answer in place of running."""
    if module in answers:
        answering = copy.copy(module)
        # a user's hooks have been at the answer already
        vars(answering).update(
            forward=lambda *_args, **_kwargs: answers[module],
            _forward_hooks=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
        )
        return answering
    children = {
        name: None if child is None else _answering(child, answers)
        for name, child in module._modules.items()  # noqa: SLF001 - with the places of missing ones
    }
    if all(child is module._modules[name] for name, child in children.items()):  # noqa: SLF001
        return module
    holding = copy.copy(module)
    vars(holding)["_modules"] = children
    return holding
