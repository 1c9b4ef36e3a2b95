"""One output more, for the background: trained rows kept, or a constant beside somebody else's logits."""

__all__ = ["ConstantBackground", "add_background_output"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import HeadError, unknown_option
from figureground.base.shapes import Logits

_INITS = ("zeros", "default", "mean")


def add_background_output(
    linear: nn.Linear, *, init: str = "zeros", generator: torch.Generator | None = None
) -> nn.Linear:
    """A linear layer with the same K outputs and one more, last, for the background.

    Args:
        linear: The trained layer; not changed.
        init: The new row: ``zeros`` (its logit starts at 0), ``default`` (as a fresh ``nn.Linear`` is drawn), ``mean``
            (the mean of the K rows, so that it starts as the average class).
        generator: For ``default``; torch's global stream where omitted.

    Returns:
        A new layer on the same device and of the same type, whose first K rows are copies.

    Raises:
        HeadError: Not a linear layer.
        OptionError: Unknown ``init``.

    Examples:
        >>> trained = nn.Linear(2, 2)
        >>> _ = trained.weight.data.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> add_background_output(trained, init="mean").weight.tolist()
        [[1.0, 2.0], [3.0, 4.0], [2.0, 3.0]]
    """
    if not isinstance(linear, nn.Linear):
        raise HeadError(f"a background output needs a linear layer, got {type(linear).__name__}")
    _check_init(init)
    old: dict[str, Tensor | None] = {"weight": linear.weight, "bias": linear.bias}
    bound = linear.in_features**-0.5
    rows = {
        name: torch.cat([value, _new_row(value, init, bound=bound, generator=generator)])
        for name, value in old.items()
        if value is not None
    }
    # built without drawing weights: the caller's random stream must not notice
    new = nn.Linear(
        linear.in_features, linear.out_features + 1, bias=linear.bias is not None, device="meta"
    )
    for name, value in rows.items():
        setattr(new, name, nn.Parameter(value.detach()))
    return new.train(linear.training)


class ConstantBackground(nn.Module):
    """Appends a logit that is the same for every image: a background class without weights of its own.

    Put it after a network with K outputs, ``nn.Sequential(network, ConstantBackground())``, and train with
    ``BackgroundClassLoss``: backgrounds then push the sum of the exponentials of the K logits below ``exp(tau)``.

    Args:
        tau: The logit.
        trainable: Whether it is a parameter.

    References:
        Zhang, LeCun (2017). Universum prescription: regularization using unlabeled data. AAAI, arXiv:1511.03719.

    Examples:
        >>> ConstantBackground(2.0, trainable=False)(torch.tensor([[5.0, 1.0]]))
        tensor([[5., 1., 2.]])
    """

    tau: Tensor

    def __init__(self, tau: float = 0.0, *, trainable: bool = True) -> None:
        super().__init__()
        value = torch.tensor(float(tau))
        if trainable:
            self.tau = nn.Parameter(value)
        else:
            self.register_buffer("tau", value)

    def forward(self, logits: Logits) -> Float[Tensor, "N L+1"]:
        """The logits and one more.

        Args:
            logits: ``(N, K)``.

        Returns:
            ``(N, K + 1)``, the background last.
        """
        background = self.tau.to(logits.dtype).expand(len(logits), 1)
        return torch.cat([logits, background], 1)


def _new_row(like: Tensor, init: str, *, bound: float, generator: torch.Generator | None) -> Tensor:
    """One row of a weight or a bias, ``(1, …)``."""
    if init == "mean":
        return like.detach().mean(0, keepdim=True)
    row = torch.zeros_like(like[:1])
    return row.uniform_(-bound, bound, generator=generator) if init == "default" else row


def _check_init(init: str) -> None:
    """Refuse a name that is none."""
    if init not in _INITS:
        raise unknown_option("init of the background output", init, _INITS)
