"""What all commands of ``figureground evaluate`` share: their options, and how they end."""

__all__ = [
    "BatchSize",
    "Classes",
    "Count",
    "Data",
    "Device",
    "Digits",
    "Folder",
    "Images",
    "LabelOffset",
    "Limit",
    "Maps",
    "Methods",
    "Overwrite",
    "Reference",
    "Seed",
    "Workers",
    "chosen_methods",
    "finish",
    "on_device",
]

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.errors import OptionError
from figureground.cli.console import complain, say
from figureground.cli.model_options import key_values

if TYPE_CHECKING:
    from figureground.methods import CamMethod
    from figureground.models import Classifier
    from figureground.studies.evaluation.measure_record import MeasureRecord

_DATA, _OUTPUT, _SPEED = "Data", "Output", "Speed"
_METHOD = re.compile(r"\s*([^,()]+?)\s*(?:\(([^()]*)\))?\s*(?:,|$)")
_UNUSED = frozenset(
    {
        "bad-box",
        "bad-row",
        "map-missing",
        "map-unusable",
        "missing-file",
        "size-mismatch",
        "unknown-label",
        "unreadable-file",
    }
)

Data = Annotated[
    str,
    typer.Argument(
        help="clutter, a pack (.npz), a folder of pictures, or annotations: COCO .json, .csv (path,label,x0,y0,x1,y1), "
        "a folder of Pascal VOC .xml, of masks .png, or with image_ids.txt (wsolevaluation)."
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the pictures, where they do not lie beside their annotations.",
        rich_help_panel=_DATA,
    ),
]
LabelOffset = Annotated[
    int | None,
    typer.Option(
        help="Added to labels that are numbers. Default: 1 if the model's class 0 is 'background' and the labels fit.",
        rich_help_panel=_DATA,
    ),
]
Digits = Annotated[str, typer.Option(help="Of clutter: sklearn or mnist.", rich_help_panel=_DATA)]
Count = Annotated[int, typer.Option(help="Cluttered pictures.", rich_help_panel=_DATA)]
Limit = Annotated[
    int | None,
    typer.Option(help="Only a random part of so many pictures.", rich_help_panel=_DATA),
]
Seed = Annotated[int, typer.Option(help="Of all that is random.")]
Methods = Annotated[
    str,
    typer.Option(
        help="Comma-separated, with options in brackets: grad-cam,eigen-cam(center=true); 'ls methods' lists them."
    ),
]
Maps = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of maps STEM.npy made by anybody; repeatable."),
]
Classes = Annotated[str, typer.Option("--class", help="true or predicted.")]
Reference = Annotated[
    str | None, typer.Option(help="Row that all others are compared with. Default: the first.")
]
Folder = Annotated[
    Path, typer.Option("--out", "-o", help="Where results go.", rich_help_panel=_OUTPUT)
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Measure again what an earlier run measured.", rich_help_panel=_OUTPUT),
]  # fmt: skip
BatchSize = Annotated[int, typer.Option(min=1, help="Pictures at a time.", rich_help_panel=_SPEED)]
Workers = Annotated[int, typer.Option(min=1, help="Threads that decode.", rich_help_panel=_SPEED)]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, cuda, ... Default: cuda if there is one.", rich_help_panel=_SPEED),
]


def chosen_methods(text: str) -> "dict[str, CamMethod]":
    """Methods as typed, with their options.

    Args:
        text: ``grad-cam,eigen-cam(center=true, sign=raw)``.

    Returns:
        Row name -> method; the row is named as typed where options are given.

    Raises:
        OptionError: It cannot be read, or a method or option does not exist.

    Examples:
        >>> list(chosen_methods("GradCAM, eigen-cam(center=true)"))
        ['grad-cam', 'eigen-cam(center=true)']
    """
    from figureground.methods import find_methods  # noqa: PLC0415 - torch is slow to import

    found: dict[str, CamMethod] = {}
    at = 0
    while at < len(text.strip()):
        match = _METHOD.match(text, at)
        if match is None:
            raise OptionError(f"cannot read the methods '{text}': name,name(option=value), ...")
        ((name, method),) = find_methods(match[1]).items()
        words = [word.strip() for word in (match[2] or "").split(",") if word.strip()]
        row = f"{name}({', '.join(words)})" if words else name
        if row in found:
            raise OptionError(f"method '{row}' is asked for twice")
        found[row] = _configured(method, words) if words else method
        at = match.end()
    if not found:
        raise OptionError("no method asked for")
    return found


def on_device(classifier: "Classifier", device: str | None) -> "Classifier":
    """The classifier where it is to run.

    Args:
        classifier: The model.
        device: Name; None takes cuda if there is one.

    Returns:
        The same classifier, moved.
    """
    import torch  # noqa: PLC0415 - slow to import

    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    moved: Classifier = classifier.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def finish(record: "MeasureRecord", folder: Path) -> None:
    """Write tables and page beside the record and say what was found.

    Args:
        record: As the study returned it.
        folder: Holds ``record.json``.

    Raises:
        typer.Exit: With status 2 where files or maps could not be used.
    """
    from figureground.reports import as_markdown  # noqa: PLC0415 - torch is slow to import
    from figureground.reports.evaluation_report import write_evaluation_report  # noqa: PLC0415
    from figureground.reports.tables import checked_table  # noqa: PLC0415

    page = write_evaluation_report(folder)
    for note in record.notes:
        complain(f"note: {note}")
    for table in record.tables[:1]:
        say(as_markdown(checked_table(table)))
    if record.problems:
        complain("problems: " + ", ".join(f"{kind} {n}" for kind, n in record.problems.items()))
        for example in record.examples_of_problems[:5]:
            complain(f"  {example}")
    say(f"{record.images} pictures in {record.seconds:.1f} s; {page}")
    if _UNUSED & set(record.problems):
        raise typer.Exit(2)


def _configured(method: "CamMethod", words: list[str]) -> "CamMethod":
    """The method with other options."""
    try:
        return type(method)(**key_values(words))
    except TypeError as error:
        raise OptionError(
            f"{method.name} cannot be made with {', '.join(words)}: {error}"
        ) from error
