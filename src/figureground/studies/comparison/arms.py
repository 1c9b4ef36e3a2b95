"""Finished runs, grouped into the arms of a comparison."""

__all__ = ["Arm", "read_arms"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from figureground.base.errors import OptionError
from figureground.studies.training.runs import TrainedRun, load_run


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
    checkpoint: str = "best",
    device: torch.device | str = "cpu",
) -> tuple[Arm, ...]:
    """The arms of a comparison; the first is the reference.

    Args:
        folders: Name of an arm -> folders of its runs.
        checkpoint: ``best``, ``last`` or ``step-N`` weights.
        device: Where the classifiers go.

    Returns:
        The arms, in this order, the runs of each by their seeds.

    Raises:
        OptionError: Fewer than two arms, an arm without runs, one folder twice in an arm, or runs of other classes.
        DataError: A folder holds no finished run.
    """
    if len(folders) < 2:
        raise OptionError(f"a comparison needs two arms at least, not {len(folders)}")
    arms = [_arm(name, places, checkpoint=checkpoint) for name, places in folders.items()]
    runs = [run for arm in arms for run in arm.runs]
    for run in runs[1:]:
        _check_classes(runs[0], run)
    for run in runs:
        run.classifier.to(device)
    return tuple(arms)


def _arm(name: str, folders: Sequence[Path | str], *, checkpoint: str) -> Arm:
    places = [Path(folder) for folder in folders]
    if not places:
        raise OptionError(f"the arm '{name}' has no runs")
    if len({place.resolve() for place in places}) < len(places):
        raise OptionError(f"the arm '{name}' holds one folder twice")
    runs = [load_run(place, checkpoint) for place in places]
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
