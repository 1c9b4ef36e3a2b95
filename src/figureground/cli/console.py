"""Where the command line writes: results to standard output, progress and errors to standard error."""

__all__ = ["errors", "out", "progress_bar"]

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

out = Console()
errors = Console(stderr=True)


class _Speed(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """The speed of the last while."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} images/s", style="cyan")


def progress_bar() -> Progress:
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
        console=errors,
    )
