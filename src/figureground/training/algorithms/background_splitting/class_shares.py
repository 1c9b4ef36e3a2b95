"""What losses make of the classes' numbers of images: weights, margins, shares."""

__all__ = ["PerClass", "class_balanced_weights", "ldam_margins", "log_priors", "set_prior_bias"]

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.checking import checked
from figureground.base.errors import HeadError, OptionError

PerClass = Float[Tensor, "L"]


def class_balanced_weights(counts: Sequence[int], beta: float = 0.9999) -> PerClass:
    """Weights ``(1 - beta) / (1 - beta**n)`` for classes of n images, scaled to sum to their number.

    Args:
        counts: Images of each class, the background included; none counts as one.
        beta: In [0, 1); 0 gives equal weights.

    Returns:
        float32, one weight a class.

    Raises:
        OptionError: ``beta`` is out of range, or a count is negative.

    References:
        Cui, Jia, Lin, Song, Belongie (2019). Class-balanced loss based on effective number of samples. CVPR,
        arXiv:1901.05555, eq. 2.

    Examples:
        >>> [round(w, 4) for w in class_balanced_weights([1, 3], beta=0.5).tolist()]
        [1.2727, 0.7273]
    """
    if not 0 <= beta < 1:
        raise OptionError(f"beta lies in [0, 1), not {beta}")
    n = _counted(counts)
    weights = (1 - beta) / (1 - beta**n)
    return (weights * len(counts) / weights.sum()).float()


def ldam_margins(counts: Sequence[int], max_margin: float = 0.5) -> PerClass:
    """Margins ``n**(-1/4)``, scaled so that the rarest class has the largest.

    Args:
        counts: Images of each class, the background included.
        max_margin: Of the rarest.

    Returns:
        float32, one margin a class.

    Raises:
        OptionError: A count is negative, or there is none.

    References:
        Cao, Wei, Gaidon, Arechiga, Ma (2019). Learning imbalanced datasets with label-distribution-aware margin loss.
        NeurIPS, arXiv:1906.07413, §3.2.

    Examples:
        >>> ldam_margins([16, 1]).tolist()
        [0.25, 0.5]
    """
    margins = _counted(counts) ** -0.25
    return (margins * max_margin / margins.max()).float()


def log_priors(counts: Sequence[int]) -> PerClass:
    """Logarithms of the classes' shares, in nats.

    Args:
        counts: Images of each class, the background included; none counts as one.

    Returns:
        float32, at most 0.

    Raises:
        OptionError: A count is negative, or there is none.

    Examples:
        >>> [round(v, 4) for v in log_priors([1, 3]).tolist()]
        [-1.3863, -0.2877]
    """
    n = _counted(counts)
    return (n / n.sum()).log().float()


@checked
def set_prior_bias(linear: nn.Module, counts: Sequence[int]) -> None:
    """Set a layer's bias so that each output begins with its class's share as its sigmoid.

    Args:
        linear: A linear layer with a bias; changed in place.
        counts: Images of each output.

    Raises:
        HeadError: It has no bias, or another number of outputs.
        OptionError: A count is negative.

    References:
        Lin et al. (2017), arXiv:1708.02002, §4.1, with each class's own share.

    Examples:
        >>> layer = nn.Linear(1, 2)
        >>> set_prior_bias(layer, [1, 3])
        >>> layer.bias.sigmoid().tolist()
        [0.25, 0.75]
    """
    bias: Tensor | None = getattr(linear, "bias", None)
    if bias is None or len(bias) != len(counts):
        raise HeadError(f"{linear} cannot begin with the shares of {len(counts)} classes")
    shares = log_priors(counts).double().exp().clamp(1e-12, 1 - 1e-6)
    with torch.no_grad():
        bias.copy_(shares.logit())


def _counted(counts: Sequence[int]) -> Tensor:
    """float64, at least 1 each."""
    if not counts or min(counts) < 0:
        raise OptionError(f"class counts are from 0, got {list(counts)}")
    return torch.tensor(list(counts), dtype=torch.float64).clamp_min(1)
