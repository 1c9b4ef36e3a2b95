"""``figureground evaluate robustness``: do the maps stay on the object when the picture is attacked?"""

__all__ = ["robustness"]

from pathlib import Path
from typing import Annotated

import typer

from figureground.cli import evaluate_options as shared, model_options
from figureground.cli.comma_lists import numbers, words
from figureground.cli.console import watched


@model_options.takes_words
def robustness(
    data: shared.Data,
    model: model_options.Model,
    methods: shared.Methods = "cam,grad-cam,grad-cam++,eigen-cam,cnn-fixations",
    attack: Annotated[
        str,
        typer.Option(
            help="fgsm, pgd, deepfool, deepfool-lts4, uniform, gaussian; a strength of its own as in fgsm:0.05."
        ),
    ] = "fgsm,deepfool",
    strength: Annotated[
        str,
        typer.Option(help="Largest change of a pixel in [0, 1], for attacks without their own."),
    ] = "0.0314",
    relu: Annotated[
        bool, typer.Option("--relu", help="Clamp maps at 0 before they are boxed.")
    ] = False,
    box_rule: Annotated[str, typer.Option(help="pixels or clova.")] = "pixels",
    validation_share: Annotated[
        float, typer.Option(help="Share of the pictures that thresholds are chosen on.")
    ] = 0.2,
    limit: shared.Limit = None,
    seed: shared.Seed = 0,
    images: shared.Images = None,
    label_offset: shared.LabelOffset = None,
    digits: shared.Digits = "sklearn",
    count: shared.Count = 500,
    about: model_options.Words = model_options.NOTHING,
    batch_size: shared.BatchSize = 16,
    workers: shared.Workers = 2,
    device: shared.Device = None,
    out: shared.Folder = Path("out/robustness"),
    overwrite: shared.Overwrite = False,
) -> None:
    """Maps of attacked pictures: boxes at frozen thresholds, pointing, likeness, for predicted and true class."""
    from figureground.studies.evaluation.items import SetOptions  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.evaluation.map_places import PlaceRule  # noqa: PLC0415
    from figureground.studies.evaluation.post_processing import PostProcessing  # noqa: PLC0415
    from figureground.studies.evaluation.robustness import (  # noqa: PLC0415
        RobustnessOptions,
        study_robustness,
    )
    from figureground.studies.evaluation.sets import open_evaluation_set  # noqa: PLC0415

    options = RobustnessOptions(
        methods=shared.chosen_methods(methods),
        attacks=words(attack),
        strengths=numbers(strength, "--strength"),
        places=PlaceRule(PostProcessing(relu=relu), box_rule),
        validation_share=validation_share,
        batch_size=batch_size,
        seed=seed,
        overwrite=overwrite,
    )
    source = SetOptions(
        images, label_offset, digits=digits, count=count, limit=limit, seed=seed, workers=workers
    )
    classifier = about.load(model)
    pictures = open_evaluation_set(data, shared.on_device(classifier, device), source)
    with watched("attacking", len(pictures)) as watch:
        record = study_robustness(
            classifier, pictures, out=out, options=options,
            watch=watch,
        )  # fmt: skip
    shared.finish(record, out)
