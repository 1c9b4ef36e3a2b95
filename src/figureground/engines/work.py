"""Parts of a job, and work that does one after the other."""

__all__ = ["Part", "Tick", "Work"]

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

Tick = Callable[[int], None]
"""Told how many images more are done."""


@dataclass(frozen=True)
class Part:
    """Images that are done by one worker and stored in one piece.

    Args:
        name: Of the unit that they are stored as.
        images: Files, in order.
        lost: Those that ended the process that opened them, by their place in ``images``; they are not opened.
    """

    name: str
    images: Sequence[Any]
    lost: frozenset[int] = field(default_factory=frozenset)


@runtime_checkable
class Work(Protocol):
    """Does parts; made once, and sent to other processes by pickling.

    What it gives for a part depends on this part alone, wherever and in whatever order it is done.
    """

    def stream(self, parts: Iterable[Part], tick: Tick) -> Iterator[tuple[str, Any]]:
        """Do parts one after the other, reading ahead.

        Args:
            parts: In order.
            tick: Told of images that are done.

        Yields:
            Name of each part and its results, in order.
        """
        ...

    def packed(self) -> AbstractContextManager[object]:
        """For the way to other processes, which need not have the devices of this one."""
        ...

    def settle(self) -> None:
        """In a process that does nothing else: whatever is better done once than for every part."""
        ...
