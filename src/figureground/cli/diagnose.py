"""``figureground diagnose``: how much of a classifier's answer is the background?"""

__all__ = ["diagnose"]

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.amount import amount
from figureground.base.claim import locked
from figureground.base.errors import OptionError
from figureground.cli.command import Device, Out, Overwrite, expanded
from figureground.cli.console import complain, progress_bars, say, say_table, tell_left_out
from figureground.cli.model_options import ModelOptions
from figureground.engines import EngineOptions
from figureground.studies.diagnosis.options import DiagnoseOptions, PlantedOptions
from figureground.studies.evaluation.data_options import DataOptions

if TYPE_CHECKING:
    from figureground.studies.diagnosis.options import DiagnosisRecord

_DATA = (
    "Held-out images with boxes or masks: COCO .json, .csv (path,label,x0,y0,x1,y1), a folder of Pascal VOC .xml, of "
    "masks .png, or with image_ids.txt; a pack (.npz); the name of a data set. Or the folder of a training run, whose "
    "own test images are taken. Or 'planted': networks are trained on generated images whose backgrounds tell the "
    "class by a known amount, and what the diagnosis finds is set beside the truth."
)


@expanded
def diagnose(
    options: DiagnoseOptions,
    about: ModelOptions,
    data_options: DataOptions,
    engine: EngineOptions,
    planted: PlantedOptions,
    data: Annotated[str | None, typer.Argument(help=_DATA)] = None,
    out: Out = Path("out/diagnosis"),
    overwrite: Overwrite = False,
    device: Device = None,
) -> None:
    """How much of a classifier's answer is the background? Objects are put on other images' backgrounds.

    Writes report.html, record.json, per_image.csv, pairs.npz and, where a treatment is called for, treatment.yaml. Goes
    on where an earlier run was stopped. Without boxes the answer is 'cannot tell', and --ask-boxes lists images to be
    marked. Exit status: 0 all was used but images without boxes, 2 some images could not be, 1 an error.
    """
    from figureground.reports import write_box_sheet, write_diagnosis_report  # noqa: PLC0415 - jinja2 is slow to import
    from figureground.studies.diagnosis.diagnose import diagnose_images  # noqa: PLC0415 - torch is slow to import
    from figureground.training.trust import trusting  # noqa: PLC0415

    if data == "planted":
        _here(engine)
        _planted(out, planted, options=options, root=data_options.root, overwrite=overwrite)
        return
    asked, model = _run_or_images(data, about)
    loaded = model.load()
    chosen = replace(data_options, seed=options.seed)
    with locked(out):
        with trusting(about.trust_code), progress_bars() as progress:
            record = diagnose_images(
                loaded,
                asked,
                out=out,
                options=options,
                data_options=chosen,
                device=engine.where(device),
                overwrite=overwrite,
                progress=progress,
            )
        page = write_diagnosis_report(out)
        if options.ask_boxes and (out / "ask_boxes.csv").is_file():
            write_box_sheet(out)
    _tell(record, page)


def _here(engine: EngineOptions) -> None:
    """Refuse what has no effect."""
    if engine.engine != "local":
        raise OptionError("planted worlds are trained and judged by this process: omit --engine")


def _planted(
    out: Path,
    planted: PlantedOptions,
    *,
    options: DiagnoseOptions,
    root: Path | None,
    overwrite: bool,
) -> None:
    """Whether the diagnosis tells the truth, on this very machine."""
    from figureground.reports import write_evaluation_report  # noqa: PLC0415 - as above
    from figureground.studies.diagnosis.planted import planted_benchmark  # noqa: PLC0415

    with locked(out):
        with progress_bars() as progress:
            record = planted_benchmark(
                out,
                planted=planted,
                options=options,
                root=root,
                overwrite=overwrite,
                progress=progress,
            )
        page = write_evaluation_report(out)
    say_table(record.tables[0])
    say(f"{record.seconds:.1f} s; {page}")


def _run_or_images(data: str | None, about: ModelOptions) -> tuple[str | None, ModelOptions]:
    """The images, and the model; the folder of a run stands for both."""
    if data is None or not (Path(data) / "recipe.yaml").is_file():
        return data, about
    if about.model is not None:
        raise OptionError(
            f"{data} is a training run and --model names another model; name the images or the run"
        )
    return None, replace(about, model=data)


def _tell(record: "DiagnosisRecord", page: Path) -> None:
    """The answer, the numbers behind it, and what to do."""
    for note in record.notes:
        complain(f"note: {note}")
    say_table(record.tables[0])
    say(f"{record.verdict[:1].upper()}{record.verdict[1:]}.")
    for sentence in record.recommendation:
        say(sentence)
    for command in record.commands:
        say(f"  {command}")
    say(f"{amount(record.images, 'image')} in {record.seconds:.1f} s; {page}")
    tell_left_out(record.left_out, page.parent / "record.json")
