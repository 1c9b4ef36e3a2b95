"""What a long job tells whoever watches it."""

__all__ = ["Watch", "unwatched"]

from collections.abc import Callable

Watch = Callable[[int, int], None]
"""Called with the number of images done and the number of images in all."""


def unwatched(_done: int, _total: int) -> None:
    """For callers who do not watch."""
