"""How far an output is from the centroid of its class."""

__all__ = ["centroid_divergence"]

from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked


@checked
def centroid_divergence(
    logits: Float[Tensor, "*batch C"], centroids: Float[Tensor, "*batch C"], *, floor: float = 1e-12
) -> Float[Tensor, "*batch"]:
    """KL(p ‖ q) of each image's output p and the centroid q of its class, in nats.

    Its mean over all images is the conditional mutual information where q are the exact class means; with any other
    q it is larger, by the mean of KL(q_y ‖ q): the drift. Gradients go through p only.

    Args:
        logits: Of any leading axes.
        centroids: For each image that of its class.
        floor: Smallest entry of a centroid; without one, a class that was never predicted would weigh without bounds.

    Returns:
        0 or above, up to rounding.

    Examples:
        >>> import torch
        >>> half = torch.tensor([0.5, 0.5])
        >>> round(centroid_divergence(torch.tensor([50.0, 0.0]), half).item(), 4)
        0.6931
    """
    logs = logits.float().log_softmax(-1)
    against = centroids.detach().clamp_min(floor).log()
    return (logs.exp() * (logs - against)).sum(-1)
