"""How far the outputs of different classes are from one another: the three separations of the papers, named."""

__all__ = ["SEPARATIONS", "ncmi", "separation", "separation_of"]

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.shapes import Labels, Logits
from figureground.metrics.information.sums import ClassSums, check_known, class_sums


@checked
def separation(
    logits: Logits, labels: Labels, *, kind: str = "pairs", temperature: float = 1.0
) -> Float[Tensor, ""]:
    """How far apart the outputs for different classes are, in nats.

    With X, Y and U, V two independent draws of image and class, H(p, q) = -Σ p log q, and q_c the mean output of c:

    - ``pairs``: E[1{Y ≠ V} H(p_X, p_U)], the Γ of the first paper.
    - ``different-pairs``: E[H(p_X, p_U) | Y ≠ V], what the same group's code computes; the first over 1 - Σ π_y².
    - ``other-centroids``: mean of H(p_X, q_c) over the images and over the classes c ≠ Y.
    - ``centroid-divergence``: mean of KL(q_c ‖ p_X) over the images and all classes, 0 for c = Y; the second paper's.

    One pass over the images and memory for C² numbers; not a loop over pairs.

    Args:
        logits: ``(N, C)``.
        labels: ``(N,)``, from 0 to C - 1.
        kind: One of the four.
        temperature: Logits are divided by it.

    Returns:
        0 or above, float64; higher is better separated. With fewer than two classes NaN for ``different-pairs`` and
        ``other-centroids``, 0 for the others.

    Refuses another kind, no images, and labels that do not fit.

    References:
        Yang et al. (2023). Conditional mutual information constrained deep learning, arXiv:2309.09123 (``pairs``; its
        formula is quoted from memory). ``centroid-divergence``: NCMI as a loss, arXiv:2601.02543, there on features.

    Examples:
        >>> two = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).log()
        >>> labels = torch.tensor([0, 1])
        >>> [round(separation(two, labels, kind=k).item(), 3) for k in ("pairs", "different-pairs")]
        [1.041, 2.083]
    """
    return separation_of(class_sums(logits, labels, temperature=temperature), kind=kind)


@checked
def ncmi(
    logits: Logits, labels: Labels, *, kind: str = "pairs", temperature: float = 1.0
) -> Float[Tensor, ""]:
    """Conditional mutual information over separation: low where classes are narrow and far apart.

    Args:
        logits: ``(N, C)``.
        labels: ``(N,)``, from 0 to C - 1.
        kind: Of the separation.
        temperature: Logits are divided by it.

    Returns:
        0 or above, float64, without a unit; infinite or NaN with fewer than two classes.

    Examples:
        >>> outputs = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9]]).log()
        >>> round(ncmi(outputs, torch.tensor([0, 0, 1])).item(), 4)
        0.0281
    """
    sums = class_sums(logits, labels, temperature=temperature)
    within = (sums.weights() * sums.held(sums.cmi_per_class)).sum()
    return within / separation_of(sums, kind=kind)


def separation_of(
    sums: ClassSums, *, kind: str = "pairs", prior: str = "empirical"
) -> Float[Tensor, ""]:
    """``separation`` from the sums of any number of images.

    Args:
        sums: Of the images.
        kind: As there.
        prior: Weights of the classes, ``empirical`` or ``uniform``.

    Returns:
        Nats.
    """
    check_known("separation", kind, SEPARATIONS)
    held = sums.counts > 0
    weights = sums.weights(prior)[held]
    outputs, logs = (
        (values / sums.counts[:, None])[held]
        for values in (sums.probabilities, sums.log_probabilities)
    )
    return SEPARATIONS[kind](outputs, logs, weights)


def _pairs(outputs: Tensor, logs: Tensor, weights: Tensor) -> Tensor:
    """Every pair of classes at once: the whole minus the pairs of one class."""
    a, b = weights[:, None] * outputs, weights[:, None] * logs
    return (a * b).sum() - (a.sum(0) * b.sum(0)).sum()


def _different_pairs(outputs: Tensor, logs: Tensor, weights: Tensor) -> Tensor:
    return _pairs(outputs, logs, weights) / (1 - weights.square().sum())


def _other_centroids(outputs: Tensor, _logs: Tensor, weights: Tensor) -> Tensor:
    against = -(
        outputs @ outputs.log().clamp_min(-1e4).T
    )  # 0 times a large number, where log 0 would give NaN
    return (weights * (against.sum(1) - against.diagonal())).sum() / (len(weights) - 1)


def _centroid_divergence(outputs: Tensor, logs: Tensor, weights: Tensor) -> Tensor:
    own = -torch.special.entr(outputs).sum(1)
    divergence = own[None] - logs @ outputs.T
    return (weights * (divergence.sum(1) - divergence.diagonal())).sum() / len(weights)


SEPARATIONS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "pairs": _pairs,
    "different-pairs": _different_pairs,
    "other-centroids": _other_centroids,
    "centroid-divergence": _centroid_divergence,
}
