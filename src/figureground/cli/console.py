"""Where the command line writes: results to standard output, progress and errors to standard error."""

__all__ = [
    "complain",
    "out",
    "progress_bars",
    "say",
    "say_answer",
    "say_table",
    "tell_left_out",
    "told",
]

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
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
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from figureground.base.amount import amount
from figureground.base.printable import printable
from figureground.base.progress import ProgressLines, task_of
from figureground.base.storage import is_url

if TYPE_CHECKING:
    from figureground.studies.answers import Answer

_PIPE_WIDTH = 200
_SHOWN, _INCOMPLETE = 20, 2


class _Console(Console):
    """A console on which text is only text: brackets are no markup, and no file name moves the cursor."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, highlight=False)

    def render_str(self, text: str, **how: Any) -> Text:  # noqa: ANN401 - as rich has it
        """Cells of tables, measured as they will be seen."""
        return super().render_str(printable(text), **how)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Segments as they are, text in them made harmless."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                lines = segment.text.split("\n")
                yield segment._replace(text="\n".join(map(printable, lines)))


def out() -> Console:
    """Standard output as it is now; wide where it is a pipe or a file, so that no table is cut.

    Returns:
        The console.
    """
    return _Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def say(text: str, style: str | None = None) -> None:
    """A line on standard output, word for word; characters that would act on the terminal are escaped.

    Args:
        text: The line.
        style: For the whole of it.
    """
    out().print(printable(text), style=style, soft_wrap=True)


def say_table(content: Any) -> None:  # noqa: ANN401 - as a record holds it
    """A table of a record on standard output, word for word: title, aligned columns, caption.

    Args:
        content: With ``columns``, ``rows`` and perhaps ``title`` and ``caption``.
    """
    from figureground.reports.tables import cell_text, checked_table  # noqa: PLC0415 - jinja2 is slow to import

    table = checked_table(content)
    if table.title:
        say("")
        say(table.title, style="bold")
    grid = Table(*table.columns, box=None, pad_edge=False)
    for row in table.rows:
        grid.add_row(*map(cell_text, row))
    out().print(grid)
    if table.caption:
        say(table.caption)


def say_answer(answer: "Answer | None") -> None:
    """The sentences that the page leads with, word for word, below everything else that was found.

    Args:
        answer: Of the record; None where it has none.
    """
    for sentence in () if answer is None else answer.sentences:
        say(sentence)


def complain(text: str, style: str | None = None) -> None:
    """A line on standard error, as by ``say``.

    Args:
        text: The line.
        style: For the whole of it.
    """
    _Console(stderr=True).print(printable(text), style=style, soft_wrap=True)


def told(folder: Path | str, file: Path) -> str:
    """Where a file is, as the user named its folder.

    Args:
        folder: A path or a URL.
        file: In the folder of this machine that stands for it.

    Returns:
        Its path or URL.
    """
    return f"{folder.rstrip('/')}/{file.name}" if is_url(folder) else str(file)


def tell_left_out(left_out: Sequence[str], record: Path | str, noun: str = "file") -> None:
    """What could not be used; the last thing that a verb says.

    Args:
        left_out: Names and reasons.
        record: The file that holds all of them.
        noun: What one of them is.

    Raises:
        typer.Exit: With status 2 where there are some.
    """
    if not left_out:
        return
    complain(f"{amount(len(left_out), noun)} could not be used:")
    for line in left_out[:_SHOWN]:
        complain(f"  {line}")
    if len(left_out) > _SHOWN:
        complain(f"  and {len(left_out) - _SHOWN} more, all of them in {record}")
    raise typer.Exit(_INCOMPLETE)


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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
        console=_Console(stderr=True),
    )


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for every stage of a job, which no warning of a decoder breaks: these come with the job's notes.

    Where standard error is a file or a pipe, plain lines take its place, one for every tenth of a stage.

    Yields:
        A progress callback: the stage, how much of it is done, how much there is.
    """
    from figureground.data.notices import warnings_noticed  # noqa: PLC0415 - torch is slow to import

    if not _Console(stderr=True).is_terminal:
        with warnings_noticed():
            yield ProgressLines(complain)
        return
    with _bar() as bar, warnings_noticed():
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            key = task_of(stage)
            if key not in tasks:
                tasks[key] = bar.add_task("", total=total)
            bar.update(tasks[key], description=printable(stage), completed=done, total=total)

        try:
            yield progress
        except BaseException:
            for task in bar.tasks:  # one of which nothing is done says nothing beside an error
                bar.update(task.id, visible=task.completed > 0)
            bar.live.transient = not any(task.visible for task in bar.tasks)
            raise
