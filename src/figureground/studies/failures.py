"""An image that could not be used."""

__all__ = ["Failure"]

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
