"""The classifier that a training run left."""

__all__ = ["load_trained"]

from pathlib import Path

import torch

from figureground.base.errors import DataError, unknown_option
from figureground.base.record import read_json
from figureground.models import Classifier, load_weights
from figureground.training.algorithms import make_algorithms
from figureground.training.network import make_classifier
from figureground.training.recipe import read_recipe
from figureground.training.streams import borrowed_numbers

_WHICH = ("best", "last")


def load_trained(folder: Path | str, which: str = "best") -> Classifier:
    """The classifier of a run's folder, in evaluation mode, on the CPU.

    Args:
        folder: What ``train`` wrote.
        which: ``best`` by validation accuracy, ``last``, or ``step-N`` for one of the recipe's ``keep_steps``.

    Returns:
        The classifier; a background class, where it has one, is its last output.

    Raises:
        DataError: The folder holds no run that came so far.
    """
    place = Path(folder)
    _check(which)
    weights = place / f"{which}.safetensors"
    if not weights.is_file():
        raise DataError(f"{place} holds no {weights.name}: no run came so far there")
    recipe = read_recipe(place / "recipe.yaml")
    names = read_json(place / "classes.json")
    extra = sum(one.extra_outputs for one in make_algorithms(recipe, len(names)))
    background = extra == 1 or bool(recipe.data.rare)
    bare = recipe.model.model_copy(update={"weights": None, "pretrained": False})
    with borrowed_numbers(torch.device("cpu")):
        classifier = make_classifier(bare, names, background=background)
    load_weights(classifier.network, weights)
    return classifier.eval()


def _check(which: str) -> None:
    if which not in _WHICH and not which.startswith("step-"):
        raise unknown_option("weights of a run", which, _WHICH)
