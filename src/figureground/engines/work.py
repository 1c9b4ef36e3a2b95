"""The seam between a study and the engine: parts of a job, and work that does one after the other."""

__all__ = ["Part", "Tick", "Work", "results"]

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from figureground.engines.options import EngineOptions

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

    def settle(self) -> None:
        """In a process that does nothing else: whatever is better done once than for every part."""
        ...


def results(
    work: Work, parts: Sequence[Part], options: EngineOptions, *, tick: Tick
) -> Iterator[tuple[str, Any]]:
    """The results of all parts, as they come.

    Args:
        work: What is done.
        parts: What is to be done.
        options: Who does it.
        tick: Told of images that are done.

    Yields:
        Name of a part and its results; locally in order, by Ray as they are finished.

    Raises:
        OptionError: Ray is not installed, the cluster cannot be reached or has not what was asked for.
        WorkerError: Worker processes keep ending.
    """
    if options.engine == "local":
        yield from work.stream(parts, tick)
        return
    from figureground.engines.on_ray import on_ray  # noqa: PLC0415 - an extra

    yield from on_ray(work, parts, options, tick=tick)
