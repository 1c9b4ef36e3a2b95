"""``figureground demo``: the whole job on data that comes with the package."""

__all__ = ["demo"]

from pathlib import Path
from typing import Annotated

import typer

from figureground.base.claim import locked
from figureground.cli.command import Out
from figureground.cli.console import complain, progress_bars, say, say_answer, say_table


def demo(
    out: Out = Path("out/demo"),
    seed: Annotated[int, typer.Option(min=0, help="For data, weights and training.")] = 0,
    samples: Annotated[
        int, typer.Option(min=1000, help="Training images shown to each network.")
    ] = 60_000,
) -> None:
    """A network that rests on the background is found out and cured; then maps with and without a background class.

    Needs no download; some three to ten minutes on two cores. A demo that was stopped goes on where it stood.
    """
    complain(
        f"four small networks are trained, diagnosed, compared and explained on digits, into {out}: some three to ten "
        "minutes on two cores, about one with --samples 1000; stopped, the same command goes on"
    )
    from figureground.reports import write_diagnosis_report, write_explain_report  # noqa: PLC0415 - torch is slow to import
    from figureground.reports.comparison_report import write_comparison_report  # noqa: PLC0415
    from figureground.reports.demo_report import write_demo_report  # noqa: PLC0415
    from figureground.studies.demo.demo import run_demo  # noqa: PLC0415

    with locked(out):
        with progress_bars() as progress:
            record = run_demo(out, seed=seed, samples=samples, progress=progress)
        write_diagnosis_report(out / "diagnosis")
        write_comparison_report(out / "treatment")
        write_comparison_report(out / "comparison")
        write_explain_report(out).replace(out / "maps.html")
        report = write_demo_report(out)
    for table in record.tables:
        say_table(table)
    say("")
    say(str(report))
    say_answer(record.answer)
