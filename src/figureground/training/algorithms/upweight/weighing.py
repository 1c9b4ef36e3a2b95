"""How the shares of groups follow their losses."""

__all__ = ["group_dro_step"]

from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError


@checked
def group_dro_step(
    shares: Float[Tensor, " G"],
    losses: Float[Tensor, " G"],
    counts: Int[Tensor, " G"],
    *,
    eta: float = 0.01,
    adjustment: float = 0.0,
) -> Float[Tensor, " G"]:
    """The groups' shares of the loss after one step: those with a high loss gain.

    ``q_g <- q_g exp(eta (loss_g + C / sqrt(n_g))) / sum``.

    Args:
        shares: q, which sum to 1.
        losses: Mean loss of each group.
        counts: n, images of each group in the data, at least 1.
        eta: Step size, above 0.
        adjustment: C, at least 0: small groups are taken for worse than their training loss says.

    Returns:
        New shares, which sum to 1.

    Raises:
        OptionError: ``eta`` is not above 0, or ``adjustment`` is negative.

    References:
        Sagawa, Koh, Hashimoto, Liang (2020). Distributionally robust neural networks for group shifts. ICLR,
        arXiv:1911.08731, algorithm 1, with its group adjustments.

    Examples:
        >>> import torch
        >>> shares, losses, counts = (
        ...     torch.tensor([0.5, 0.5]),
        ...     torch.tensor([1.0, 2.0]),
        ...     torch.ones(2).int(),
        ... )
        >>> [round(share, 4) for share in group_dro_step(shares, losses, counts, eta=1.0).tolist()]
        [0.2689, 0.7311]
    """
    if not eta > 0 or not adjustment >= 0:
        raise OptionError(
            f"eta must be above 0 and adjustment at least 0, not {eta} and {adjustment}"
        )
    return (shares.log() + eta * (losses + adjustment / counts.sqrt())).softmax(0)
