"""What every run predicts for the test images, and numbers per image over the runs of an arm."""

__all__ = ["Prediction", "Predictions", "over_runs", "predictions_of", "spread"]

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.shapes import Labels, Logits
from figureground.models.predicting import predict
from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.training.runs import TrainedRun


@dataclass(frozen=True, eq=False)
class Prediction:
    """Of one run.

    Args:
        run: Which.
        logits: ``(N, L)``, the background's last where there is one.
        labels: ``(N,)``, from 0 to K - 1.
        key: Predictions of equal key are to the same images.
    """

    run: TrainedRun
    logits: Logits
    labels: Labels
    key: int

    @property
    def known(self) -> Logits:
        """``(N, K)``: the background output dropped, as the paper does at test time."""
        return self.logits[:, : self.run.num_classes]

    @property
    def right(self) -> Tensor:
        """``(N,)`` bool: the best known class is the true one."""
        return self.known.argmax(1) == self.labels


Predictions = Mapping[str, Sequence[Prediction]]
"""Arm -> predictions of its runs, by seed."""


def predictions_of(
    arms: Sequence[Arm],
    images: HeldOut,
    *,
    batch_size: int,
    report: Callable[[TrainedRun], None] = lambda _: None,
) -> dict[str, tuple[Prediction, ...]]:
    """Ask every run about its test images.

    Args:
        arms: The arms.
        images: The test images.
        batch_size: Images at a time.
        report: Called with every run that is done.

    Returns:
        Arm -> predictions of its runs.
    """
    found: dict[str, tuple[Prediction, ...]] = {}
    for arm in arms:
        predictions = []
        for run in arm.runs:
            held = images.of(run)
            seen = held.view(run.classifier.preprocessing)
            logits = predict(run.classifier, seen.pixels, batch_size=batch_size)
            predictions.append(Prediction(run, logits, seen.labels, held.key))
            report(run)
        found[arm.name] = tuple(predictions)
    return found


def over_runs(values: Sequence[tuple[int, Tensor]]) -> Float[Tensor, " N"]:
    """One number per image: the mean over the runs that were tested on it.

    Args:
        values: For every run the key of its images and a number for each of them ``(n,)``; NaN where undefined.

    Returns:
        The images of one key after those of another, by key; NaN where no run defines the number.

    Examples:
        >>> same = [(0, torch.tensor([1.0, 0.0])), (0, torch.tensor([1.0, 1.0]))]
        >>> over_runs(same).tolist()
        [1.0, 0.5]
        >>> over_runs([*same, (7, torch.tensor([4.0]))]).tolist()
        [1.0, 0.5, 4.0]
    """
    groups: dict[int, list[Tensor]] = {}
    for key, numbers in values:
        groups.setdefault(key, []).append(numbers.double())
    return torch.cat([torch.stack(groups[key]).nanmean(0) for key in sorted(groups)])


def spread(values: Sequence[float | int]) -> tuple[float, float | None]:
    """Mean over runs and their standard deviation.

    Args:
        values: At least one.

    Returns:
        Both, the deviation divided by n - 1; None for a single run.

    Examples:
        >>> spread([1.0, 3.0]), spread([2.0])
        ((2.0, 1.4142135623730951), (2.0, None))
    """
    numbers = [float(value) for value in values]
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
    return statistics.fmean(numbers), deviation
