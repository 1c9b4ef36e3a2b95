"""Temperature scaling: the one number that calibrates logits on held-out images."""

__all__ = ["best_temperature"]

import torch

from figureground.base.checking import checked
from figureground.base.shapes import Labels, Logits
from figureground.metrics.classification.quality import nll

_LOWEST, _HIGHEST = 1e-2, 1e2
_HALVINGS = 60


@checked
@torch.no_grad()
def best_temperature(logits: Logits, labels: Labels) -> float:
    """The temperature at which the negative log-likelihood of held-out images is smallest.

    The likelihood is concave in the inverse temperature, so its slope has one zero; it is halved in on.

    Args:
        logits: ``(N, C)`` of images that the network was not trained on.
        labels: ``(N,)``, from 0 to C - 1.

    Returns:
        From 0.01 to 100; an end where the best one lies beyond it (0.01: every image is right).

    References:
        Guo, Pleiss, Sun, Weinberger (2017). On calibration of modern neural networks. ICML, arXiv:1706.04599.

    Examples:
        >>> logits = torch.tensor([[4.0, 0.0]] * 4)  # says 98 %, is right three times in four
        >>> round(best_temperature(logits, torch.tensor([0, 0, 0, 1])), 3)
        3.641
    """
    nll(logits, labels)  # refuses what does not fit
    scores = logits.double()
    of_labels = scores.gather(1, labels[:, None].long())[:, 0]
    low, high = 1 / _HIGHEST, 1 / _LOWEST
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        slope = ((middle * scores).softmax(1) * scores).sum(1).sub(of_labels).mean()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return (low * high) ** -0.5
