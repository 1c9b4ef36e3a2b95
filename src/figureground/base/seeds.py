"""Randomness: passed in as a generator, seeded globally by entry points only."""

__all__ = ["generator", "seed_everything"]

import random

import numpy as np
import torch


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh torch generator with this seed.

    Args:
        seed: Any integer.
        device: Where its numbers will be drawn.

    Returns:
        The generator; equal seeds give equal streams on one kind of device.
    """
    return torch.Generator(device).manual_seed(seed)


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch globally. For entry points (a command, a script), never for library code.

    Args:
        seed: Any non-negative integer below 2**32.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002, TID251 - this is the one place that may
    torch.manual_seed(seed)  # noqa: TID251 - this is the one place that may
