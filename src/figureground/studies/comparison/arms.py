"""Finished runs, grouped into the arms of a comparison."""

__all__ = ["Arm", "TrainedRun", "read_arms", "read_run"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.models import Classifier
from figureground.studies.trained import load_trained
from figureground.training.recipe import Recipe, read_recipe


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A finished run.

    Args:
        folder: What ``train`` wrote.
        classifier: In evaluation mode.
        recipe: With every default spelled out.
        record: Its ``record.json``.
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
        """What its pictures were divided by."""
        return self.seed if self.recipe.data.seed is None else self.recipe.data.seed

    @property
    def device(self) -> torch.device:
        """Where the classifier is."""
        return next(iter(self.classifier.parameters())).device


@dataclass(frozen=True, eq=False)
class Arm:
    """One way to train, run from one seed or several.

    Args:
        name: As tables have it.
        runs: At least one, by their seeds.
    """

    name: str
    runs: tuple[TrainedRun, ...]

    @property
    def has_background(self) -> bool:
        """Whether every run has a background output."""
        return all(run.has_background for run in self.runs)


def read_arms(
    folders: Mapping[str, Sequence[Path | str]],
    *,
    which: str = "best",
    device: torch.device | str = "cpu",
) -> tuple[Arm, ...]:
    """The arms of a comparison; the first is the reference.

    Args:
        folders: Name of an arm -> folders of its runs.
        which: ``best``, ``last`` or ``step-N`` weights.
        device: Where the classifiers go.

    Returns:
        The arms, in this order, the runs of each by their seeds.

    Raises:
        OptionError: Fewer than two arms, an arm without runs, one folder twice in an arm, or runs of other classes.
        DataError: A folder holds no finished run.
    """
    if len(folders) < 2:
        raise OptionError(f"a comparison needs two arms at least, not {len(folders)}")
    arms = [_arm(name, places, which=which) for name, places in folders.items()]
    runs = [run for arm in arms for run in arm.runs]
    for run in runs[1:]:
        _check_classes(runs[0], run)
    for run in runs:
        run.classifier.to(device)
    return tuple(arms)


def read_run(folder: Path | str, *, which: str = "best") -> TrainedRun:
    """A finished run.

    Args:
        folder: What ``train`` wrote.
        which: ``best``, ``last`` or ``step-N`` weights.

    Returns:
        The run, its classifier on the CPU.

    Raises:
        DataError: There is no run, or it is not finished.
    """
    place = Path(folder)
    if not (place / "recipe.yaml").is_file():
        raise DataError(f"{place} holds no training run: there is no recipe.yaml")
    if not (place / "record.json").is_file():
        raise DataError(
            f"the run in {place} is not finished: there is no record.json; go on with it by "
            f"'figureground train {place} --resume'"
        )
    names = tuple(str(name) for name in read_json(place / "classes.json"))
    recipe, record = read_recipe(place / "recipe.yaml"), read_json(place / "record.json")
    return TrainedRun(place, load_trained(place, which), recipe, record, names)


def _arm(name: str, folders: Sequence[Path | str], *, which: str) -> Arm:
    places = [Path(folder) for folder in folders]
    if not places:
        raise OptionError(f"the arm '{name}' has no runs")
    if len({place.resolve() for place in places}) < len(places):
        raise OptionError(f"the arm '{name}' holds one folder twice")
    runs = [read_run(place, which=which) for place in places]
    return Arm(name, tuple(sorted(runs, key=lambda run: run.seed)))


def _check_classes(first: TrainedRun, other: TrainedRun) -> None:
    """Refuse to compare answers to different questions."""
    if first.class_names == other.class_names:
        return
    theirs = [name for name in other.class_names if name not in first.class_names]
    missing = [name for name in first.class_names if name not in other.class_names]
    if not theirs and not missing:
        raise OptionError(f"{first.folder} and {other.folder} have the same classes in other order")
    words = [
        f"{what} {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
        for what, names in (("has also", theirs), ("lacks", missing))
        if names
    ]
    raise OptionError(
        f"{first.folder} and {other.folder} have different classes: the second {' and '.join(words)}"
    )
