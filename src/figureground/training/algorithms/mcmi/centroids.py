"""Mean output of each class, computed once, once per epoch, or as a moving average."""

__all__ = ["CentroidBank", "class_pass"]

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import DataError, OptionError, unknown_option
from figureground.base.shapes import Labels, Logits
from figureground.metrics.information import ClassSums, class_sums
from figureground.training.algorithms.mcmi.divergence import centroid_divergence

_MODES = ("epoch", "frozen", "ema")
_BATCH_NORMS = ("eval", "train")


class CentroidBank(nn.Module):
    """The centroids q_y that outputs are compared with; no gradient reaches them.

    ``epoch`` (ours) takes the exact class means after every epoch. ``frozen`` stays at the first ones, as the released
    code does: the divergence from them is then only an upper bound of the conditional mutual information, and rises too
    when a class as a whole drifts away. ``ema`` moves with every batch. Means within a batch are no substitute:
    with 100 classes and 64 images nearly every class has at most one.

    Args:
        num_classes: C.
        mode: ``epoch``, ``frozen`` or ``ema``.
        decay: Of the moving average, per batch with the class in it.
        floor: Smallest entry that counts.

    Raises:
        OptionError: Another mode, or a number out of range.

    Examples:
        >>> bank = CentroidBank(2)
        >>> bank.refresh(class_sums(torch.zeros(1, 2), torch.tensor([0])))
        >>> bank.centroids[0].tolist(), bank.undefined
        ([0.5, 0.5], (1,))
    """

    centroids: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        mode: str = "epoch",
        decay: float = 0.9999,
        floor: float = 1e-12,
    ) -> None:
        super().__init__()
        _check_settings(mode, decay, floor)
        self.mode, self.decay, self.floor = mode, decay, floor
        self.num_classes = num_classes
        self.register_buffer("centroids", torch.full((num_classes, num_classes), torch.nan))
        self._undefined = tuple(range(num_classes))

    @property
    def undefined(self) -> tuple[int, ...]:
        """Classes without a centroid, because no image of them was seen."""
        return self._undefined

    def get_extra_state(self) -> list[int]:
        """Stored beside the centroids, so that reading them does not wait for the device."""
        return list(self._undefined)

    def set_extra_state(self, state: Any) -> None:  # noqa: ANN401 - torch's signature
        """Take back what ``get_extra_state`` gave."""
        self._undefined = tuple(state)

    def fit(self, model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> ClassSums:
        """Take the class means of a model over some images.

        Args:
            model: Images to logits.
            batches: Images and labels.

        Returns:
            What was summed up, for ``metrics.information``.
        """
        sums = class_pass(model, batches)
        self.refresh(sums)
        return sums

    def refresh(self, sums: ClassSums) -> None:
        """Take new centroids, in any mode.

        Args:
            sums: Of the images whose means they shall be.

        Raises:
            OptionError: They are of another number of classes.
        """
        if len(sums.counts) != self.num_classes:
            raise OptionError(
                f"got {len(sums.counts)} logits, the bank is for {self.num_classes} classes"
            )
        self.centroids.copy_(sums.centroids.detach())
        self._undefined = sums.empty

    def after_epoch(self, sums: ClassSums) -> None:
        """Take new centroids where the mode is ``epoch``.

        Args:
            sums: Of the training images after it.
        """
        if self.mode == "epoch":
            self.refresh(sums)

    @torch.no_grad()
    def update(self, logits: Logits, labels: Labels) -> None:
        """Move towards the outputs of a batch where the mode is ``ema``; all processes call together.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``; -1 is left out.
        """
        if self.mode != "ema":
            return
        known = (labels >= 0).float()[:, None]
        shares = torch.cat([logits.float().softmax(1), torch.ones_like(known)], 1) * known
        sums = shares.new_zeros(self.num_classes, shares.shape[1])
        sums = _over_processes(sums.index_add_(0, labels.clamp_min(0), shares))
        counts = sums[:, -1:]
        moved = self.decay * self.centroids + (1 - self.decay) * sums[:, :-1] / counts
        moved = moved / moved.sum(1, keepdim=True)
        self.centroids.copy_(torch.where(counts > 0, moved, self.centroids))

    def of(self, labels: Labels) -> Float[Tensor, "N C"]:
        """The centroid of each label.

        Args:
            labels: ``(N,)``; for -1, that of class 0.

        Returns:
            ``(N, C)``.

        Raises:
            DataError: A class has none.
        """
        if self._undefined:
            missing = sorted(set(self._undefined) & set(labels.tolist()))
            if missing:
                raise DataError(
                    f"no centroid for the classes {missing}: no image of them was seen; fit the bank on data that "
                    "has some, or leave these classes out"
                )
            return self.centroids.nan_to_num(1.0)[labels.clamp_min(0)]
        return self.centroids[labels.clamp_min(0)]

    def surrogate(self, logits: Logits, labels: Labels) -> Float[Tensor, ""]:
        """Mean divergence of a batch's outputs from their centroids, in nats.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``; -1 is left out.

        Returns:
            Over all training images, the conditional mutual information plus ``drift``.
        """
        divergence = centroid_divergence(logits, self.of(labels), floor=self.floor)
        known = (labels >= 0).float()
        return (divergence * known).sum() / known.sum().clamp_min(1)

    def drift(self, sums: ClassSums) -> Float[Tensor, ""]:
        """How far the surrogate lies above the conditional mutual information: mean KL(q_y ‖ stored centroid), nats.

        Args:
            sums: Of the images that say where the class means are now.

        Returns:
            0 or above, float64; 0 where the stored centroids are these means.
        """
        now = sums.centroids.detach()
        stored = self.centroids.to(now).clamp_min(self.floor)
        divergence = (torch.special.xlogy(now, now) - torch.special.xlogy(now, stored)).sum(1)
        return (sums.weights().detach() * sums.held(divergence)).sum()


@torch.no_grad()
def class_pass(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, batch_norm: str = "eval"
) -> ClassSums:
    """Sums over the outputs of a model, shared by all processes; each of its modules keeps its mode.

    Args:
        model: Images to logits.
        batches: Images and labels; labels without an output, such as -1, are left out. In several processes, each one's
            own share.
        batch_norm: ``eval``, or ``train``: batch statistics, and running ones that change on the way, as the released
            code has it.

    Returns:
        The sums.

    Raises:
        OptionError: Another ``batch_norm``.
        DataError: There is no batch.
    """
    if batch_norm not in _BATCH_NORMS:
        raise OptionError(f"batch_norm is one of {', '.join(_BATCH_NORMS)}, not {batch_norm!r}")
    modes = [(module, module.training) for module in model.modules()]
    model.train(batch_norm == "train")
    total: ClassSums | None = None
    try:
        for images, labels in batches:
            sums = _sums_of(model(images), labels)
            total = sums if total is None else total + sums
    finally:
        for module, mode in modes:  # not model.train(): a norm that was frozen alone stays frozen
            module.training = mode
    if total is None:
        raise DataError("no batch to take the means of")
    return ClassSums(**{name: _over_processes(value) for name, value in vars(total).items()})


def _sums_of(logits: Tensor, labels: Tensor) -> ClassSums:
    """Of a batch; labels without an output are left out."""
    if logits.device.type == "mps":  # no doubles there
        logits, labels = logits.cpu(), labels.cpu()
    known = (labels >= 0) & (labels < logits.shape[1])
    return class_sums(logits[known], labels[known])


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _over_processes(value: Tensor) -> Tensor:
    """The sum over all processes."""
    if _several():
        dist.all_reduce(value)
    return value


def _check_settings(mode: str, decay: float, floor: float) -> None:
    """Refuse what cannot be meant."""
    if mode not in _MODES:
        raise unknown_option("mode of the centroids", mode, _MODES)
    if not (0 <= decay < 1 and 0 < floor < 1):
        raise OptionError(f"decay lies in [0, 1) and floor in (0, 1), not {decay} and {floor}")
