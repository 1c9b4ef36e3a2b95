"""``figureground demo``: the whole job on data that comes with the package."""

__all__ = ["demo"]

from pathlib import Path
from typing import Annotated

import typer

from figureground.cli.console import out, progress_bar


def demo(
    out_folder: Annotated[Path, typer.Option("--out", "-o", help="Where results go.")] = Path(
        "out/demo"
    ),
    seed: Annotated[int, typer.Option(help="For data, weights and training.")] = 0,
    samples: Annotated[
        int, typer.Option(min=1000, help="Training pictures shown to the network.")
    ] = 38_400,
) -> None:
    """Train a small network on digits in clutter, see what it looks at, measure that against the true boxes.

    Needs no download; some minutes on two cores.
    """
    from figureground.reports import write_explain_report  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.demo import run_demo  # noqa: PLC0415

    with progress_bar() as bar:
        tasks: dict[str, object] = {}

        def watch(stage: str, done: int, total: int) -> None:
            task = (
                tasks.setdefault(stage, bar.add_task(stage, total=total))
                if stage not in tasks
                else tasks[stage]
            )
            bar.update(task, completed=done, total=total)  # type: ignore[arg-type]

        record = run_demo(out_folder, seed=seed, samples=samples, watch=watch)
    report = write_explain_report(out_folder)
    for table in record.tables:
        out.print(f"\n{table['title']}", style="bold", highlight=False)
        for row in table["rows"]:  # type: ignore[attr-defined]
            out.print(
                "  "
                + "  ".join(f"{cell:<24}" if i == 0 else f"{cell}" for i, cell in enumerate(row)),
                highlight=False,
            )
    out.print(f"\n{report}", highlight=False, soft_wrap=True)
