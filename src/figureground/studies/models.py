"""Any model by one name: a zoo's, a file's, or the folder of a training run."""

__all__ = ["LoadedModel", "load_classifier", "load_model"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from figureground.base.errors import ModelError, OptionError
from figureground.models import Classifier, load_classifier as load_other
from figureground.studies.training.runs import TrainedRun, load_run


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A classifier, and the training run that it comes from.

    Args:
        classifier: In evaluation mode, on the CPU.
        run: None where it comes from elsewhere.
        name: By which it can be loaded again; empty for a ready object.
        settings: With which it was loaded.
    """

    classifier: Classifier
    run: TrainedRun | None = None
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def load_model(
    model: str | Path | nn.Module,
    *,
    checkpoint: str = "best",
    trust_code: bool = False,
    **settings: Any,  # noqa: ANN401 - as there
) -> LoadedModel:
    """A model, wherever it comes from.

    Args:
        model: ``timm:NAME``, ``torchvision:NAME``, ``hf:ORG/NAME``, ``open_clip:NAME@WEIGHTS``, ``figureground:NAME``,
            ``file.py:factory``, the folder of a training run, or a ready ``Classifier``.
        checkpoint: Of a training run: ``best``, ``last`` or ``step-N``.
        trust_code: Whether code that the folder of a training run names may run; ``file.py:factory`` as the model is
            the caller's own word and needs no trust.
        settings: As for ``figureground.models.load_classifier``; a training run has all of its own.

    Returns:
        The model.

    Raises:
        OptionError: Settings for a training run, or its folder names code and is not trusted.
        ModelError: A bare network without preprocessing.
    """
    if isinstance(model, Classifier):
        return LoadedModel(model)
    if isinstance(model, nn.Module):
        raise ModelError(
            f"{type(model).__name__} says nothing of its preprocessing: wrap it as "
            "figureground.Classifier(network, preprocessing, class_names=...)"
        )
    if not (Path(model) / "recipe.yaml").is_file():
        found = load_other(str(model), **settings)
        return LoadedModel(found, name=str(model), settings=settings)
    given = [name for name, value in settings.items() if value]
    if given:
        raise OptionError(
            f"the folder of a run describes its whole model; leave out: {', '.join(given)}"
        )
    run = load_run(model, checkpoint, needs_record=False, trust_code=trust_code)
    return LoadedModel(run.classifier, run, str(model), {"checkpoint": checkpoint})


def load_classifier(
    model: str | Path,
    *,
    checkpoint: str = "best",
    trust_code: bool = False,
    **settings: Any,  # noqa: ANN401 - as there
) -> Classifier:
    """A classifier with its own preprocessing and class names.

    Args:
        model: ``timm:NAME``, ``torchvision:NAME``, ``hf:ORG/NAME``, ``open_clip:NAME@WEIGHTS``, ``figureground:NAME``,
            ``file.py:factory``, or the folder of a training run.
        checkpoint: Of a training run: ``best``, ``last`` or ``step-N``.
        trust_code: Whether code that the folder of a training run names may run.
        settings: As for ``figureground.models.load_classifier``: ``weights``, ``random``, ``class_names``, ...

    Returns:
        The classifier, in evaluation mode, on the CPU.
    """
    return load_model(model, checkpoint=checkpoint, trust_code=trust_code, **settings).classifier
