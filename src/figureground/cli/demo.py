"""``figureground demo``: the whole job on data that comes with the package."""

__all__ = ["demo"]

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from figureground.cli.console import out, progress_bar, say


def demo(
    out_folder: Annotated[Path, typer.Option("--out", "-o", help="Where results go.")] = Path(
        "out/demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="For data, weights and training.")] = 0,
    samples: Annotated[
        int, typer.Option(min=1000, help="Training pictures shown to each network.")
    ] = 120_000,
) -> None:
    """Train a small network on digits in clutter with and without a background class, and compare what they look at.

    Needs no download; some minutes on two cores. A demo that was stopped goes on where it stood.
    """
    from figureground.reports import write_explain_report  # noqa: PLC0415 - torch is slow to import
    from figureground.reports.tables import cell_text, checked_table  # noqa: PLC0415
    from figureground.studies.demo import run_demo  # noqa: PLC0415

    with progress_bar() as bar:
        tasks = {stage: bar.add_task(stage, total=None, visible=False) for stage in _STAGES}

        def watch(stage: str, done: int, total: int) -> None:
            bar.update(tasks[stage], completed=done, total=total, visible=True)

        record = run_demo(out_folder, seed=seed, samples=samples, watch=watch)
    report = write_explain_report(out_folder)
    for table in map(checked_table, record.tables):
        say(f"\n{table.title}", style="bold")
        grid = Table(*table.columns, box=None, pad_edge=False)
        for row in table.rows:
            grid.add_row(*map(cell_text, row))
        out().print(grid, highlight=False)
    say(f"\n{report}")


_STAGES = ("training, plain", "training, background class", "measuring", "drawing")
