"""``figureground evaluate uncertainty``: how sure is a map, and does it depend on what the network has learned?"""

__all__ = ["uncertainty"]

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from figureground.cli import evaluate_options as shared, model_options
from figureground.cli.console import watched


@model_options.takes_words
def uncertainty(
    data: shared.Data,
    model: model_options.Model,
    methods: shared.Methods = "cam,grad-cam,grad-cam++,eigen-cam,cnn-fixations",
    dropout_runs: Annotated[
        int, typer.Option(help="Copies with dropout switched on, where the network has some.")
    ] = 4,
    other_weights: Annotated[
        list[Path] | None,
        typer.Option(help="Weights of the same network from another training seed; repeatable."),
    ] = None,
    sanity: Annotated[
        bool, typer.Option(help="Shuffle weights from the top, look at another class.")
    ] = True,
    signed: Annotated[
        bool, typer.Option("--signed", help="Keep negative values instead of clamping at 0.")
    ] = False,
    reference: shared.Reference = None,
    limit: shared.Limit = None,
    seed: shared.Seed = 0,
    images: shared.Images = None,
    label_offset: shared.LabelOffset = None,
    digits: shared.Digits = "sklearn",
    count: shared.Count = 500,
    about: model_options.Words = model_options.NOTHING,
    batch_size: shared.BatchSize = 8,
    workers: shared.Workers = 2,
    device: shared.Device = None,
    out: shared.Folder = Path("out/uncertainty"),
    overwrite: shared.Overwrite = False,
) -> None:
    """Area, entropy, contest of the top classes, instability, and the sanity checks of saliency maps."""
    from figureground.studies.evaluation.items import SetOptions  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.evaluation.sets import open_evaluation_set  # noqa: PLC0415
    from figureground.studies.evaluation.uncertainty import (  # noqa: PLC0415
        UncertaintyOptions,
        study_uncertainty,
    )

    chosen = shared.chosen_methods(methods)
    source = SetOptions(
        images, label_offset, digits=digits, count=count, limit=limit, seed=seed, workers=workers
    )
    classifier, *others = [
        replace(about, weights=file).load(model) for file in (about.weights, *(other_weights or ()))
    ]
    pictures = open_evaluation_set(data, shared.on_device(classifier, device), source)
    where = next(iter(classifier.buffers())).device
    options = UncertaintyOptions(
        methods=chosen,
        relu=not signed,
        dropout_runs=dropout_runs,
        siblings=[one.to(where).eval() for one in others],
        sanity=sanity,
        batch_size=batch_size,
        reference=reference,
        seed=seed,
        overwrite=overwrite,
    )
    with watched("measuring", len(pictures)) as watch:
        record = study_uncertainty(
            classifier, pictures, out=out, options=options,
            watch=watch,
        )  # fmt: skip
    shared.finish(record, out)
