"""``figureground evaluate information``: what do the answers of a model tell beyond the class?"""

__all__ = ["information"]

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.errors import OptionError
from figureground.cli import evaluate_options as shared, model_options
from figureground.cli.console import progress_bar

if TYPE_CHECKING:
    from figureground.data.loaders import LoadOptions
    from figureground.models import Classifier

_DATA = "Data"


def information(
    data: Annotated[
        str,
        typer.Argument(
            help="Name of a data set ('cifar10-jpeg', 'cluttered-digits', ...), a labelled pack (.npz), or a folder of "
            "class folders."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="Folder of a training run; or as for 'explain'.",
            rich_help_panel="Model",
        ),
    ],
    part: Annotated[
        str,
        typer.Option(help="train, val, test, or all of a folder or pack.", rich_help_panel=_DATA),
    ] = "test",
    checkpoint: Annotated[
        str, typer.Option(help="Of a training run: last, best or step-N.", rich_help_panel="Model")
    ] = "last",
    temperature: Annotated[float, typer.Option(help="Logits are divided by it.")] = 1.0,
    prior: Annotated[
        str, typer.Option(help="Weight of the classes: empirical or uniform.")
    ] = "empirical",
    separation: Annotated[
        str,
        typer.Option(help="pairs, different-pairs, other-centroids or centroid-divergence."),
    ] = "pairs",
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of the division of the data. Default: the run's, else 0.", rich_help_panel=_DATA
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Where a named data set is.", rich_help_panel=_DATA)
    ] = None,
    weights: model_options.Weights = None,
    random: model_options.Random = False,
    model_arg: model_options.Arguments = None,
    class_names: model_options.ClassNames = None,
    size: model_options.Size = None,
    resize: model_options.Resize = None,
    crop_fraction: model_options.CropFraction = None,
    mean: model_options.Mean = None,
    std: model_options.Std = None,
    batch_size: shared.BatchSize = 256,
    device: shared.Device = None,
    out: shared.Folder = Path("out/information"),
) -> None:
    """Conditional mutual information, separation, NCMI, entropies and mutual informations, also class by class.

    Labels are those of the data; the model must have its classes in their order.
    """
    from figureground.data.loaders import LoadOptions  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.evaluation.information import (  # noqa: PLC0415
        InformationOptions,
        open_labelled,
        study_information,
    )

    fields = {
        "size": size,
        "resize": resize,
        "crop_fraction": crop_fraction,
        "mean": mean,
        "std": std,
    }
    if (Path(model) / "recipe.yaml").is_file():
        _check_unused(weights, random, model_arg, class_names, *fields.values())
        classifier, division = _of_run(Path(model), checkpoint)
    else:
        division = LoadOptions()
        classifier = model_options.chosen_model(
            model, weights=weights, random=random, arguments=model_arg, class_names=class_names, preprocessing=fields
        )  # fmt: skip
    division = division if seed is None else replace(division, seed=seed)
    pictures = open_labelled(data, part, root=root, options=division)
    options = InformationOptions(temperature, prior, separation, batch_size)
    with progress_bar() as bar:
        task = bar.add_task("measuring", total=len(pictures))
        record = study_information(
            shared.on_device(classifier, device),
            pictures,
            out=out,
            source=f"{data}, part {part}",
            options=options,
            watch=lambda done, total: bar.update(task, completed=done, total=total),
        )
    shared.finish(record, out)


def _check_unused(*given: object) -> None:
    """A run's folder says all of its model."""
    if any(given):
        raise OptionError("the folder of a run says all of its model: leave the model options out")


def _of_run(folder: Path, checkpoint: str) -> "tuple[Classifier, LoadOptions]":
    """The classifier of a training run, and how its data were divided."""
    from figureground.data.loaders import LoadOptions  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.trained import load_trained  # noqa: PLC0415
    from figureground.training.recipe import read_recipe  # noqa: PLC0415

    recipe = read_recipe(folder / "recipe.yaml")
    own = recipe.seed if recipe.data.seed is None else recipe.data.seed
    return load_trained(folder, checkpoint), LoadOptions(own, recipe.data.val_fraction)
