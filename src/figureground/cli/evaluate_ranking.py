"""``figureground evaluate ranking``: does a run bring the rare pictures of its test part to the top?"""

__all__ = ["ranking"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.errors import OptionError
from figureground.cli import evaluate_options as shared
from figureground.cli.comma_lists import words
from figureground.cli.console import complain, say, watched

if TYPE_CHECKING:
    from figureground.studies.ranking.measure import RankingRecord


def ranking(
    run: Annotated[Path, typer.Argument(help="Folder of a run with rare classes (data.rare).")],
    which: Annotated[
        str, typer.Option(help="Weights: best (on validation), last or step-N.")
    ] = "best",
    at: Annotated[
        str, typer.Option("--at", help="k of recall and precision at k, comma-separated.")
    ] = "10,100,1000",
    device: shared.Device = None,
    out: shared.Folder = Path("out/ranking"),
) -> None:
    """Average precision by probability and by logit, beside chance; recall and precision at k; macro-F1.

    On the test part of the run's own data, which it has not seen; for iNaturalist 2017 the official validation part.
    """  # noqa: DOC501 - it is the text of --help
    from figureground.studies.ranking.measure import measure_ranking  # noqa: PLC0415 - torch is slow to import

    ks = tuple(int(word) for word in words(at) if word.isdecimal())
    if len(ks) < len(words(at)):
        raise OptionError(f"--at takes whole numbers such as 10,100, not '{at}'")
    with watched("measuring") as watch:
        record = measure_ranking(
            run, out=out, which=which, at=ks, device=device,
            watch=watch,
        )  # fmt: skip
    _tell(record, out)


def _tell(record: "RankingRecord", folder: Path) -> None:
    """The tables, and where the numbers are."""
    from figureground.reports import as_markdown  # noqa: PLC0415 - torch is slow to import
    from figureground.reports.tables import Table  # noqa: PLC0415

    for note in record.notes:
        complain(f"note: {note}")
    columns = tuple(record.classes[0])
    rows = tuple(tuple(one[name] for name in columns) for one in record.classes)
    say(as_markdown(Table(tuple(name.replace("_", " ") for name in columns), rows)))
    for title, found in (("probability", record.mean_ap), ("logit", record.mean_ap_logit)):
        say(
            f"mean average precision by {title}: {found['mean']:.4f} ({found['low']:.4f} to {found['high']:.4f}, "
            f"95 % over pictures)"
        )
    say(f"chance {record.chance_ap:.4f}; macro-F1 of the rare classes {record.macro_f1:.4f}")
    say(
        f"{record.images} pictures, {record.backgrounds} of them background; {folder / 'record.json'}"
    )
