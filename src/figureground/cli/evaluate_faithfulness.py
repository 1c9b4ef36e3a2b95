"""``figureground evaluate faithfulness``: do the maps point at what the classifier uses?"""

__all__ = ["faithfulness"]

from pathlib import Path
from typing import Annotated

import typer

from figureground.cli import evaluate_options as shared, model_options
from figureground.cli.comma_lists import numbers
from figureground.cli.console import watched


@model_options.takes_words
def faithfulness(
    data: shared.Data,
    model: model_options.Model,
    methods: shared.Methods = "cam,grad-cam,grad-cam++,eigen-cam,cnn-fixations",
    maps: Annotated[
        list[Path] | None, typer.Option(help="Folder of .npy maps made by anybody; repeatable.")
    ] = None,
    classes: Annotated[
        str, typer.Option("--class", help="predicted or true: explained and asked for.")
    ] = "predicted",
    steps: Annotated[
        int, typer.Option(help="Of insertion and deletion; RISE takes one per image row.")
    ] = 14,
    fractions: Annotated[
        str, typer.Option(help="Shares of the pixels that ROAD removes.")
    ] = "0.1,0.3,0.5,0.7,0.9",
    signed: Annotated[
        bool, typer.Option("--signed", help="Keep negative values instead of clamping at 0.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(help="bf16 or fp16 for scoring changed pictures.")
    ] = None,
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
    out: shared.Folder = Path("out/faithfulness"),
    overwrite: shared.Overwrite = False,
) -> None:
    """Insertion, deletion, average drop, increase, ADCC and ROAD, with intervals and two baselines."""
    from figureground.studies.evaluation.faithfulness import (  # noqa: PLC0415 - torch is slow to import
        FaithfulnessOptions,
        study_faithfulness,
    )
    from figureground.studies.evaluation.faithfulness_measures import Depth  # noqa: PLC0415
    from figureground.studies.evaluation.items import SetOptions  # noqa: PLC0415
    from figureground.studies.evaluation.sets import open_evaluation_set  # noqa: PLC0415

    options = FaithfulnessOptions(
        methods=shared.chosen_methods(methods),
        folders=tuple(maps or ()),
        classes=classes,
        depth=Depth(steps, numbers(fractions, "--fractions"), seed=seed),
        relu=not signed,
        precision=precision,  # type: ignore[arg-type]
        batch_size=batch_size,
        reference=reference,
        seed=seed,
        overwrite=overwrite,
    )
    source = SetOptions(
        images, label_offset, digits=digits, count=count, limit=limit, seed=seed, workers=workers
    )
    classifier = about.load(model)
    pictures = open_evaluation_set(data, shared.on_device(classifier, device), source)
    with watched("measuring", len(pictures)) as watch:
        record = study_faithfulness(
            classifier, pictures, out=out, options=options,
            watch=watch,
        )  # fmt: skip
    shared.finish(record, out)
