"""``figureground explain``: what does a classifier look at in these photos?"""

__all__ = ["explain"]

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.errors import OptionError
from figureground.cli import model_options
from figureground.cli.console import complain, say, watched

if TYPE_CHECKING:
    from figureground.models import Classifier
    from figureground.studies import ExplainOptions, ExplainRecord

_WHAT, _OUTPUT, _SPEED = "What to explain", "Output", "Speed"
_SOME_FAILED = 2


@model_options.takes_words
def explain(
    photos: Annotated[
        list[str], typer.Argument(help="Files, folders or patterns ('photos/**/*.jpg').")
    ],
    model: model_options.Model,
    method: Annotated[
        str,
        typer.Option(
            help="Methods, comma-separated; 'figureground ls methods' lists them.",
            rich_help_panel=_WHAT,
        ),
    ] = "grad-cam",
    classes: Annotated[
        str | None,
        typer.Option(
            help="top3, or class numbers and names, comma-separated. Default: the predicted class.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layers, comma-separated; 'figureground ls layers MODEL' lists them. Default: found by looking.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    fuse: Annotated[
        str | None,
        typer.Option(
            help="mean, max or product: one map of several layers.", rich_help_panel=_WHAT
        ),
    ] = None,
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth", help="Average over six views of each photo.", rich_help_panel=_WHAT
        ),
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="Search folders in folders.", rich_help_panel=_WHAT),
    ] = False,
    about: model_options.Words = model_options.NOTHING,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", help="Where results go.", rich_help_panel=_OUTPUT)
    ] = Path("out/explain"),
    colour_map: Annotated[
        str,
        typer.Option(
            help="inferno, viridis, magma, cividis, jet or blue-red.", rich_help_panel=_OUTPUT
        ),
    ] = "inferno",
    alpha_by_value: Annotated[
        bool,
        typer.Option("--alpha-by-value", help="Paint low values lightly.", rich_help_panel=_OUTPUT),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Do finished photos again.", rich_help_panel=_OUTPUT)
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(help="bf16 or fp16: faster, slightly different maps.", rich_help_panel=_SPEED),
    ] = None,
    batch_size: Annotated[
        str, typer.Option(help="Number of photos at a time, or auto.", rich_help_panel=_SPEED)
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Threads that decode, and as many that write. Default: one per core, at most 8.",
            rich_help_panel=_SPEED,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="cpu, cuda, cuda:1, mps, xpu. Default: cuda if there is one.",
            rich_help_panel=_SPEED,
        ),
    ] = None,
) -> None:
    """Show what a classifier looks at: overlays, raw maps, boxes and one page, report.html.

    Goes on where an earlier run was stopped. Exit status: 0 all photos explained, 2 some could not be used (they are
    listed at the end), 1 an error.
    """
    from figureground.data import find_images  # noqa: PLC0415 - torch is slow to import
    from figureground.studies import Drawing, ExplainOptions  # noqa: PLC0415

    # options first: a misspelled word should not wait for a model to load
    options = ExplainOptions(
        methods=tuple(_words(method)),
        layers=tuple(_words(layer or "")),
        precision=precision,
        fuse=fuse,
        smooth=smooth,
        batch_size=_batch_size(batch_size),
        device=device,
        workers=workers,
        overwrite=overwrite,
        drawing=Drawing(colour_map, alpha_by_value),
    )
    paths = find_images(photos, recursive=recursive)
    classifier = about.load(model)
    for note in classifier.notes:
        complain(f"note: {note}")
    record = _run(
        classifier, paths, out_folder, options=_with_classes(options, classes, classifier)
    )
    _tell(record, out_folder)


def _run(
    classifier: "Classifier", paths: Sequence[Path], folder: Path, *, options: "ExplainOptions"
) -> "ExplainRecord":
    """The job under a progress bar, and its page."""
    from figureground.reports import write_explain_report  # noqa: PLC0415 - torch is slow to import
    from figureground.studies import explain_photos  # noqa: PLC0415

    with watched("explaining", len(paths)) as watch:
        record = explain_photos(classifier, paths, out=folder, options=options, watch=watch)
    write_explain_report(folder)
    return record


def _tell(record: "ExplainRecord", folder: Path) -> None:
    """What was done, where it is, and what could not be done; the last sets the exit status."""
    earlier = f" ({record.skipped} of them in an earlier run)" if record.skipped else ""
    plural = "" if record.images == 1 else "s"
    say(f"{record.images} photo{plural} explained{earlier} in {record.seconds:.1f} s")
    if record.model["layer"]:
        say(f"layer {record.model['layer']}: {record.model['layer_reason']}")
    if record.blank_maps:
        say(f"{record.blank_maps} maps show nothing; the report says why")
    say(str(folder / "report.html"))
    if record.failed:
        count = len(record.failed)
        complain(f"{count} file{'' if count == 1 else 's'} could not be used:")
        for failure in record.failed:
            complain(f"  {failure.path}: {failure.reason}")
        raise typer.Exit(_SOME_FAILED)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _with_classes(
    options: "ExplainOptions", text: str | None, classifier: "Classifier"
) -> "ExplainOptions":
    """The options with the classes that were typed; which words are one name, the model tells."""
    from figureground.studies.classes import class_words  # noqa: PLC0415 - torch is slow to import

    if text is None or re.fullmatch(r"top\d+", text.strip().lower()):
        return replace(options, classes=None if text is None else text.strip().lower())
    return replace(options, classes=class_words(text, classifier.class_names or ()))


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise OptionError(f"--batch-size is a number from 1, or auto, not '{text}'")
    return int(text)
