"""How a long job reports its progress."""

__all__ = ["Progress", "ProgressLines", "no_progress", "task_of"]

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and how much there is."""

_STEPS = 10  # lines at most of a stage that is fast
_SECONDS = 30.0


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Ignore all reports."""


def task_of(stage: str) -> str:
    """What stays the same of a stage while its words change.

    Args:
        stage: As a job reports it.

    Returns:
        ``training`` for epochs, whose text tells the loss; the stage itself for all others.
    """
    return "training" if stage.startswith("epoch ") else stage


@dataclass
class ProgressLines:
    """Progress as plain lines, for files and pipes: after every tenth, or after 30 seconds.

    Args:
        write: Takes a line without its end.
        clock: Seconds since any moment.

    Examples:
        >>> report = ProgressLines(print, clock=lambda: 0.0)
        >>> for done in range(0, 1001):
        ...     report("measuring", done, 1000) if done < 200 else None
        measuring: 100 of 1,000 (10 %, 0 s)
    """

    write: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _told: dict[str, tuple[int, float, float]] = field(default_factory=dict, init=False)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Write a line where it is time for one; see ``Progress``."""
        task, now = task_of(stage), self.clock()
        tenth = _STEPS * done // total if total > 0 else _STEPS
        before, last, began = self._told.setdefault(task, (0, now, now))
        if tenth < before:  # the stage begins again
            before, last, began = self._told[task] = (0, now, now)
        if tenth <= before and now - last < _SECONDS:
            return
        self._told[task] = (tenth, now, began)
        so_far = f" ({100 * done // total} %, {now - began:.0f} s)" if total > 0 and done else ""
        self.write(f"{stage}: {done:,} of {total:,}{so_far}")
