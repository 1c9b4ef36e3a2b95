"""``figureground rank``: which of many images show what is sought?"""

__all__ = ["rank"]

from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.amount import amount
from figureground.base.claim import locked
from figureground.cli.command import Device, OutOrUrl, Overwrite, expanded
from figureground.cli.console import complain, progress_bars, say, say_answer, tell_left_out, told
from figureground.cli.model_options import ModelOptions
from figureground.engines import EngineOptions
from figureground.studies.ranking.options import RankOptions

if TYPE_CHECKING:
    from figureground.studies.ranking.options import RankRecord


@expanded
def rank(
    images: Annotated[
        list[str],
        typer.Argument(help="Files, folders or patterns; folders in folders are searched."),
    ],
    options: RankOptions,
    about: ModelOptions,
    engine: EngineOptions,
    out: OutOrUrl = "out/ranked",
    overwrite: Overwrite = False,
    device: Device = None,
) -> None:
    """Score images, best first: scores.csv, top.csv and a contact sheet with maps, report.html.

    Goes on where an earlier run was stopped. Exit status: 0 all images scored, 2 some could not be used (they are
    listed), 1 an error.
    """
    from figureground.data import find_images  # noqa: PLC0415 - torch is slow to import
    from figureground.reports import write_ranked_sheet  # noqa: PLC0415
    from figureground.studies.ranking.rank import rank_images  # noqa: PLC0415

    paths = find_images(images, recursive=True)
    classifier = about.load().classifier
    with locked(out) as folder:
        with progress_bars() as progress:
            record = rank_images(
                classifier,
                paths,
                out=out,
                options=options,
                device=engine.where(device),
                overwrite=overwrite,
                progress=progress,
            )
        page = write_ranked_sheet(folder)
    _tell(record, told(out, page), told(out, folder / "record.json"))


def _tell(record: "RankRecord", page: str, all_of_it: str) -> None:
    """What was found, where it is, and what could not be used; the last sets the exit status."""
    for note in record.notes:
        complain(f"note: {note}")
    earlier = f" ({amount(record.skipped, 'image')} in an earlier run)" if record.skipped else ""
    say(
        f"{amount(record.images, 'image')} scored{earlier} in {record.seconds:.1f} s by {', '.join(record.classes)}"
    )
    for place, one in enumerate(record.top[:5], start=1):
        say(f"  {place}. {one.path}: {one.class_name}, score {one.score:.3f}")
    say(page)
    say_answer(record.answer)
    tell_left_out([str(one) for one in record.failed], all_of_it)
