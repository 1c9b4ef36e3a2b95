"""The teacher: found, checked against the student, frozen."""

__all__ = ["TeacherSpec", "check_teacher", "load_teacher"]

from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import nn

from figureground.base.errors import DataError, ModelError, OptionError
from figureground.base.record import read_json
from figureground.models import Classifier, load_classifier, load_weights
from figureground.training.network import make_classifier
from figureground.training.recipe import Recipe, RecipePart, read_recipe


class TeacherSpec(RecipePart):
    """A trained network by name; as for ``load_classifier``.

    Without ``weights`` it comes with those that its source has.
    """

    name: str
    weights: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    preprocessing: dict[str, Any] = Field(default_factory=dict)


def load_teacher(teacher: str | TeacherSpec, which: str = "last") -> Classifier:
    """The teacher, frozen and in evaluation mode, on the CPU. Torch's global numbers stay as they are.

    Args:
        teacher: Folder of a training run, or a network by name.
        which: ``last`` or ``best`` weights of a run.

    Returns:
        The teacher.

    Raises:
        OptionError: None is given.
        DataError: The folder holds no run that came so far.
    """
    if not teacher:
        raise OptionError(
            "say who the teacher is: distillation.teacher=FOLDER of a run, or {name: …, weights: …}"
        )
    with torch.random.fork_rng(devices=[]):
        found = _trained(Path(teacher), which) if isinstance(teacher, str) else _named(teacher)
    return found.eval().requires_grad_(False)  # noqa: FBT003 - torch's own signature


def check_teacher(teacher: Classifier, student: nn.Module, num_classes: int) -> None:
    """Refuse a teacher who tells other things apart than the student, or sees other pictures.

    A background output of the teacher, its last, is allowed: the logits before it are used.

    Args:
        teacher: The teacher.
        student: The network; compared further where it is a ``Classifier``.
        num_classes: Classes of the data.

    Raises:
        OptionError: It does not fit.
    """
    known = list(teacher.class_names or [])
    count = teacher.num_classes
    if known and known[-1] == "background" and count == num_classes + 1:
        known, count = known[:-1], num_classes
    if count is not None and count != num_classes:
        raise OptionError(
            f"the teacher {teacher.name} tells {count} classes apart, the data have {num_classes}"
        )
    if not isinstance(student, Classifier):
        return
    own = list(student.class_names or known)[:num_classes]
    if known and own != known:
        place = next(k for k, pair in enumerate(zip(own, known, strict=True)) if pair[0] != pair[1])
        raise OptionError(
            f"the teacher {teacher.name} has other classes than the data: class {place} is '{known[place]}', "
            f"not '{own[place]}'"
        )
    theirs, ours = teacher.preprocessing, student.preprocessing
    if (theirs.channels, theirs.size) != (ours.channels, ours.size):
        raise OptionError(
            f"the teacher {teacher.name} takes pictures of {theirs.channels} × {theirs.size}, the student of "
            f"{ours.channels} × {ours.size}; set model.preprocessing.size or the teacher's"
        )


def _named(spec: TeacherSpec) -> Classifier:
    changes = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in spec.preprocessing.items()
    }
    return load_classifier(
        spec.name, weights=spec.weights, arguments=spec.arguments, preprocessing=changes or None
    )


def _trained(folder: Path, which: str) -> Classifier:
    """The classifier of a run's folder."""
    weights = folder / f"{which}.safetensors"
    if not weights.is_file():
        raise DataError(
            f"the teacher's folder {folder} holds no {weights.name}: no run came so far"
        )
    recipe = read_recipe(folder / "recipe.yaml")
    names = read_json(folder / "classes.json")
    try:
        return _loaded(recipe, names, weights, background=False)
    except ModelError:
        # one output more than classes, if anything: the other algorithms' options are not known here
        return _loaded(recipe, names, weights, background=True)


def _loaded(recipe: Recipe, names: list[str], weights: Path, *, background: bool) -> Classifier:
    bare = recipe.model.model_copy(update={"weights": None, "pretrained": False})
    classifier = make_classifier(bare, names, background=background)
    load_weights(classifier.network, weights)
    return classifier
