"""How a long job reports its progress."""

__all__ = ["Progress", "no_progress"]

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and how much there is."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Ignore all reports."""
