"""``figureground explain``: what does a classifier look at in these images?"""

__all__ = ["explain"]

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.amount import amount
from figureground.base.claim import locked
from figureground.base.storage import is_url, remote_folder
from figureground.cli.command import Device, OutOrUrl, Overwrite, expanded
from figureground.cli.console import complain, progress_bars, say, say_answer, tell_left_out, told
from figureground.cli.model_options import ModelOptions
from figureground.engines import EngineOptions
from figureground.studies.explain.options import ExplainOptions, ExplainRecord

if TYPE_CHECKING:
    from figureground.models import Classifier


@expanded
def explain(
    images: Annotated[
        list[str], typer.Argument(help="Files, folders or patterns ('photos/**/*.jpg').")
    ],
    options: ExplainOptions,
    about: ModelOptions,
    engine: EngineOptions,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Search folders in folders.")
    ] = False,
    out: OutOrUrl = "out/explain",
    overwrite: Overwrite = False,
    device: Device = None,
) -> None:
    """Show what a classifier looks at: overlays, raw maps, boxes and one page, report.html.

    Goes on where an earlier run was stopped. Exit status: 0 all images explained, 2 some images or methods could not be
    used (they are listed at the end), 1 an error.
    """
    from figureground.data import find_images  # noqa: PLC0415 - torch is slow to import
    from figureground.reports import write_explain_report  # noqa: PLC0415
    from figureground.studies.explain.explain import explain_images  # noqa: PLC0415

    paths = find_images(images, recursive=recursive)
    if not recursive:
        _tell_unsearched(images)
    classifier = about.load().classifier
    chosen = replace(options, classes=_classes(options.classes, classifier))
    with locked(out) as folder:
        with progress_bars() as progress:
            record = explain_images(
                classifier,
                paths,
                out=out,
                options=chosen,
                device=engine.where(device),
                overwrite=overwrite,
                progress=progress,
            )
        page = write_explain_report(folder)
    for note in record.notes:
        if note not in classifier.notes:  # which were told before
            complain(f"note: {note}")
    _tell(record, told(out, page), told(out, folder / "record.json"))


def _tell_unsearched(places: Sequence[str]) -> None:
    """Folders inside folders, where there may be images."""
    inside = [
        inner.name
        for place in map(Path, places)
        if place.is_dir()
        for inner in sorted(place.iterdir())
        if inner.is_dir() and not inner.name.startswith(".")
    ]
    there = [one for place in filter(is_url, places) for one in (remote_folder(place) or ([],))[0]]
    inside += [one.rpartition("/")[2] for one in there]
    if inside:
        more = ", …" if len(inside) > 3 else ""
        complain(
            f"note: not searched: {', '.join(inside[:3])}{more} (--recursive searches folders in folders)"
        )


def _tell(record: ExplainRecord, page: str, all_of_it: str) -> None:
    """What was done, where it is, and what could not be done; the last sets the exit status."""
    earlier = f" ({record.skipped} of them in an earlier run)" if record.skipped else ""
    say(f"{amount(record.images, 'image')} explained{earlier} in {record.seconds:.1f} s")
    if record.model["layer"]:
        say(f"layer {record.model['layer']}: {record.model['layer_reason']}")
    if record.blank_maps:
        many = "1 map has a" if record.blank_maps == 1 else f"{record.blank_maps} maps have a"
        say(f"{many} problem; the report says which")
    say_answer(record.answer)
    say(page)
    for method, reason in record.refused.items():
        complain(f"{method} does not work with this network: {reason}")
    tell_left_out([str(one) for one in record.failed], all_of_it)
    if record.refused:
        raise typer.Exit(2)


def _classes(typed: object, classifier: "Classifier") -> str | list[str] | None:
    """The classes that were typed; which words are one name, the model tells."""
    from figureground.models.classes import class_words  # noqa: PLC0415 - torch is slow to import

    if typed is None:
        return None
    text = str(typed).strip()
    if re.fullmatch(r"top\d+", text.lower()):
        return text.lower()
    return class_words(text, classifier.class_names or ())
