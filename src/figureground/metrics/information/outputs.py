"""Everything that the outputs of a classifier tell, in one pass over any number of batches."""

__all__ = ["CMIMeter", "Information", "information", "information_of"]

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torchmetrics import Metric

from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Labels, Logits
from figureground.metrics.information.separations import SEPARATIONS, separation_of
from figureground.metrics.information.sums import PRIORS, ClassSums, check_known, class_sums

_SUMS = tuple(field.name for field in fields(ClassSums))


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
        cmi_per_class: ``(C,)``; NaN for a class without pictures.
        accuracy_per_class: ``(C,)``; likewise.
        entropy_per_class: ``(C,)`` mean entropy of the outputs; likewise.
        centroids: ``(C, C)`` mean output of each class; likewise.
        counts: ``(C,)`` pictures.
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
        prior: Weight of each class: its share of the pictures, or ``uniform``.
        kind: Of the separation.

    Returns:
        The numbers.

    Raises:
        OptionError: The temperature is not positive, or another prior or kind.
        ShapeError: No pictures, or labels that do not fit.

    Examples:
        >>> found = information(torch.eye(2) * 99, torch.tensor([0, 1]))
        >>> round(found.mi_y.item(), 4), found.cmi.item()
        (0.6931, 0.0)
    """
    sums = class_sums(logits, labels, temperature=temperature)
    return information_of(sums, prior=prior, kind=kind)


def information_of(
    sums: ClassSums, *, prior: str = "empirical", kind: str = "pairs"
) -> Information:
    """``information`` from the sums of any number of pictures.

    Args:
        sums: Of the pictures.
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


class CMIMeter(Metric):
    """Gathers ``information`` over batches, processes and other meters, in memory for 2 C² numbers.

    Args:
        num_classes: C.
        temperature: Logits are divided by it.
        prior: Weight of each class: its share of the pictures, or ``uniform``.
        kind: Of the separation.

    Raises:
        OptionError: Fewer than one class, or an option that does not exist.

    Examples:
        >>> meter = CMIMeter(2)
        >>> for logits, label in (([99.0, 0.0], 0), ([0.0, 99.0], 0), ([0.0, 99.0], 1)):
        ...     meter.update(torch.tensor([logits]), torch.tensor([label]))
        >>> round(meter.compute()["cmi"].item(), 4)
        0.4621
    """

    is_differentiable = False
    full_state_update = False

    def __init__(
        self,
        num_classes: int,
        *,
        temperature: float = 1.0,
        prior: str = "empirical",
        kind: str = "pairs",
    ) -> None:
        super().__init__()
        if num_classes < 1 or not temperature > 0:
            raise OptionError(
                f"num_classes is at least 1 and temperature positive: {num_classes}, {temperature}"
            )
        for what, given, known in (("prior", prior, PRIORS), ("separation", kind, SEPARATIONS)):
            check_known(what, given, known)
        self.num_classes = num_classes
        self.temperature, self.prior, self.kind = temperature, prior, kind
        for name in _SUMS:
            two = name in {"probabilities", "log_probabilities"}
            empty = torch.zeros([num_classes] * (1 + two), dtype=torch.float64)
            self.add_state(name, empty, dist_reduce_fx="sum")

    @property
    def sums(self) -> ClassSums:
        """What was gathered so far."""
        return ClassSums(**{name: getattr(self, name) for name in _SUMS})

    def update(self, logits: Logits, labels: Labels) -> None:
        """Add pictures.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``, from 0 to C - 1.

        Raises:
            ShapeError: Another number of classes, or labels that do not fit.
        """
        if logits.shape[1] != self.num_classes:
            raise ShapeError(
                f"{logits.shape[1]} outputs came, the meter is for {self.num_classes} classes"
            )
        self._add(class_sums(logits.detach(), labels, temperature=self.temperature))

    def merge(self, other: "CMIMeter") -> None:
        """Take in what another meter has seen; the order of merging does not matter.

        Args:
            other: Of the same classes and temperature.

        Raises:
            OptionError: It is not.
        """
        mine, theirs = (
            (meter.num_classes, meter.temperature, meter.prior, meter.kind)
            for meter in (self, other)
        )
        if mine != theirs:
            raise OptionError(f"meters of different settings cannot be merged: {mine}, {theirs}")
        self._add(other.sums)
        self._update_count += other._update_count  # noqa: SLF001 - of the same class
        self._computed = None

    def report(self) -> Information:
        """What was found in this process so far.

        Returns:
            The numbers.

        Raises:
            ShapeError: No picture came.
        """
        return information_of(self.sums, prior=self.prior, kind=self.kind)

    def compute(self) -> dict[str, Tensor]:
        """What was found in all processes so far.

        Returns:
            The fields of ``Information`` by name.
        """
        return dict(vars(self.report()))

    def _add(self, sums: ClassSums) -> None:
        for name in _SUMS:
            state = getattr(self, name)
            setattr(self, name, state + getattr(sums, name).to(state))
