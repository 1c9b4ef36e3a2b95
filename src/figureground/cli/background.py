"""``figureground background build``: a pool of images that show none of the classes."""

__all__ = ["app", "build"]

from collections import Counter
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from figureground.base.claim import locked
from figureground.cli.command import Command, Out, Overwrite, expanded
from figureground.cli.console import (
    complain,
    out as standard_output,
    progress_bars,
    say,
    tell_left_out,
)
from figureground.studies.background.options import PoolRequest

if TYPE_CHECKING:
    from pathlib import Path

    from figureground.data.background import PoolRecord

app = typer.Typer(help="Pools of background images.", no_args_is_help=True)


@app.callback()
def _only_verb() -> None:
    """Pools of background images."""


@app.command("build", cls=Command)
@expanded
def build(options: PoolRequest, out: Out, overwrite: Overwrite = False) -> None:
    """Gather background images, leave out copies of the classes' images, divide them, write them.

    The folder then holds train/, val/ and test/, report.html (what was left out and why), contact sheets, and
    record.json. Exit status: 0 fine, 2 some images could not be decoded (they are listed), 1 an error.
    """
    from figureground.reports.background_pool_report import (  # noqa: PLC0415 - torch is slow to import
        write_background_pool_report,
    )
    from figureground.studies.background.pool import make_background_pool  # noqa: PLC0415 - torch is slow to import

    with locked(out):
        with progress_bars() as progress:
            record = make_background_pool(options, out, overwrite=overwrite, progress=progress)
        page = write_background_pool_report(out)
    _tell(record, page)


def _tell(record: "PoolRecord", page: "Path") -> None:
    """What is in the pool and what is not; unreadable images set the exit status."""
    for note in record.notes:
        complain(f"note: {note}")
    table = Table("source", "offered", "written", box=None, pad_edge=False)
    for source in record.sources:
        table.add_row(source.name, str(source.offered), str(source.written))
    standard_output().print(table)
    say(", ".join(f"{part} {count}" for part, count in record.part_counts().items()))
    reasons = Counter(one.reason for one in record.dropped)
    words = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none"
    against = f"{record.targets} target images compared" if record.targets else "not screened"
    say(f"left out: {words} ({against})")
    say(str(page))
    for sentence in record.sentences():
        say(sentence)
    bad = [one.detail for one in record.dropped if one.reason == "unreadable"]
    bad += record.unreadable_targets
    tell_left_out(bad, page.parent / "record.json")
