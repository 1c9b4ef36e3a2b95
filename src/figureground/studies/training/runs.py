"""Training runs, read back from their folders."""

__all__ = ["TrainedRun", "load_run"]

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from figureground.base.errors import DataError
from figureground.base.record import read_json
from figureground.models import Classifier
from figureground.training.recipe import Recipe, read_recipe
from figureground.training.trained import load_trained


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A training run.

    Args:
        folder: What ``train`` wrote.
        classifier: In evaluation mode.
        recipe: With every default spelled out.
        record: Its ``record.json``; empty where the run is not finished.
        class_names: Of the K known classes.
    """

    folder: Path
    classifier: Classifier
    recipe: Recipe
    record: Mapping[str, Any]
    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """K, without the background."""
        return len(self.class_names)

    @property
    def has_background(self) -> bool:
        """Whether its last output stands for background."""
        return self.classifier.num_classes == self.num_classes + 1

    @property
    def seed(self) -> int:
        """Of the run."""
        return self.recipe.seed

    @property
    def data_seed(self) -> int:
        """What its images were divided by."""
        return self.seed if self.recipe.data.seed is None else self.recipe.data.seed

    @property
    def device(self) -> torch.device:
        """Where the classifier is."""
        return next(self.classifier.parameters()).device


def load_run(
    folder: Path | str,
    checkpoint: str = "best",
    *,
    needs_record: bool = True,
    trust_code: bool = False,
) -> TrainedRun:
    """A training run from its folder.

    Args:
        folder: What ``train`` wrote.
        checkpoint: ``best`` by validation, ``last``, or ``step-N`` for one of the recipe's ``keep_steps``.
        needs_record: Whether a run that is not finished is refused.
        trust_code: Whether code that the folder names (a model ``file.py:function``) may run.

    Returns:
        The run, its classifier on the CPU.

    Raises:
        OptionError: The folder names code and is not trusted.
        DataError: There is no run, it is not finished, or it has no such checkpoint.
    """
    place = Path(folder)
    if not place.is_dir():
        raise DataError(f"there is no folder {place}, which should be that of a training run")
    if not (place / "recipe.yaml").is_file():
        raise DataError(f"{place} holds no training run: there is no recipe.yaml")
    finished = (place / "record.json").is_file()
    if needs_record and not finished:
        raise DataError(
            f"the run in {place} is not finished: there is no record.json; go on with it by "
            f"'figureground train {place} --resume'"
        )
    names = tuple(str(name) for name in read_json(place / "classes.json"))
    record = read_json(place / "record.json") if finished else {}
    classifier = load_trained(place, checkpoint, trust_code=trust_code)
    return TrainedRun(place, classifier, read_recipe(place / "recipe.yaml"), record, names)
