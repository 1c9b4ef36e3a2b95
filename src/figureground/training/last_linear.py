"""A classifier's last linear layer, and what reaches it."""

__all__ = ["last_linear", "outputs_and_features", "plain_last_linear"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import HeadError, OptionError
from figureground.base.shapes import Images
from figureground.capture.untouched import borrowed, listening
from figureground.models.heads import CosineLinear


def last_linear(network: nn.Module) -> nn.Linear | CosineLinear:
    """The classifier's last linear layer, or its cosine head, by the order in which its modules were made.

    Args:
        network: The classifier.

    Returns:
        The layer.

    Raises:
        HeadError: It has none.
    """
    found = _linear_layers(network)
    if not found:
        raise HeadError(
            f"{type(network).__name__} does not end in a linear layer, whose input is needed"
        )
    return found[-1]


def plain_last_linear(network: nn.Module, outputs: int) -> nn.Linear:
    """The last linear layer where it is a plain one with a bias and so many outputs.

    Args:
        network: The classifier.
        outputs: Of the layer.

    Returns:
        The layer.

    Raises:
        OptionError: It is another kind of layer, there is none, or the number is another; the message says what to do.
    """
    layer = next(reversed(_linear_layers(network)), None)
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        raise OptionError(
            "a plain last linear layer with a bias is needed; model.head: linear puts one there"
        )
    if layer.out_features != outputs:
        raise OptionError(
            f"a last linear layer with {outputs} outputs is needed, one for each class; this network's has "
            f"{layer.out_features}"
        )
    return layer


def outputs_and_features(
    network: nn.Module, images: Images
) -> tuple[Float[Tensor, "N L"], Float[Tensor, "N D"]]:
    """Logits and what the last linear layer was given, in evaluation mode and without gradients.

    Args:
        network: The classifier; left as found.
        images: ``(N, C, H, W)``, what it takes.

    Returns:
        ``(N, L)`` and ``(N, D)``, float32.

    Raises:
        HeadError: It has no linear layer.
    """
    kept: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:  # noqa: ANN401
        kept.append(inputs[0])

    with borrowed(network), torch.no_grad(), listening([last_linear(network)], keep):
        logits = network(images)
    return logits.float(), kept[-1].flatten(1).float()


def _linear_layers(network: nn.Module) -> list[nn.Linear | CosineLinear]:
    """In the order in which they were made."""
    return [m for m in network.modules() if isinstance(m, nn.Linear | CosineLinear)]
