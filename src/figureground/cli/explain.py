"""``figureground explain``: what does a classifier look at in these photos?"""

__all__ = ["explain"]

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from figureground.base.errors import OptionError
from figureground.cli import model_options
from figureground.cli.console import errors, out, progress_bar

_OUTPUT, _SPEED = "Output", "Speed"


def explain(
    photos: Annotated[list[str], typer.Argument(help="Files, folders or patterns.")],
    model: model_options.Model,
    method: Annotated[
        str, typer.Option(help="Methods, comma-separated; see 'figureground ls methods'.")
    ] = "grad-cam",
    classes: Annotated[
        str | None,
        typer.Option(
            help="top3, or class numbers and names, comma-separated. Default: the predicted class."
        ),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Layers, comma-separated. Default: found by looking.")
    ] = None,
    fuse: Annotated[
        str | None, typer.Option(help="mean, max or product: one map of several layers.")
    ] = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Average over six views of each photo.")
    ] = False,
    weights: model_options.Weights = None,
    random: model_options.Random = False,
    model_arg: model_options.Arguments = None,
    class_names: model_options.ClassNames = None,
    size: model_options.Size = None,
    resize: model_options.Resize = None,
    crop_fraction: model_options.CropFraction = None,
    mean: model_options.Mean = None,
    std: model_options.Std = None,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", help="Where results go.", rich_help_panel=_OUTPUT)
    ] = Path("out/explain"),
    colour_map: Annotated[
        str,
        typer.Option(help="inferno, viridis, magma, cividis, jet, ...", rich_help_panel=_OUTPUT),
    ] = "inferno",
    alpha_by_value: Annotated[
        bool,
        typer.Option("--alpha-by-value", help="Paint low values lightly.", rich_help_panel=_OUTPUT),
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Search folders in folders.")
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
        int,
        typer.Option(
            min=1, help="Threads that decode, and as many that write.", rich_help_panel=_SPEED
        ),
    ] = 2,
    device: Annotated[
        str | None,
        typer.Option(
            help="cpu, cuda, cuda:1, mps. Default: an accelerator if there is one.",
            rich_help_panel=_SPEED,
        ),
    ] = None,
) -> None:
    """Show what a classifier looks at: overlays, raw maps, boxes and one page, report.html.

    Goes on where an earlier run was stopped. Exit status 2 when some photos could not be used.
    """
    from figureground.data import find_images  # noqa: PLC0415 - torch is slow to import
    from figureground.reports import write_explain_report  # noqa: PLC0415
    from figureground.studies import Drawing, ExplainOptions, explain_photos  # noqa: PLC0415

    paths = find_images(photos, recursive=recursive)
    classifier = model_options.chosen_model(
        model, weights=weights, random=random, arguments=model_arg, class_names=class_names,
        preprocessing={"size": size, "resize": resize, "crop_fraction": crop_fraction, "mean": mean, "std": std},
    )  # fmt: skip
    for note in classifier.notes:
        errors.print(f"note: {note}", highlight=False)
    options = ExplainOptions(
        methods=tuple(_words(method)),
        classes=_classes(classes),
        layers=tuple(_words(layer or "")),
        precision=precision,  # type: ignore[arg-type]
        fuse=fuse,
        smooth=smooth,
        batch_size=_batch_size(batch_size),
        device=device,
        workers=workers,
        overwrite=overwrite,
        drawing=Drawing(colour_map, alpha_by_value),
    )
    with progress_bar() as bar:
        task = bar.add_task("explaining", total=len(paths))
        record = explain_photos(
            classifier,
            paths,
            out=out_folder,
            options=options,
            watch=lambda done, total: bar.update(task, completed=done, total=total),
        )
    report = write_explain_report(out_folder)
    out.print(
        f"{record.images} photos explained ({record.skipped} from an earlier run) in {record.seconds:.1f} s",
        highlight=False,
    )
    out.print(
        f"layer {record.model['layer']}: {record.model['layer_reason']}",
        highlight=False,
        soft_wrap=True,
    )
    if record.blank_maps:
        out.print(f"{record.blank_maps} maps show nothing; the report says why", highlight=False)
    out.print(str(report), highlight=False, soft_wrap=True)
    if record.failed:
        errors.print(f"{len(record.failed)} files could not be used:", highlight=False)
        for failure in record.failed:
            errors.print(
                f"  {failure.path}: {failure.reason}", highlight=False, markup=False, soft_wrap=True
            )
        sys.exit(2)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _classes(text: str | None) -> str | list[int | str] | None:
    """None, ``topK`` or a list of numbers and names."""
    if text is None or re.fullmatch(r"top\d+", text.strip()):
        return text.strip() if text else None
    return [int(word) if word.isdecimal() else word for word in _words(text)]


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise OptionError(f"--batch-size is a number from 1, or auto, not '{text}'")
    return int(text)
