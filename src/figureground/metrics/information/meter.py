"""What the outputs of a classifier tell, gathered over batches and processes."""

__all__ = ["CMIMeter"]

from dataclasses import fields

import torch
from torch import Tensor
from torchmetrics import Metric

from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Labels, Logits
from figureground.metrics.information.outputs import Information, information_of
from figureground.metrics.information.separations import SEPARATIONS
from figureground.metrics.information.sums import PRIORS, ClassSums, check_known, class_sums

_SUMS = tuple(field.name for field in fields(ClassSums))


class CMIMeter(Metric):
    """Gathers ``information`` over batches, processes and other meters, in memory for 2 C² numbers.

    Args:
        num_classes: C.
        temperature: Logits are divided by it.
        prior: Weight of each class: its share of the images, or ``uniform``.
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
        """Add images.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``, from 0 to C - 1.

        Raises:
            ShapeError: Another number of classes, or labels that do not fit.
        """
        if logits.shape[1] != self.num_classes:
            raise ShapeError(
                f"got {logits.shape[1]} logits; the meter is for {self.num_classes} classes"
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
            ShapeError: No image came.
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
