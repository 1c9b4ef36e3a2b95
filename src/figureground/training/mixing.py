"""MixUp and CutMix: images of a batch mixed with their neighbours, and labels with them."""

__all__ = ["Mixing"]

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from figureground.base.errors import OptionError
from figureground.training.batch import Batch


class Mixing:
    """One of several mixing transforms for each batch, all with equal probability.

    Random numbers come from torch's global generator, which the loop seeds for every step. Each process mixes its own
    share of a batch.

    Args:
        entries: Names, ``MixUp`` or ``CutMix``, with their parameters.
        outputs: Of the network.

    Raises:
        OptionError: A parameter that does not fit.

    References:
        Zhang et al. (2018), arXiv:1710.09412; Yun et al. (2019), arXiv:1905.04899.
    """

    def __init__(self, entries: Sequence[tuple[str, dict[str, Any]]], outputs: int) -> None:
        self._outputs = outputs
        try:
            made = [
                getattr(v2, name)(**({"num_classes": outputs} | given)) for name, given in entries
            ]
        except (TypeError, ValueError) as error:
            raise OptionError(f"augmentation.transforms: {error}") from error
        self._mix = v2.RandomChoice(made)

    def __call__(self, batch: Batch) -> Batch:
        """The batch mixed.

        Args:
            batch: With labels; images without one keep none.

        Returns:
            A batch with ``shares`` of the labels.
        """
        known = (batch.labels >= 0)[:, None]
        shares = F.one_hot(batch.labels.clamp(min=0), self._outputs).float() * known
        images, mixed = self._mix(batch.images.contiguous(), shares)
        return replace(
            batch,
            images=images.contiguous(memory_format=_format(batch.images)),
            shares=mixed.as_subclass(torch.Tensor),
        )


def _format(images: torch.Tensor) -> torch.memory_format:
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last and not images.is_contiguous() else torch.contiguous_format
