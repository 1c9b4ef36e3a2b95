"""The classifier that a training run begins with, and the one that it leaves."""

__all__ = ["CHECKPOINTS", "at_key", "load_trained", "make_classifier"]

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from figureground.base.errors import DataError, ModelError, OptionError, unknown_option
from figureground.base.record import read_json
from figureground.models import Classifier, load_classifier, load_weights, replace_head
from figureground.models.source import LOGITS_OF_1001, UNTRAINED
from figureground.training.recipe import ModelSpec, as_tuples, is_run, read_recipe
from figureground.training.streams import forked_rng
from figureground.training.trust import refuse_code, trusting

CHECKPOINTS = ("best", "last")
_COUNTED = ("figureground:", "timm:")  # networks that are built for a number of classes


@contextmanager
def at_key(key: str, weights: str | None = None) -> Iterator[None]:
    """Name the key of the recipe in what is said of the network that it asks for.

    Args:
        key: Of the network, in a recipe.
        weights: The file that ``key.weights`` names, which is at fault where the message names it.

    Yields:
        Nothing.

    Raises:
        OptionError: In place of one without the key; ``DataError`` and ``ModelError`` likewise.

    Examples:
        >>> with at_key("distillation.teacher", "gone.pth"):
        ...     raise ModelError("no weights file gone.pth")
        Traceback (most recent call last):
        figureground.base.errors.ModelError: distillation.teacher.weights: no weights file gone.pth
    """
    try:
        yield
    except (DataError, ModelError, OptionError) as error:
        file = Path((weights or "").partition("::")[0]).name
        place = f"{key}.weights" if file and file in str(error) else key
        raise type(error)(f"{place}: {error}") from error


def make_classifier(
    spec: ModelSpec, class_names: Sequence[str], *, background: bool = False
) -> Classifier:
    """A classifier in evaluation mode; initial weights are drawn from torch's global RNG.

    A run's folder as the name stands for the classifier that the run left, with its preprocessing. A head that has
    another number of outputs than needed is replaced by a fresh linear one; weights below it are kept.

    Args:
        spec: Which network.
        class_names: One for each class of the data.
        background: Whether it has an output more, the last, for backgrounds.

    Returns:
        The classifier.
    """
    names = (*class_names, "background") if background else tuple(class_names)
    classifier = (
        load_trained(spec.name, spec.checkpoint)
        if is_run(spec.name)
        else _by_name(spec, len(names))
    )
    if spec.head != "own":
        classifier, _ = replace_head(classifier, len(names), head=spec.head)
    elif classifier.num_classes != len(names):
        classifier, _ = replace_head(classifier, len(names))
    # the data say what the classes are
    classifier.notes = tuple(one for one in classifier.notes if one != LOGITS_OF_1001)
    classifier.class_names, classifier.num_classes = names, len(names)
    classifier.run = ""  # what is trained further becomes another one
    return classifier


def load_trained(
    folder: Path | str, checkpoint: str = "best", *, trust_code: bool = False
) -> Classifier:
    """The classifier of a run's folder, in evaluation mode, on the CPU. Torch's global RNG stays as it is.

    Args:
        folder: What ``train`` wrote.
        checkpoint: ``best`` by validation accuracy, ``last``, or ``step-N`` for one of the recipe's ``keep_steps``.
        trust_code: Whether code that the folder names (a model ``file.py:function``) may run.

    Returns:
        The classifier, with the run's preprocessing and class names; a background class, where it has one, is its last
        output.

    Raises:
        OptionError: A checkpoint of a run has no such name, or the folder names code and is not trusted.
        DataError: The folder holds no run with this checkpoint.
        ModelError: The weights do not fit the run's recipe.
    """
    place = Path(folder)
    if checkpoint not in CHECKPOINTS and not checkpoint.startswith("step-"):
        error: OptionError = unknown_option("checkpoint of a run", checkpoint, CHECKPOINTS)
        raise error
    weights = place / f"{checkpoint}.safetensors"
    if not place.is_dir():
        raise DataError(f"there is no folder {place}, which should be that of a training run")
    if not weights.is_file():
        raise DataError(f"{place} holds no {weights.name}: no run came so far there")
    spec = read_recipe(place / "recipe.yaml").model
    names = read_json(place / "classes.json")
    with trusting(trust_code), forked_rng(torch.device("cpu")):
        refuse_code(spec, place)
        try:
            found = _loaded(spec, names, weights, background=False)
        except ModelError:
            # one output more, if anything: the weights tell without a look at the options of the run's algorithms
            found = _loaded(spec, names, weights, background=True)
    found.run = Path(os.path.abspath(place)).name  # noqa: PTH100 - a link keeps its own name
    return found.eval()


def _loaded(spec: ModelSpec, names: list[str], weights: Path, *, background: bool) -> Classifier:
    bare = spec.model_copy(update={"weights": None, "pretrained": False})
    classifier = make_classifier(bare, names, background=background)
    load_weights(classifier.network, weights)
    classifier.notes = tuple(one for one in classifier.notes if one != UNTRAINED)
    return classifier


def _by_name(spec: ModelSpec, outputs: int) -> Classifier:
    if "/" in spec.name and ":" not in spec.name:
        raise OptionError(
            f"no run in the folder {spec.name}: train it first, as the head of the recipe says, or name another run or "
            "a network by model.name"
        )
    arguments = dict(spec.arguments)
    untrained = spec.weights is None and not spec.pretrained
    if untrained and spec.name.startswith(_COUNTED):
        arguments.setdefault("num_classes", outputs)
    return load_classifier(
        spec.name,
        weights=spec.weights,
        random=untrained,
        arguments=arguments,
        preprocessing=as_tuples(spec.preprocessing) or None,
    )
