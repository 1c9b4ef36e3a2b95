"""``figureground train``: a classifier, by a recipe."""

__all__ = ["train"]

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.amount import amount
from figureground.base.errors import OptionError
from figureground.cli.command import TrustCode
from figureground.cli.console import complain, progress_bars, say, say_answer, tell_left_out

if TYPE_CHECKING:
    from figureground.studies.training.train import TrainRecord
    from figureground.training.recipe import Recipe


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A YAML file, the name of a shipped recipe ('figureground cp recipe' lists them), or a run's folder."
        ),
    ],
    out_folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the run is kept.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="a.b=c: another value than the recipe's; may be repeated."),
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(
            "--range",
            help="Of images with more than 8 bits a channel, what becomes black to white: full, data, 12-bit or "
            "lo,hi; short for --set model.preprocessing.value_range=...",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on where a run was stopped; it ends with the same numbers."
        ),
    ] = False,
    accelerator: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps; 'fabric run' decides for itself.")
    ] = "auto",
    trust_code: TrustCode = False,
) -> None:
    """Train a classifier, choosing between checkpoints by validation images only.

    Exit status: 0 fine, 2 some images could not be used (they are listed), 1 an error.

    Several processes: fabric run --accelerator=cuda --devices=4 $(which figureground) train RECIPE --out FOLDER.
    """  # noqa: DOC501 - it is the text of --help
    from figureground.training.trust import refuse_code, trusting  # noqa: PLC0415 - here with the others

    changes = _with_range(changes, value_range)
    chosen, path, folder = _chosen(recipe, out_folder, changes, resume=resume)
    # what is wrong with a recipe is said before torch is there, which takes seconds
    from figureground.studies.training.train import train as run_training  # noqa: PLC0415

    if path.name == "recipe.yaml":
        with trusting(trust_code):
            refuse_code(chosen, path.parent, " ".join(changes or ()))
    is_first = os.environ.get("RANK", "0") == "0"
    try:
        with progress_bars() as progress:  # which is called in the first process only
            record = run_training(
                chosen,
                folder,
                resume=resume,
                accelerator=accelerator,
                progress=progress,
                trust_code=trust_code,
            )
    except KeyboardInterrupt:
        if not (folder / "recipe.yaml").exists():
            raise
        complain(f"interrupted; go on with it by 'figureground train {folder} --resume'")
        raise typer.Exit(130) from None
    if is_first:
        from figureground.reports.training_report import write_training_report  # noqa: PLC0415 - jinja2 is slow to import

        write_training_report(folder)
        _tell(record, folder)


def _with_range(changes: list[str] | None, value_range: str | None) -> list[str]:
    """What is to be changed in the recipe."""
    said = [] if value_range is None else [f"model.preprocessing.value_range='{value_range}'"]
    return [*(changes or ()), *said]


def _chosen(
    recipe: str, out_folder: Path | None, changes: list[str], *, resume: bool
) -> tuple["Recipe", Path, Path]:
    """The recipe that is meant, its file, and the folder of the run."""
    from figureground.training.recipe import read_recipe  # noqa: PLC0415 - pydantic is slow to import
    from figureground.training.recipe_keys import refuse_unknown_keys  # noqa: PLC0415
    from figureground.training.shipped import recipe_path  # noqa: PLC0415

    stored = Path(recipe) / "recipe.yaml"
    if resume:
        if changes or out_folder:
            raise OptionError(
                "a resumed run keeps its recipe and its folder: no --set and no --out"
            )
        return read_recipe(stored), stored, Path(recipe)
    path = stored if stored.is_file() else recipe_path(recipe)
    chosen = read_recipe(path, changes)
    refuse_unknown_keys(chosen)
    return chosen, path, out_folder or Path("runs") / chosen.name


def _tell(record: "TrainRecord", folder: Path) -> None:
    """What came out, and where it is."""
    speed = record.images / max(record.seconds, 1e-9)
    say(
        f"{amount(record.steps, 'step')}, {amount(record.images, 'image')} in {record.seconds:.1f} s of training "
        f"({speed:.0f} images/s)"
    )
    last = f"{record.last['accuracy']:.2%}, loss {record.last['loss']:.4f}"
    if "mean_ap" in record.last:
        say(
            f"validation mean average precision: best {record.best:.2%}, last {record.last['mean_ap']:.2%}"
        )
        say(
            f"validation accuracy: last {last} ({amount(record.data['val'], 'image')}, backgrounds included)"
        )
    else:
        say(
            f"validation accuracy: best {record.best:.2%}, last {last} ({amount(record.data['val'], 'image')})"
        )
    for note in record.data["notes"]:
        complain(f"note: {note}")
    say(str(folder / "report.html"))
    say_answer(record.answer)
    tell_left_out(record.data["left_out"], folder / "record.json")
