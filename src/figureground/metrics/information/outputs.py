"""Everything that the outputs of a classifier tell, in one pass over any number of batches."""

__all__ = ["Information", "information", "information_of"]

from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.shapes import Labels, Logits
from figureground.metrics.information.separations import separation_of
from figureground.metrics.information.sums import ClassSums, class_sums


@dataclass(frozen=True)
class Information:
    """What the outputs of a classifier tell; entropies and informations in nats, all float64; NaN where a logit is.

    Args:
        cmi: I(X; Ŷ | Y).
        separation: Of the kind asked for.
        ncmi: ``cmi`` over ``separation``.
        h_yhat: H(Ŷ).
        h_yhat_given_y: H(Ŷ | Y), mean entropy of the centroids.
        h_yhat_given_x: H(Ŷ | X), mean entropy of the outputs.
        mi_x: I(X; Ŷ) = ``mi_y`` + ``cmi``.
        mi_y: I(Y; Ŷ).
        accuracy: In [0, 1].
        nll: Mean negative log-likelihood.
        cmi_per_class: ``(C,)``; NaN for a class without images.
        accuracy_per_class: ``(C,)``; likewise.
        entropy_per_class: ``(C,)`` mean entropy of the outputs; likewise.
        centroids: ``(C, C)`` mean output of each class; likewise.
        counts: ``(C,)`` images.
    """

    cmi: Tensor
    separation: Tensor
    ncmi: Tensor
    h_yhat: Tensor
    h_yhat_given_y: Tensor
    h_yhat_given_x: Tensor
    mi_x: Tensor
    mi_y: Tensor
    accuracy: Tensor
    nll: Tensor
    cmi_per_class: Tensor
    accuracy_per_class: Tensor
    entropy_per_class: Tensor
    centroids: Tensor
    counts: Tensor


@checked
def information(
    logits: Logits,
    labels: Labels,
    *,
    temperature: float = 1.0,
    prior: str = "empirical",
    kind: str = "pairs",
) -> Information:
    """Everything at once.

    Args:
        logits: ``(N, C)``.
        labels: ``(N,)``, from 0 to C - 1.
        temperature: Logits are divided by it.
        prior: Weight of each class: its share of the images, or ``uniform``.
        kind: Of the separation.

    Returns:
        The numbers.

    Raises:
        OptionError: The temperature is not positive, or another prior or kind.
        ShapeError: No images, or labels that do not fit.

    Examples:
        >>> found = information(torch.eye(2) * 99, torch.tensor([0, 1]))
        >>> round(found.mi_y.item(), 4), found.cmi.item()
        (0.6931, 0.0)
    """
    sums = class_sums(logits, labels, temperature=temperature)
    return information_of(sums, prior=prior, kind=kind)


@checked
def information_of(
    sums: ClassSums, *, prior: str = "empirical", kind: str = "pairs"
) -> Information:
    """``information`` from the sums of any number of images.

    Args:
        sums: Of the images.
        prior: As there.
        kind: As there.

    Returns:
        The numbers.
    """
    weights, per_class = sums.weights(prior), sums.cmi_per_class

    def mean(values: Tensor) -> Tensor:
        return (weights * sums.held(sums.means(values))).sum()

    overall = (weights[:, None] * sums.held(sums.centroids)).sum(0)
    h_yhat = torch.special.entr(overall).sum()
    given_y = (weights * sums.held(torch.special.entr(sums.centroids).sum(1))).sum()
    given_x = mean(sums.entropies)
    within = (weights * sums.held(per_class)).sum()
    between = separation_of(sums, kind=kind, prior=prior)
    return Information(
        cmi=within, separation=between, ncmi=within / between,
        h_yhat=h_yhat, h_yhat_given_y=given_y, h_yhat_given_x=given_x,
        mi_x=h_yhat - given_x, mi_y=h_yhat - given_y,
        accuracy=mean(sums.right), nll=mean(sums.losses),
        cmi_per_class=per_class, accuracy_per_class=sums.means(sums.right),
        entropy_per_class=sums.means(sums.entropies), centroids=sums.centroids, counts=sums.counts,
    )  # fmt: skip
