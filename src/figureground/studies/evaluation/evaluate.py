"""Evaluate a model: from names and paths to a record and its page's data."""

__all__ = ["evaluate"]

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from figureground.base.errors import OptionError
from figureground.base.progress import Progress, no_progress
from figureground.engines import Where, own_device
from figureground.models.predicting import chosen_device, placed
from figureground.studies.evaluation import evaluation_class
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.engine import Evaluation, run_evaluation
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.predictions import evaluate_predictions
from figureground.studies.evaluation.tables import EvaluationRecord
from figureground.studies.models import LoadedModel, load_model


def evaluate(
    evaluation: Evaluation | str,
    model: str | Path | nn.Module | LoadedModel | None,
    data: str | Path | EvaluationSet | None = None,
    *,
    out: Path | str,
    data_options: DataOptions | None = None,
    device: Where = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> EvaluationRecord:
    """Answer one question about a model and its maps.

    Args:
        evaluation: One of ``EVALUATIONS`` by name, with its defaults, or an instance with options.
        model: As for ``load_model``; None where all maps come from folders, or boxes from files.
        data: ``clutter``, an ``.npz`` pack, annotations in any known format, a folder of images, the name of a data
            set, or a ready set; None for the data of the training run that the model comes from.
        out: The folder; gets ``per_image.npz`` and, last, ``record.json``. A run that was stopped goes on there.
        data_options: What the data leave open.
        device: Where to compute: a device, or ``EngineOptions`` for the worker processes of a Ray cluster, where an
            image that ends its process is left out and told. None takes CUDA where there is one.
        overwrite: Measure again what an earlier run measured.
        progress: Called after every batch.

    Returns:
        The record.

    Raises:
        OptionError: There is no such evaluation, or it needs a model.
        DataError: No image can be used, or the folder holds something else.
    """
    chosen = evaluation_class(evaluation)() if isinstance(evaluation, str) else evaluation
    if getattr(chosen, "predictions", ()):
        return evaluate_predictions(
            chosen, model, data, out=out, options=data_options, overwrite=overwrite
        )
    loaded = (
        model if isinstance(model, LoadedModel) else None if model is None else load_model(model)
    )
    if loaded is not None and loaded.run is not None:
        chosen = chosen.of_run(loaded.run)
    if loaded is None and not getattr(chosen, "maps", ()):
        raise OptionError("nothing to measure: name a model, or folders of maps")
    classifier, run = (None, None) if loaded is None else (loaded.classifier, loaded.run)
    if isinstance(data, EvaluationSet):
        images = data
    else:
        about = replace(
            data_options or DataOptions(seed=chosen.seed), needs_labels=chosen.needs_labels
        )
        images = open_images(data, classifier, about, run=run)
    settings: dict[str, Any] = {
        "out": out,
        "overwrite": overwrite,
        "where": device,
        "progress": progress,
    }
    if classifier is None:
        return run_evaluation(chosen, None, images, **settings)
    with placed(classifier, chosen_device(own_device(device))):
        return run_evaluation(chosen, classifier, images, **settings)
