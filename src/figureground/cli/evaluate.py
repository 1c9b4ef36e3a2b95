"""``figureground evaluate``: are the maps right? Localisation here; the other questions in files of their own."""

__all__ = ["app", "localisation"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from figureground.base.errors import OptionError
from figureground.cli import (
    evaluate_faithfulness,
    evaluate_information,
    evaluate_options as shared,
    evaluate_ranking,
    evaluate_robustness,
    evaluate_uncertainty,
    model_options,
)
from figureground.cli.console import watched

if TYPE_CHECKING:
    from figureground.models import Classifier
    from figureground.studies.evaluation.localisation_options import (
        LocalisationOptions,
        LocalisationRecord,
    )
    from figureground.studies.evaluation.sets import EvaluationSet
    from figureground.studies.evaluation.sources import MapSource

_RULES = "Boxes"

app = typer.Typer(
    help="Measure maps: do they find the object, tell what the model uses, stay where they are?",
    no_args_is_help=True,
)
app.command("faithfulness")(evaluate_faithfulness.faithfulness)
app.command("information")(evaluate_information.information)
app.command("ranking")(evaluate_ranking.ranking)
app.command("robustness")(evaluate_robustness.robustness)
app.command("uncertainty")(evaluate_uncertainty.uncertainty)


@app.command("localisation")
@model_options.takes_words
def localisation(
    data: shared.Data,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="As for 'explain'; may be left out where all maps come from --maps.",
            rich_help_panel="Model",
        ),
    ] = None,
    methods: shared.Methods = "cam,grad-cam,grad-cam++,cnn-fixations,eigen-cam",
    maps: shared.Maps = None,
    classes: Annotated[
        str, typer.Option("--class", help="Whose map: true, predicted or both.")
    ] = "true",
    relu: Annotated[
        bool, typer.Option(help="Set negative values of maps to zero.", rich_help_panel=_RULES)
    ] = True,
    normalise: Annotated[
        str, typer.Option(help="minmax or max.", rich_help_panel=_RULES)
    ] = "minmax",
    map_resize: Annotated[
        str, typer.Option(help="bilinear, cubic, nearest or tf1.", rich_help_panel=_RULES)
    ] = "bilinear",
    box_rule: Annotated[
        str,
        typer.Option(
            help="clova (the published evaluation code's) or pixels (region of most pixels).",
            rich_help_panel=_RULES,
        ),
    ] = "clova",
    step: Annotated[
        float, typer.Option(help="Distance of two thresholds.", rich_help_panel=_RULES)
    ] = 0.01,
    tolerance: Annotated[
        float, typer.Option(help="Of the pointing game, pixels.", rich_help_panel=_RULES)
    ] = 15.0,
    validation_share: Annotated[
        float,
        typer.Option(
            help="Share of the pictures that thresholds are chosen on.", rich_help_panel=_RULES
        ),
    ] = 0.2,
    cases: Annotated[
        int, typer.Option(min=0, help="Worst and best pictures shown of each method.")
    ] = 3,
    reference: shared.Reference = None,
    images: shared.Images = None,
    label_offset: shared.LabelOffset = None,
    digits: shared.Digits = "sklearn",
    count: shared.Count = 500,
    limit: shared.Limit = None,
    seed: shared.Seed = 0,
    layer: Annotated[
        str | None, typer.Option(help="Layer of the maps. Default: found by looking.")
    ] = None,
    about: model_options.Words = model_options.NOTHING,
    out: shared.Folder = Path("out/localisation"),
    overwrite: shared.Overwrite = False,
    batch_size: shared.BatchSize = 16,
    workers: shared.Workers = 2,
    device: shared.Device = None,
) -> None:
    """Do the maps find the object? Boxes, pixels and pointing, against baselines that know no network.

    Thresholds are chosen on one part of the pictures and reported on the other. Goes on where an earlier run was
    stopped. Exit status: 0 all was used, 2 some files or maps could not be, 1 an error.
    """
    from figureground.studies.evaluation.items import SetOptions  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.evaluation.localisation_measures import LocalisationGrid  # noqa: PLC0415
    from figureground.studies.evaluation.localisation_options import LocalisationOptions  # noqa: PLC0415
    from figureground.studies.evaluation.post_processing import PostProcessing  # noqa: PLC0415
    from figureground.studies.evaluation.sets import open_evaluation_set  # noqa: PLC0415

    options = LocalisationOptions(
        PostProcessing(relu, normalise, map_resize),
        LocalisationGrid(step=step, rule=box_rule, tolerance=tolerance),
        validation_share=validation_share, seed=seed, reference=reference, cases=cases,
        batch_size=batch_size, overwrite=overwrite,
    )  # fmt: skip
    view = about.height(224)
    set_options = SetOptions(
        images, label_offset, digits=digits, count=count, limit=limit, seed=seed, size=view, workers=workers
    )  # fmt: skip
    classifier = None
    if model is not None:
        loaded = about.load(model)
        classifier = shared.on_device(loaded, device)
    source = _source(classifier, methods, maps or [], classes=classes, layer=layer)
    pictures = open_evaluation_set(data, classifier, set_options)
    shared.finish(_run(pictures, source, out, classifier=classifier, options=options), out)


def _source(
    classifier: "Classifier | None", methods: str, folders: list[Path], *, classes: str, layer: str | None
) -> "MapSource":  # fmt: skip
    """Our methods and the folders, as far as they were asked for."""
    from figureground.methods import Explainer  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.evaluation.other_sources import FolderMaps, SeveralSources  # noqa: PLC0415
    from figureground.studies.evaluation.sources import ExplainerMaps  # noqa: PLC0415

    sources: list[MapSource] = [FolderMaps(folder) for folder in folders]
    if classifier is not None and methods.strip():
        explainer = Explainer(classifier, layer=layer)
        chosen = shared.chosen_methods(methods)
        sources.insert(0, ExplainerMaps(classifier, chosen, classes=classes, explainer=explainer))
    if not sources:
        raise OptionError("nothing to measure: name a --model, or folders of maps with --maps")
    return SeveralSources(sources)


def _run(
    pictures: "EvaluationSet", source: "MapSource", out: Path, *,
    classifier: "Classifier | None", options: "LocalisationOptions",
) -> "LocalisationRecord":  # fmt: skip
    """The study under a progress bar."""
    from figureground.studies.evaluation.localise import study_localisation  # noqa: PLC0415 - torch is slow to import

    with watched("localising", len(pictures)) as watch:
        return study_localisation(
            pictures,
            source,
            out=out,
            classifier=classifier,
            options=options,
            watch=watch,
        )
