"""``figureground compare``: two or more trainings, before and after, on images that none of them has seen."""

__all__ = ["compare"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.claim import locked
from figureground.base.errors import OptionError
from figureground.cli.command import Device, Out, Overwrite, TrustCode, expanded
from figureground.cli.console import (
    complain,
    progress_bars,
    say,
    say_answer,
    say_table,
    tell_left_out,
)
from figureground.studies.comparison.options import CompareOptions

if TYPE_CHECKING:
    from figureground.studies.comparison.options import ComparisonRecord


@expanded
def compare(
    options: CompareOptions,
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of finished runs, each an arm of its own; the first is the reference."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="NAME=RUN,RUN,...: an arm with several seeds; repeatable, after those named by folder."),
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="Of the runs: best (on validation), last or step-N.")] = "best",
    trust_code: TrustCode = False,
    out: Out = Path("out/compare"),
    overwrite: Overwrite = False,
    device: Device = None,
) -> None:  # fmt: skip
    """Compare trainings: accuracy, calibration, unknown images, corruptions, maps, examples, cost, backgrounds.

    Every number is of images that were held out. Several seeds of a way to train make one arm:
    --arm plain=runs/plain-0,runs/plain-1 --arm bg=runs/bg-0,runs/bg-1. Writes record.json, report.html, tables.md,
    tables/*.csv, examples.png and per_image.npz. Exit status: 0 fine, 2 some images could
    not be used (they are listed), 1 an error.
    """
    from figureground.reports.comparison_report import write_comparison_report  # noqa: PLC0415 - jinja2 is slow to import
    from figureground.studies.comparison.compare import compare as compare_arms  # noqa: PLC0415 - torch is slow to import

    arms = _folders(runs or [], arm or [])
    with locked(out):
        with progress_bars() as progress:
            record = compare_arms(
                arms,
                out=out,
                options=options,
                checkpoint=checkpoint,
                device=device,
                overwrite=overwrite,
                progress=progress,
                trust_code=trust_code,
            )
        page = write_comparison_report(out)
    _tell(record, page)


def _folders(runs: list[Path], arms: list[str]) -> dict[str, list[Path]]:
    """Arms by name, with the folders of their runs."""
    short = [run.name for run in runs]
    found: dict[str, list[Path]] = {}
    named = [(run.name if short.count(run.name) == 1 else str(run), [run]) for run in runs]
    for text in arms:
        name, equals, folders = text.partition("=")
        if not equals or not name.strip():
            raise OptionError(f"--arm is NAME=RUN,RUN,..., not '{text}'")
        named.append(
            (name.strip(), [Path(one.strip()) for one in folders.split(",") if one.strip()])
        )
    for name, places in named:
        if name in found:
            raise OptionError(f"two arms are called '{name}'")
        found[name] = places
    return found


def _tell(record: "ComparisonRecord", page: Path) -> None:
    """What was found, and where the page is."""
    for note in record.notes:
        complain(f"note: {note}")
    titles = {"Accuracy and calibration", "Differences", "The gap along three masks"}
    for table in record.tables:
        if table["title"] in titles:
            say_table(table)
    for verdict in record.background.verdicts if record.background else ():
        say(f"{verdict['arm']}: {verdict['word']}: {verdict['told']}.")
    say(f"{record.images} test images in {record.seconds:.1f} s; {page}")
    say_answer(record.answer)
    tell_left_out(record.left_out, page.parent / "record.json")
