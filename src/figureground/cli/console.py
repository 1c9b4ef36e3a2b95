"""Where the command line writes: results to standard output, progress and errors to standard error."""

__all__ = ["complain", "out", "progress_bars", "say", "say_table"]

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

_PIPE_WIDTH = 200


def out() -> Console:
    """Standard output as it is now; wide where it is a pipe or a file, so that no table is cut.

    Returns:
        The console.
    """
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def say(text: str, style: str | None = None) -> None:
    """A line on standard output, word for word: brackets are no markup, numbers are not coloured.

    Args:
        text: The line.
        style: For the whole of it.
    """
    out().print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def say_table(content: Any) -> None:  # noqa: ANN401 - as a record holds it
    """A table of a record on standard output, word for word: title, aligned columns, caption.

    Args:
        content: With ``columns``, ``rows`` and perhaps ``title`` and ``caption``.
    """
    from figureground.reports.tables import cell_text, checked_table  # noqa: PLC0415 - jinja2 is slow to import

    table = checked_table(content)
    if table.title:
        say(f"\n{table.title}", style="bold")
    grid = Table(*(Column(Text(name)) for name in table.columns), box=None, pad_edge=False)
    for row in table.rows:
        grid.add_row(*(Text(cell_text(cell)) for cell in row))
    out().print(grid, highlight=False)
    if table.caption:
        say(table.caption)


def complain(text: str, style: str | None = None) -> None:
    """A line on standard error, word for word.

    Args:
        text: The line.
        style: For the whole of it.
    """
    Console(stderr=True).print(text, style=style, highlight=False, markup=False, soft_wrap=True)


class _Speed(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """The speed of the last while."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} images/s", style="cyan")


def _bar() -> Progress:
    """A bar with counts, images per second and the remaining time, on standard error.

    Returns:
        The bar, to be used as a context manager.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for every stage of a job.

    Yields:
        A progress callback: the stage, how much of it is done, how much there is.
    """
    with _bar() as bar:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            key = "training" if stage.startswith("epoch ") else stage  # whose text tells the loss
            if key not in tasks:
                tasks[key] = bar.add_task(stage, total=total)
            bar.update(tasks[key], description=stage, completed=done, total=total)

        yield progress
