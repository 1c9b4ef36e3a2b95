"""The two terms of background splitting: rare classes against background, and pseudo-classes of all images."""

__all__ = [
    "MAIN_LOSSES",
    "BackgroundSplitLoss",
    "LossOut",
    "auxiliary_loss",
    "check_main_settings",
    "main_loss",
]

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.shapes import Labels, Logits
from figureground.training.algorithms.background_splitting.main_losses import (
    BinaryLoss,
    ClassBalancedLoss,
    FocalLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    PlainLoss,
)

MAIN_LOSSES: dict[str, Callable[..., PlainLoss]] = {
    "cross-entropy": lambda _counts: PlainLoss(),
    "class-balanced": ClassBalancedLoss,
    "focal": lambda _counts, gamma=1.0: FocalLoss(gamma),
    "ldam": LDAMLoss,
    "logit-adjusted": LogitAdjustedLoss,
    "binary": lambda _counts: BinaryLoss(),
}
"""Makers of a loss from the classes' counts and the settings that ``check_main_settings`` knows."""

_SETTINGS: dict[str, tuple[str, ...]] = {
    "class-balanced": ("beta",),
    "focal": ("gamma",),
    "ldam": ("max_margin", "scale", "beta"),
    "logit-adjusted": ("tau",),
}
_WHERE = ("all", "background", "labeled")


class LossOut(NamedTuple):
    """Both terms.

    Attributes:
        total: Main plus weight times auxiliary.
        main: Mean over the labelled images.
        aux: Mean over the images that the auxiliary loss takes, unweighted.
        num_main: How many images the first mean is over.
        num_aux: How many the second.
    """

    total: Tensor
    main: Tensor
    aux: Tensor
    num_main: Tensor
    num_aux: Tensor


class BackgroundSplitLoss(nn.Module):
    """``main + aux_weight · auxiliary``, each a mean over its own valid images, 0 without any.

    Args:
        main: One of ``MAIN_LOSSES``, or any loss of logits and labels with -1 for unlabelled.
        aux_weight: The paper's code has 0.1.
        aux_on: Which images the auxiliary loss takes: ``all``, also unlabelled ones; ``labeled``, rare ones and
            background; ``background``.
        class_counts: Images of each class, the background last, for losses that need them.
        temperature: Of both sides, with soft targets; the term is multiplied by its square.

    Raises:
        OptionError: Unknown names, a negative weight, or counts that are needed and absent.

    References:
        Mullapudi, Poms, Mark, Ramanan, Fatahalian (2021). Background splitting. CVPR, arXiv:2008.12873. Soft targets:
        Li, Hoiem (2016), Learning without forgetting, arXiv:1606.09282.

    Examples:
        >>> loss = BackgroundSplitLoss(aux_weight=0.5)
        >>> main, aux = torch.zeros(2, 2), torch.zeros(2, 4)
        >>> out = loss(main, aux, torch.tensor([0, -1]), pseudo=torch.tensor([3, 1]))
        >>> round(out.main.item(), 4), round(out.aux.item(), 4), round(out.total.item(), 4)
        (0.6931, 1.3863, 1.3863)
    """

    def __init__(
        self,
        main: str | nn.Module = "cross-entropy",
        *,
        aux_weight: float = 0.1,
        aux_on: str = "all",
        class_counts: Sequence[int] | None = None,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        if aux_on not in _WHERE:
            raise unknown_option("set of images for the auxiliary loss", aux_on, _WHERE)
        if aux_weight < 0 or temperature <= 0:
            raise OptionError(
                f"aux_weight {aux_weight} is negative, or temperature {temperature} not positive"
            )
        self.main = main_loss(main, class_counts) if isinstance(main, str) else main
        self.aux_weight, self.aux_on, self.temperature = aux_weight, aux_on, temperature

    def forward(
        self,
        main: Logits,
        aux: Float[Tensor, "N K"] | None,
        labels: Labels,
        *,
        pseudo: Tensor | None = None,
    ) -> LossOut:
        """Both terms of a batch.

        Args:
            main: ``(N, num_rare + 1)``, the background last.
            aux: ``(N, K)``; None leaves the auxiliary term at 0.
            labels: ``(N,)``, -1 to num_rare.
            pseudo: Hard pseudo-labels ``(N,)`` int64, -1 for none, or soft ones ``(N, K)``, all 0 for none.

        Returns:
            The terms; all-unlabelled batches give a main term of 0 with zero gradients.

        Raises:
            ShapeError: There are auxiliary logits and no pseudo-labels.
        """
        first = self.main(main, labels)
        num_main = (labels >= 0).sum()
        if aux is None or not self.aux_weight:
            return LossOut(first, first, first.new_zeros(()), num_main, num_main.new_zeros(()))
        if pseudo is None:
            raise ShapeError("auxiliary logits need pseudo-labels")
        taken = self.taken(labels, background=main.shape[1] - 1)
        second, num_aux = auxiliary_loss(aux, pseudo, taken, temperature=self.temperature)
        return LossOut(first + self.aux_weight * second, first, second, num_main, num_aux)

    def taken(self, labels: Labels, *, background: int) -> Tensor:
        """Which images the auxiliary loss takes.

        Args:
            labels: ``(N,)``.
            background: Its label.

        Returns:
            ``(N,)`` bool.
        """
        if self.aux_on == "all":
            return torch.ones_like(labels, dtype=torch.bool)
        return labels == background if self.aux_on == "background" else labels >= 0


def auxiliary_loss(
    logits: Logits, pseudo: Tensor, taken: Tensor, *, temperature: float = 1.0
) -> tuple[Float[Tensor, ""], Tensor]:
    """Mean cross-entropy of pseudo-labels over the images taken, and their number.

    Args:
        logits: ``(N, K)``.
        pseudo: Hard ``(N,)`` int64, -1 for none; or soft ``(N, K)``, all 0 for none.
        taken: ``(N,)`` bool.
        temperature: With soft ones, of the logits; the loss is multiplied by its square, so that its gradients stay of
            one size.

    Returns:
        The mean, 0 without any, and how many images it is over.
    """
    if pseudo.is_floating_point():
        valid = taken & (pseudo.sum(1) > 0)
        log_shares = (logits / temperature).log_softmax(1)
        each = -(pseudo.to(logits.dtype) * log_shares).sum(1) * temperature**2
    else:
        valid = taken & (pseudo >= 0)
        each = F.cross_entropy(logits, pseudo, ignore_index=-1, reduction="none")
    count = valid.sum()
    return (each * valid).sum() / count.clamp_min(1), count


def main_loss(
    name: str,
    class_counts: Sequence[int] | None = None,
    settings: Mapping[str, float] | None = None,
) -> PlainLoss:
    """A main loss by its name, with its paper's numbers where no others are given.

    Args:
        name: One of ``MAIN_LOSSES``.
        class_counts: Images of each class, the background last.
        settings: Other numbers than the paper's: ``beta``, ``gamma``, ``max_margin``, ``scale``, ``tau``.

    Returns:
        The loss.

    Raises:
        OptionError: Counts are needed and absent; or an unknown name.

    Examples:
        >>> main_loss("ldam", [10, 990], {"scale": 30.0}).scale
        30.0
    """
    check_main_settings(name, settings or {})
    if class_counts is None and name in {"class-balanced", "ldam", "logit-adjusted"}:
        raise OptionError(f"the main loss '{name}' needs class_counts, the background last")
    return MAIN_LOSSES[name](class_counts or (), **(settings or {}))


def check_main_settings(name: str, settings: Mapping[str, float]) -> None:
    """Refuse a main loss or numbers of it that do not exist.

    Args:
        name: Of the loss.
        settings: Its numbers, by name.

    Raises:
        OptionError: An unknown name.
    """
    _check_name("main loss", name, known=MAIN_LOSSES)
    for setting in settings:
        _check_name(f"setting of the main loss '{name}'", setting, known=_SETTINGS.get(name, ()))


def _check_name(kind: str, name: str, *, known: Collection[str]) -> None:
    """Refuse a name that is none."""
    if name not in known:
        raise unknown_option(kind, name, known)
