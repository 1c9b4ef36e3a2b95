"""``figureground export``: a classifier in a form that other programs load."""

__all__ = ["export"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.amount import amount
from figureground.cli.command import Out, Overwrite, TrustCode, expanded
from figureground.cli.console import say
from figureground.studies.export.options import ExportOptions

if TYPE_CHECKING:
    from figureground.studies.export.options import ExportRecord


@expanded
def export(
    model: Annotated[
        str,
        typer.Argument(
            help="The folder of a finished training run, or the name of a model (timm:NAME, torchvision:NAME, ...)."
        ),
    ],
    options: ExportOptions,
    checkpoint: Annotated[
        str, typer.Option(help="Of a training run: best (on validation), last or step-N.")
    ] = "best",
    trust_code: TrustCode = False,
    out: Out = Path("out/export"),
    overwrite: Overwrite = False,
) -> None:
    """Take a classifier out, class names and preprocessing included, for programs that do not have figureground.

    The folder's README.md has the lines of code that load it. As torch, figureground's own small networks need their
    class; as onnx nothing is needed.
    """
    from figureground.studies.export.export import export_model  # noqa: PLC0415 - torch is slow to import

    record = export_model(
        model,
        out=out,
        options=options,
        checkpoint=checkpoint,
        trust_code=trust_code,
        overwrite=overwrite,
    )
    _tell(record, out)


def _tell(record: "ExportRecord", folder: Path) -> None:
    """What was written, and where it says how to load it."""
    say(f"{', '.join(record.files)}: {amount(len(record.classes), 'output')}")
    if record.difference is not None:
        say(f"the plain network's logits differ from the classifier's by {record.difference:.2g}")
    words = {
        "kept": "the last output stands for background (--background drop leaves it out)",
        "dropped": "the output for backgrounds was dropped",
    }
    if record.background in words:
        say(words[record.background])
    say(str(folder / "README.md"))
