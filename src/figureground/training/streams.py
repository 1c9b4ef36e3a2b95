"""Randomness that depends on where a run is, not on how it came there: what makes exact resuming simple."""

__all__ = ["borrowed_numbers", "set_numbers", "stream"]

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream(seed: int, purpose: str, *place: int) -> torch.Generator:
    """A generator that is the same whenever a run with this seed comes to this place.

    Args:
        seed: The run's seed.
        purpose: What the numbers are for; different purposes are independent.
        place: Epoch, step and the like.

    Returns:
        A CPU generator.

    Examples:
        >>> a, b = (torch.rand(1, generator=stream(0, "order", 3)) for _ in range(2))
        >>> bool(a == b), bool(a == torch.rand(1, generator=stream(0, "order", 4)))
        (True, False)
    """
    return torch.Generator().manual_seed(_number(seed, purpose, *place))


@contextmanager
def borrowed_numbers(device: torch.device) -> Iterator[None]:
    """Torch's global numbers, given back afterwards as they were.

    Args:
        device: Whose numbers are used besides the CPU's.

    Yields:
        Nothing.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def set_numbers(device: torch.device, seed: int, purpose: str, *place: int) -> None:
    """Put torch's global numbers, which dropout and initial weights draw from, to a place.

    Within ``borrowed_numbers`` only, so that the caller's come back.

    Args:
        device: Whose numbers are set besides the CPU's.
        seed: The run's seed.
        purpose: As for ``stream``.
        place: As for ``stream``.
    """
    number = _number(seed, purpose, *place)
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)


def _number(seed: int, purpose: str, *place: int) -> int:
    text = f"{seed}/{purpose}/{'/'.join(map(str, place))}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
