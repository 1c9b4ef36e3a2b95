"""``figureground evaluate information``: what do the answers of a model tell beyond the class?"""

__all__ = ["information"]

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.cli import comma_lists, evaluate_options as shared, model_options
from figureground.cli.console import watched

if TYPE_CHECKING:
    from figureground.data.labeled import LabeledImages
    from figureground.models import Classifier
    from figureground.training.recipe import DataSpec

_DATA = "Data"


@model_options.takes_words
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
        Path | None,
        typer.Option(
            help="Where a named data set is. Default: where the run had it.", rich_help_panel=_DATA
        ),
    ] = None,
    limit: shared.Limit = None,
    omitted: Annotated[
        str | None,
        typer.Option(
            help="Classes that training left out, between commas: adds a table on them. Default: the run's.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    about: model_options.Words = model_options.NOTHING,
    batch_size: shared.BatchSize = 256,
    device: shared.Device = None,
    out: shared.Folder = Path("out/information"),
) -> None:
    """Conditional mutual information, separation, NCMI, entropies and mutual informations, also class by class.

    Labels are those of the data; the model must have its classes in their order.
    """
    from figureground.studies.evaluation.information import (  # noqa: PLC0415 - torch is slow to import
        InformationOptions,
        study_information,
    )

    if (Path(model) / "recipe.yaml").is_file():
        about.refuse_any()
        classifier, spec = _of_run(Path(model), checkpoint)
    else:
        classifier, spec = about.load(model), None
    pictures = _opened(data, part, spec, root=root, seed=seed, limit=limit)
    given = _omitted(omitted, spec, ours=pictures.class_names, models=classifier.class_names)
    options = InformationOptions(
        temperature, prior, separation, batch_size, omitted=given, as_trained=spec is not None
    )
    with watched("measuring", len(pictures)) as watch:
        record = study_information(
            shared.on_device(classifier, device),
            pictures,
            out=out,
            source=f"{data}, part {part}" + (f", {len(pictures)} at random" if limit else ""),
            options=options,
            watch=watch,
        )
    shared.finish(record, out)


def _of_run(folder: Path, checkpoint: str) -> "tuple[Classifier, DataSpec]":
    """The classifier of a training run, and its data with the seed that divided them."""
    from figureground.studies.trained import load_trained  # noqa: PLC0415 - torch is slow to import
    from figureground.training.recipe import read_recipe  # noqa: PLC0415

    recipe = read_recipe(folder / "recipe.yaml")
    own = recipe.seed if recipe.data.seed is None else recipe.data.seed
    return load_trained(folder, checkpoint), recipe.data.model_copy(update={"seed": own})


def _opened(
    data: str,
    part: str,
    spec: "DataSpec | None",
    *,
    root: Path | None,
    seed: int | None,
    limit: int | None,
) -> "LabeledImages":
    """The pictures; those of a run are divided and, for training, generated as it had them."""
    from figureground.data.loaders import LoadOptions  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.evaluation.information import open_labelled  # noqa: PLC0415
    from figureground.studies.evaluation.information_pictures import some_of  # noqa: PLC0415

    division = LoadOptions()
    if spec is not None:
        same = spec.name.lower() == data.lower()
        made = spec.count if same and part == "train" else None
        division = LoadOptions(spec.seed or 0, spec.val_fraction, count=made)
        root = Path(spec.root) if root is None and same and spec.root else root
    division = division if seed is None else replace(division, seed=seed)
    return some_of(
        open_labelled(data, part, root=root, options=division), limit, seed=division.seed
    )


def _omitted(
    typed: str | None,
    spec: "DataSpec | None",
    *,
    ours: tuple[str, ...],
    models: tuple[str, ...] | None,
) -> tuple[int, ...]:
    """Numbers of the classes that training left out: as typed, else as the run's recipe has them."""
    from figureground.data.omitting import class_numbers  # noqa: PLC0415 - torch is slow to import

    if typed is not None:
        return tuple(class_numbers(ours, comma_lists.words(typed)))
    return tuple(class_numbers(models or ours, spec.omit)) if spec is not None else ()
