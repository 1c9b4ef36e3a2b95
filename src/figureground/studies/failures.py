"""An image that could not be used."""

__all__ = ["Failure", "lost_image"]

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """An image that could not be used.

    Args:
        path: Where it is.
        reason: Why, in plain words.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def lost_image(path: str) -> Failure:
    """What is said of an image that a worker process cannot survive.

    Args:
        path: Where it is.

    Returns:
        The failure.
    """
    return Failure(path, "it ended the process that opened it")
