"""Random numbers that depend on the position in a run, not on how the run got there: exact resuming needs no more."""

__all__ = ["derived_seed", "forked_rng", "seed_rng", "stream"]

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream(seed: int, purpose: str, *position: int) -> torch.Generator:
    """A generator that is the same whenever a run with this seed comes to this position.

    Args:
        seed: The run's seed.
        purpose: What the random numbers are for; different purposes are independent. It is part of the seed: another
            text gives other numbers.
        position: Epoch, step and the like.

    Returns:
        A CPU generator.

    Examples:
        >>> a, b = (torch.rand(1, generator=stream(0, "order", 3)) for _ in range(2))
        >>> bool(a == b), bool(a == torch.rand(1, generator=stream(0, "order", 4)))
        (True, False)
    """
    return torch.Generator().manual_seed(derived_seed(seed, purpose, *position))


@contextmanager
def forked_rng(device: torch.device) -> Iterator[None]:
    """A fork of torch's global RNG, whose state is restored afterwards.

    Args:
        device: Whose RNG is forked besides the CPU's.

    Yields:
        Nothing.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def seed_rng(device: torch.device, seed: int, purpose: str, *position: int) -> None:
    """Seed torch's global RNG, which dropout and initial weights draw from, for a position in a run.

    Only within ``forked_rng``, so that the caller's state is restored.

    Args:
        device: Whose RNG is seeded besides the CPU's.
        seed: The run's seed.
        purpose: As for ``stream``.
        position: As for ``stream``.
    """
    derived = derived_seed(seed, purpose, *position)
    torch.default_generator.manual_seed(derived)
    if device.type == "cuda":
        torch.cuda.manual_seed(derived)


def derived_seed(seed: int, purpose: str, *position: int) -> int:
    """The number that ``stream`` begins from.

    Args:
        seed: As for ``stream``.
        purpose: As for ``stream``.
        position: As for ``stream``.

    Returns:
        From 0 to 2^56 - 1.
    """
    text = f"{seed}/{purpose}/{'/'.join(map(str, position))}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
