"""Sums over the images of each class, from which every information measure follows in one pass."""

__all__ = ["PRIORS", "ClassSums", "check_known", "class_sums"]

from collections.abc import Collection
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.shapes import Labels, Logits

PRIORS = ("empirical", "uniform")
"""How classes are weighted: by their share of the images, or equally."""


@dataclass(frozen=True)
class ClassSums:
    """What is kept of any number of images: ``2 C² + 4 C`` numbers. Sums of disjoint images add up.

    Args:
        counts: ``(C,)`` images of each class.
        probabilities: ``(C, C)``, row y: sum of the outputs of images of class y.
        log_probabilities: ``(C, C)``, row y: sum of the logarithms of these outputs.
        entropies: ``(C,)`` sum of the entropies of these outputs, nats.
        losses: ``(C,)`` sum of the negative log-likelihoods, nats.
        right: ``(C,)`` images that are classified correctly.
    """

    counts: Float[Tensor, " C"]
    probabilities: Float[Tensor, "C C"]
    log_probabilities: Float[Tensor, "C C"]
    entropies: Float[Tensor, " C"]
    losses: Float[Tensor, " C"]
    right: Float[Tensor, " C"]

    def __add__(self, other: "ClassSums") -> "ClassSums":
        names = [field.name for field in fields(self)]
        return ClassSums(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def to(self, device: torch.device | str) -> "ClassSums":
        """The same on a device."""
        return ClassSums(**{name: value.to(device) for name, value in vars(self).items()})

    def weights(self, prior: str = "empirical") -> Float[Tensor, " C"]:
        """Weight of each class; they sum to 1, and a class without images has none.

        Args:
            prior: ``empirical`` or ``uniform`` over the classes with images.

        Returns:
            ``(C,)``.

        Raises:
            OptionError: Another prior.
            ShapeError: No class has an image.
        """
        check_known("prior", prior, PRIORS)
        shares = self.counts if prior == "empirical" else (self.counts > 0).to(self.counts)
        if not shares.any():
            raise ShapeError("no class has an image: nothing to take a mean of")
        return shares / shares.sum()

    def means(self, sums: Tensor) -> Tensor:
        """Sums as means over the images of each class.

        Args:
            sums: One of the sums kept here.

        Returns:
            Of the same shape; NaN for a class without images.
        """
        return sums / self.counts.view(-1, *[1] * (sums.ndim - 1))

    def held(self, values: Tensor) -> Tensor:
        """Values by class with 0 where there are no images, for sums over classes; a NaN of images stays one.

        Args:
            values: ``(C,)`` or ``(C, ...)``.

        Returns:
            Of the same shape.
        """
        return values.masked_fill((self.counts == 0).view(-1, *[1] * (values.ndim - 1)), 0)

    @property
    def centroids(self) -> Float[Tensor, "C C"]:
        """Mean output of each class, q_y = P(Ŷ | Y = y); NaN for a class without images."""
        return self.means(self.probabilities)

    @property
    def cmi_per_class(self) -> Float[Tensor, " C"]:
        """How much the outputs for images of one class differ: I(X; Ŷ | Y = y), in nats.

        The mean of KL(p_x ‖ q_y), or H(q_y) minus the mean entropy of the outputs: from 0 (all images of the class
        get one output) to ``log min(C, n_y)``. NaN for a class without images.
        """
        inner = _entropy(self.centroids) - self.means(self.entropies)
        return torch.where((inner < 0) & (inner > -_ROUNDING), inner * 0, inner)

    @property
    def empty(self) -> tuple[int, ...]:
        """Classes without images."""
        found: list[int] = (self.counts == 0).nonzero().flatten().tolist()
        return tuple(found)


@checked
def class_sums(logits: Logits, labels: Labels, *, temperature: float = 1.0) -> ClassSums:
    """The sums of some images, in double precision; gradients reach the logits.

    Args:
        logits: ``(N, C)``; logarithms of probabilities do as well.
        labels: ``(N,)``, from 0 to C - 1.
        temperature: Logits are divided by it.

    Returns:
        The sums.

    Raises:
        OptionError: The temperature is not positive.
        ShapeError: Labels that do not fit.

    Examples:
        >>> sums = class_sums(torch.tensor([[9.0, 9.0], [0.0, 0.0]]), torch.tensor([0, 0]))
        >>> sums.centroids[0].tolist(), sums.empty
        ([0.5, 0.5], (1,))
    """
    if not temperature > 0:
        raise OptionError(f"a temperature is positive, not {temperature}")
    _check(logits, labels)
    logs = (logits.double() / temperature).log_softmax(1)
    shares = logs.exp()
    right = (logits.argmax(1) == labels).double()
    return ClassSums(
        counts=_summed(torch.ones_like(right), labels, logits.shape[1]),
        probabilities=_summed(shares, labels, logits.shape[1]),
        log_probabilities=_summed(logs, labels, logits.shape[1]),
        entropies=_summed(_entropy(shares), labels, logits.shape[1]),
        losses=_summed(-logs.gather(1, labels[:, None].long())[:, 0], labels, logits.shape[1]),
        right=_summed(right, labels, logits.shape[1]),
    )


def check_known(kind: str, given: str, known: Collection[str]) -> None:
    """Refuse a name that does not exist."""
    if given not in known:
        raise unknown_option(kind, given, known)


def _entropy(shares: Tensor) -> Tensor:
    """Of each row, nats; unlike that of ``entr`` its slope is finite at 0, where a sure answer is rounded to."""
    return -torch.special.xlogy(shares, shares.clamp_min(torch.finfo(shares.dtype).tiny)).sum(1)


def _summed(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Values added up by class."""
    zeros = values.new_zeros(classes, *values.shape[1:])
    return zeros.index_add(0, labels.long(), values)


def _check(logits: Tensor, labels: Tensor) -> None:
    """Refuse labels that do not fit."""
    count, outputs = logits.shape
    if labels.shape != (count,):
        raise ShapeError(f"{count} rows of logits and {tuple(labels.shape)} labels")
    if count and not ((labels >= 0) & (labels < outputs)).all():
        raise ShapeError(
            f"labels must be in 0..{outputs - 1}, got {labels.amin().item()}..{labels.amax().item()}"
        )


_ROUNDING = 1e-9  # what rounding leaves below 0 is 0
