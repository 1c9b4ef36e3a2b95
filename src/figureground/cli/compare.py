"""``figureground compare``: two or more trainings, before and after, on pictures that none of them has seen."""

__all__ = ["compare"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.errors import OptionError
from figureground.cli import evaluate_options as shared
from figureground.cli.comma_lists import words
from figureground.cli.console import complain, progress_bar, say

if TYPE_CHECKING:
    from figureground.studies.comparison.record import ComparisonRecord

_WHAT = "What is compared"


def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of finished runs, each an arm of its own; the first is the reference."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="NAME=RUN,RUN,...: an arm with several seeds; repeatable, after those named by folder."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Held-out pictures: a data set, NAME or NAME:PLACE, whose test part is taken, or a folder of class "
            "folders, all of it. Default: the test part of the first run's data."
        ),
    ] = None,
    which: Annotated[str, typer.Option(help="Weights: best (on validation), last or step-N.")] = "best",
    ood: Annotated[
        list[str] | None,
        typer.Option(
            help="Unknown pictures: noise, patch-shuffle, background (the data's own), textures (pack dtd10), a data "
            "set NAME[:PLACE], or a folder; repeatable. Default: noise and patch-shuffle; 'none' for none.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    corrupted: Annotated[
        int, typer.Option(min=0, help="Test pictures that are corrupted; 0 for none.", rich_help_panel=_WHAT)
    ] = 500,
    corruptions: Annotated[
        str | None,
        typer.Option(help="Comma-separated. Default: all seven, at five severities.", rich_help_panel=_WHAT),
    ] = None,
    maps: Annotated[
        int, typer.Option(min=0, help="Test pictures whose maps are measured; 0 for none.", rich_help_panel=_WHAT)
    ] = 200,
    methods: Annotated[
        str, typer.Option(help="Make the maps, comma-separated; the first one's are shown.", rich_help_panel=_WHAT)
    ] = "grad-cam",
    pictures: Annotated[
        int, typer.Option(min=0, help="Test pictures shown side by side; 0 for none.", rich_help_panel=_WHAT)
    ] = 8,
    limit: shared.Limit = None,
    seed: shared.Seed = 0,
    batch_size: shared.BatchSize = 128,
    device: shared.Device = None,
    out: shared.Folder = Path("out/compare"),
) -> None:  # fmt: skip
    """Compare trainings: accuracy, calibration, unknown pictures, corruptions, maps and their pictures, cost.

    Every number is of pictures that were held out. Several seeds of a way to train make one arm:
    --arm plain=runs/plain-0,runs/plain-1 --arm bg=runs/bg-0,runs/bg-1. Writes record.json, report.html, tables.md,
    tables/*.csv, pictures.png and per_image.npz.
    """
    from figureground.studies.comparison.arms import read_arms  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.comparison.compare import compare as run_comparison  # noqa: PLC0415
    from figureground.studies.comparison.record import CompareOptions  # noqa: PLC0415

    unknown = tuple(ood) if ood else CompareOptions.unknown
    options = CompareOptions(
        unknown=() if unknown == ("none",) else unknown,
        corruptions=CompareOptions.corruptions if corruptions is None else words(corruptions),
        corrupted=corrupted, methods=tuple(shared.chosen_methods(methods).values()), maps=maps,
        pictures=pictures, batch_size=batch_size, seed=seed,
    )  # fmt: skip
    arms = read_arms(_folders(runs or [], arm or []), which=which, device=_device(device))
    with progress_bar() as bar:
        task = bar.add_task("comparing", total=None)

        def watch(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        record = run_comparison(arms, out=out, data=data, limit=limit, options=options, watch=watch)
    _tell(record, out)


def _folders(runs: list[Path], arms: list[str]) -> dict[str, list[Path]]:
    """Arms by name, with the folders of their runs."""
    short = [run.name for run in runs]
    found: dict[str, list[Path]] = {}
    named = [(run.name if short.count(run.name) == 1 else str(run), [run]) for run in runs]
    for text in arms:
        name, equals, folders = text.partition("=")
        if not equals or not name.strip():
            raise OptionError(f"--arm is NAME=RUN,RUN,..., not '{text}'")
        named.append((name.strip(), [Path(folder) for folder in words(folders)]))
    for name, places in named:
        if name in found:
            raise OptionError(f"two arms are called '{name}'")
        found[name] = places
    return found


def _device(given: str | None) -> str:
    """Where to compute."""
    import torch  # noqa: PLC0415 - slow to import

    return given or ("cuda" if torch.cuda.is_available() else "cpu")


def _tell(record: "ComparisonRecord", folder: Path) -> None:
    """Write the page, and say what was found."""
    from figureground.reports.comparison_report import write_comparison_report  # noqa: PLC0415 - slow to import
    from figureground.reports.tables import as_markdown, checked_table  # noqa: PLC0415

    page = write_comparison_report(folder)
    for note in record.notes:
        complain(f"note: {note}")
    for table in record.tables:
        if table["title"] in {"Accuracy and calibration", "Differences"}:
            say(as_markdown(checked_table(table)))
    say(f"{record.images} test pictures in {record.seconds:.1f} s; {page}")
