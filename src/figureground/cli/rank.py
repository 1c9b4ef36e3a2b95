"""``figureground rank``: which of many photos show what is sought?"""

__all__ = ["rank"]

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.cli import model_options
from figureground.cli.comma_lists import words
from figureground.cli.console import complain, say, watched

if TYPE_CHECKING:
    from figureground.models import Classifier
    from figureground.studies.ranking import RankOptions, RankRecord

_SOME_FAILED = 2
_SHOWN_FAILURES = 20


@model_options.takes_words
def rank(
    model: Annotated[
        str,
        typer.Argument(help="Folder of a training run, or a model as --model of explain takes it."),
    ],
    photos: Annotated[
        list[str],
        typer.Argument(help="Files, folders or patterns; folders in folders are searched."),
    ],
    out_folder: Annotated[Path, typer.Option("--out", "-o", help="Where results go.")] = Path(
        "out/ranked"
    ),
    top: Annotated[int, typer.Option(help="Photos on the contact sheet and in top.csv.")] = 200,
    classes: Annotated[
        str | None,
        typer.Option(
            "--class", help="Classes sought, comma-separated. Default: all but background."
        ),
    ] = None,
    score: Annotated[
        str, typer.Option(help="softmax (log odds of the probability) or logit.")
    ] = "softmax",
    method: Annotated[str, typer.Option(help="Of the maps on the sheet.")] = "grad-cam",
    about: model_options.Words = model_options.NOTHING,
    batch_size: Annotated[
        int | None, typer.Option(help="Photos at a time. Default: by the device.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Threads that decode. Default: one per core, at most 8.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, … Default: cuda if there is one.")
    ] = None,
    parquet: Annotated[
        bool | None,
        typer.Option(help="Scores as Parquet too. Default: where pyarrow is installed."),
    ] = None,
) -> None:
    """Score photos, best first: scores.csv, top.csv and a contact sheet with maps, report.html.

    Goes on where an earlier run was stopped. Exit status: 0 all photos scored, 2 some could not be used (they are
    listed), 1 an error.
    """
    from figureground.data import find_images  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.ranking import RankOptions  # noqa: PLC0415
    from figureground.studies.trained import load_trained  # noqa: PLC0415

    options = RankOptions(
        classes=tuple(words(classes or "")),
        score=score,
        top=top,
        method=method,
        batch_size=batch_size,
        device=device,
        workers=workers,
        parquet=parquet,
    )
    paths = _without(out_folder, find_images(photos, recursive=True))
    if Path(model).is_dir():
        about.refuse_any()
        classifier = load_trained(model)
    else:
        classifier = about.load(model)
    for note in classifier.notes:
        complain(f"note: {note}")
    record = _run(classifier, paths, out_folder, options=options)
    _tell(record, out_folder)


def _without(folder: Path, paths: Sequence[Path]) -> list[Path]:
    """The photos that are not maps of an earlier ranking, where these lie among them."""
    place = (folder / "top").absolute()
    return [path for path in paths if place not in path.absolute().parents]


def _run(
    classifier: "Classifier", paths: Sequence[Path], folder: Path, *, options: "RankOptions"
) -> "RankRecord":
    """The job under a progress bar, and its page."""
    from figureground.reports import write_ranked_sheet  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.ranking import rank_photos  # noqa: PLC0415

    with watched("ranking", len(paths)) as watch:
        record = rank_photos(classifier, paths, out=folder, options=options, watch=watch)
    write_ranked_sheet(folder)
    return record


def _tell(record: "RankRecord", folder: Path) -> None:
    """What was found, where it is, and what could not be used; the last sets the exit status."""
    earlier = f" ({record.skipped} photos in an earlier run)" if record.skipped else ""
    say(
        f"{record.images} photos scored{earlier} in {record.seconds:.1f} s by {', '.join(record.classes)}"
    )
    for place, one in enumerate(record.top[:5], start=1):
        say(f"  {place}. {one.path}: {one.class_name}, score {one.score:.3f}")
    say(str(folder / "report.html"))
    if record.failed:
        complain(f"{len(record.failed)} files could not be used:")
        for failure in record.failed[:_SHOWN_FAILURES]:
            complain(f"  {failure.path}: {failure.reason}")
        raise typer.Exit(_SOME_FAILED)
