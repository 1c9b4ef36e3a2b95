"""What K + 1 logits say of an image: how probable each class is, and how much it looks like none of them."""

__all__ = ["OOD_SCORES", "check_logits", "ood_score", "threshold_at_tpr"]

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import HeadError, OptionError, ShapeError, unknown_option
from figureground.base.shapes import Logits

PerImage = Float[Tensor, "N"]


@checked
def ood_score(logits: Logits, num_classes: int, method: str = "s2") -> PerImage:
    """How much each image looks like none of the known classes; higher is further out.

    With p the softmax over all K + 1 outputs, z the K known logits, L their log-sum-exp and b the background's:

    * ``s1``: p_bg = sigmoid(b - L), in [0, 1].
    * ``s2``: 1 - max_k p_k, in [0, 1]. Background and doubt between classes both count; the best of the three on near
      backgrounds.
    * ``s3``: 1 - max_k p_k - p_bg / K, in [0, 1 - 1/K]: the doubt after the background's mass is spread evenly.
    * ``msp``: 1 - max_k of the softmax over the K alone.
    * ``energy``: -L.
    * ``margin``: b - max_k z_k, ours.

    The last two are any real number. Computed in float64, so that sure images still differ.

    Args:
        logits: ``(N, K + 1)`` with the background last; ``(N, K)`` will do for ``msp`` and ``energy``.
        num_classes: K.
        method: One of the above.

    Returns:
        ``(N,)`` float64.

    Raises:
        HeadError: The score needs a background output and there is none.

    References:
        Bitterwolf, Meinke, Augustin, Hein (2022). Breaking down out-of-distribution detection. ICML: s1, s2, s3, there
        with the opposite sign, higher = known.
        Hendrycks, Gimpel (2017), arXiv:1610.02136: msp. Liu et al. (2020), arXiv:2010.03759: energy.

    Examples:
        >>> logits = torch.tensor([[4.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
        >>> [[round(s, 3) for s in ood_score(logits, 2, m).tolist()] for m in ("s1", "s2", "s3")]
        [[0.018, 0.965], [0.035, 0.982], [0.027, 0.5]]
    """
    check_logits(logits, num_classes)
    score = _score(method)
    if method not in _WITHOUT_BACKGROUND and logits.shape[1] == num_classes:
        raise HeadError(
            f"score '{method}' needs {num_classes} + 1 logits, the background last; "
            f"without one: {', '.join(sorted(_WITHOUT_BACKGROUND))}"
        )
    return score(logits.detach().double(), num_classes)


@checked
def threshold_at_tpr(scores: PerImage, tpr: float = 0.95) -> float:
    """The least score that at least this share of known images do not exceed.

    Args:
        scores: Of known validation images; higher is further out.
        tpr: Share to be kept, in (0, 1].

    Returns:
        One of the scores: an image is rejected where its score is *above* it.

    Raises:
        OptionError: The share is out of range.
        ShapeError: No scores, or one that is NaN.

    Examples:
        >>> threshold_at_tpr(torch.tensor([1.0, 4.0, 2.0, 3.0]), tpr=0.75)
        3.0
    """
    if not 0 < tpr <= 1:
        raise OptionError(f"tpr must be in (0, 1], got {tpr}")
    if len(scores) == 0 or scores.isnan().any():
        raise ShapeError(f"a threshold needs scores without NaN, got {len(scores)} scores")
    # a little less, because 0.95 * 20 may come out above 19
    position = math.ceil(tpr * len(scores) * (1 - 1e-12)) - 1
    return float(scores.double().sort().values[position])


def check_logits(logits: Tensor, num_classes: int) -> None:
    """Refuse logits that are neither K nor K + 1 wide.

    Args:
        logits: Anything.
        num_classes: K.

    Raises:
        ShapeError: Neither ``(N, K)`` nor ``(N, K + 1)``.
    """
    if logits.ndim != 2 or logits.shape[1] not in {num_classes, num_classes + 1}:
        raise ShapeError(
            f"logits must be (N, {num_classes}) or, with a background, (N, {num_classes + 1}), "
            f"got {tuple(logits.shape)}"
        )


def _background_share(logits: Tensor, num_classes: int) -> Tensor:
    """The background's probability."""
    known = logits[:, :num_classes].logsumexp(1)
    return torch.sigmoid(logits[:, num_classes] - known)


def _doubt(logits: Tensor, num_classes: int) -> Tensor:
    """One less the highest probability of a known class; by its logarithm, so that it does not round to 0."""
    return -torch.expm1(logits.log_softmax(1)[:, :num_classes].amax(1))


def _spread_doubt(logits: Tensor, num_classes: int) -> Tensor:
    """The same after the background's mass has gone to the known classes in equal parts."""
    return _doubt(logits, num_classes) - _background_share(logits, num_classes) / num_classes


def _plain_doubt(logits: Tensor, num_classes: int) -> Tensor:
    """The same of a softmax that leaves the background out."""
    return _doubt(logits[:, :num_classes], num_classes)


def _energy(logits: Tensor, num_classes: int) -> Tensor:
    """Free energy of the known logits."""
    return -logits[:, :num_classes].logsumexp(1)


def _margin(logits: Tensor, num_classes: int) -> Tensor:
    """How far the background's logit stands above the best known one."""
    return logits[:, num_classes] - logits[:, :num_classes].amax(1)


def _score(method: str) -> Callable[[Tensor, int], Tensor]:
    """The function of this name."""
    if method not in OOD_SCORES:
        raise unknown_option("out-of-distribution score", method, OOD_SCORES)
    return OOD_SCORES[method]


OOD_SCORES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "s1": _background_share,
    "s2": _doubt,
    "s3": _spread_doubt,
    "msp": _plain_doubt,
    "energy": _energy,
    "margin": _margin,
}
_WITHOUT_BACKGROUND = {"msp", "energy"}
