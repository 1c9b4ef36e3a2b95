"""Divergence: a loss that is no number is noted at its step without a wait for the device, and told before a save."""

__all__ = ["LossWatch"]

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from figureground.base.errors import OptionError


class LossWatch:
    """Remembers the first step at which a loss was not finite, on the device where the losses are.

    Examples:
        >>> watch = LossWatch()
        >>> for step, loss in enumerate([2.0, float("nan"), 1.0], start=1):
        ...     watch.see({"loss": torch.tensor(loss)}, step)
        >>> watch.check(advice="a smaller lr")
        Traceback (most recent call last):
            ...
        figureground.base.errors.OptionError: the loss loss is nan at step 2: training has diverged; try a smaller lr
    """

    def __init__(self) -> None:
        # names of the losses of a step -> the first step at which one was not finite (-1: none), and their values then
        self._seen: dict[tuple[str, ...], tuple[Tensor, Tensor]] = {}

    def see(self, losses: Mapping[str, Tensor], step: int) -> None:
        """Note the losses of a step; nothing waits for the device.

        Args:
            losses: Named terms, each one number.
            step: Of the run.
        """
        values = torch.stack([one.detach().float() for one in losses.values()])
        names = tuple(losses)
        if names not in self._seen:
            self._seen[names] = (torch.full_like(values[0], -1, dtype=torch.int64), values)
        first, kept = self._seen[names]
        is_first = (first < 0) & ~values.isfinite().all()
        self._seen[names] = (
            torch.where(is_first, step, first),
            torch.where(is_first, values, kept),
        )

    def check(self, *, advice: str, modules: Iterable[nn.Module] = ()) -> None:
        """Stop where something was not finite; waits for the device.

        Args:
            advice: What to try instead, for the message.
            modules: Whose parameters and buffers must be finite, too.

        Raises:
            OptionError: A loss or a weight is not finite.
        """  # noqa: DOC501 - _diverged makes an OptionError
        found = [(int(first), names, kept) for names, (first, kept) in self._seen.items()]
        for step, names, kept in sorted(found, key=lambda one: one[0]):
            if step >= 0:
                values = zip(names, kept.tolist(), strict=True)
                name, value = next(one for one in values if not math.isfinite(one[1]))
                raise _diverged(f"the loss {name} is {value} at step {step}", advice)
        if not all(map(_is_finite, modules)):
            raise _diverged("a weight is not finite after the last step", advice)


def _is_finite(module: nn.Module) -> bool:
    """Whether all numbers of a module are; asked of the device once."""
    held = [
        one.detach().isfinite().all()
        for one in (*module.parameters(), *module.buffers())
        if one.is_floating_point()
    ]
    return bool(torch.stack(held).all()) if held else True


def _diverged(what: str, advice: str) -> OptionError:
    return OptionError(f"{what}: training has diverged; try {advice}")
