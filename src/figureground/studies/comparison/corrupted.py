"""Who stays right when the test pictures are made worse."""

__all__ = ["Corrupted", "corrupted_accuracy", "corruption_tables"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import unknown_option
from figureground.base.seeds import generator
from figureground.metrics.robustness.corruptions import (
    CORRUPTIONS,
    SEVERITIES,
    corrupt,
    corruption_strength,
)
from figureground.studies.comparison.answers import Answers, over_runs, spread
from figureground.studies.comparison.arms import TrainedRun
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.picture_sets import in_batches

_SEED_STEP = 1_000_003  # a prime, so that batches of neighbouring seeds do not share their numbers
_CAPTION = (
    "Accuracy over the K known classes under corruptions made of the test pictures, at five severities each. The first "
    "columns are means over the severities, 'mean' over all corruptions; means over runs, sd over runs. Strengths by "
    "severity: {}."
)


@dataclass(frozen=True, eq=False)
class Corrupted:
    """What an arm still gets right.

    Args:
        accuracy: ``(runs, corruptions, severities)``.
        per_picture: ``(N,)``, share of the corrupted versions of a picture that is right, averaged over runs.
        clean: ``(runs,)`` accuracy on the same pictures as they are.
        sides: Shorter sides of the pictures, pixels, by which strengths were chosen.
    """

    accuracy: np.ndarray
    per_picture: np.ndarray
    clean: np.ndarray
    sides: tuple[int, ...]


def corrupted_accuracy(
    answers: Answers,
    pictures: HeldOut,
    *,
    names: Sequence[str] = tuple(CORRUPTIONS),
    limit: int | None = None,
    batch_size: int = 128,
    told: Callable[[TrainedRun], None] = lambda _: None,
) -> dict[str, Corrupted]:
    """Accuracy of every arm under every corruption.

    All runs of one input size see the same corrupted pictures, noise included.

    Args:
        answers: Arm -> answers of its runs to the pictures as they are.
        pictures: The test pictures.
        names: The corruptions.
        limit: So many pictures at most, drawn at random.
        batch_size: Pictures at a time.
        told: Called with every run that is done.

    Returns:
        Arm -> what it still gets right.

    Raises:
        OptionError: An unknown corruption.
    """  # noqa: DOC501 - unknown_option makes an OptionError
    for name in names:
        if name not in CORRUPTIONS:
            raise unknown_option("corruption", name, CORRUPTIONS)
    found: dict[str, Corrupted] = {}
    for arm, given in answers.items():
        right, values, clean, sides = [], [], [], []
        for one in given:
            rows = _rows(len(one.labels), limit, pictures.seed)
            hits = _hits(one.run, pictures, names, rows=rows, batch_size=batch_size)
            right.append(hits.mean(2).numpy())
            values.append((one.key, hits.mean((0, 1))))
            clean.append(float(one.right[rows].double().mean()))
            sides.append(min(one.run.classifier.preprocessing.size))
            told(one.run)
        found[arm] = Corrupted(
            np.stack(right), over_runs(values).numpy(), np.array(clean), tuple(sorted(set(sides)))
        )
    return found


def corruption_tables(
    found: dict[str, Corrupted], names: Sequence[str] = tuple(CORRUPTIONS)
) -> list[dict[str, Any]]:
    """Means over severities by corruption, and means over corruptions by severity.

    Args:
        found: Arm -> what it still gets right.
        names: The corruptions, in the order of the numbers.

    Returns:
        Two tables as records hold them.
    """
    by_kind: list[list[object]] = []
    by_severity: list[list[object]] = []
    for arm, one in found.items():
        mean, deviation = spread(one.accuracy.mean((1, 2)).tolist())
        kinds = one.accuracy.mean((0, 2)).round(4).tolist()
        levels = one.accuracy.mean((0, 1)).round(4).tolist()
        clean = round(float(one.clean.mean()), 4)
        shown = None if deviation is None else round(deviation, 4)
        by_kind.append([arm, len(one.per_picture), clean, round(mean, 4), shown, *kinds])
        by_severity.append([arm, clean, *levels])
    caption = _CAPTION.format(_strengths(found, names))
    columns = ["arm", "pictures", "clean ↑", "mean ↑", "sd", *names]
    levels = ["clean", *(f"severity {severity}" for severity in SEVERITIES)]
    return [
        {"title": "Corrupted pictures", "caption": caption, "columns": columns, "rows": by_kind},
        {"title": "Corrupted pictures by severity", "caption": "Mean over all corruptions and runs.",
         "columns": ["arm", *levels], "rows": by_severity},
    ]  # fmt: skip


def _hits(
    run: TrainedRun, pictures: HeldOut, names: Sequence[str], *, rows: Tensor, batch_size: int
) -> Tensor:
    """Who is right, ``(corruptions, severities, N)`` as 0 and 1."""
    seen = pictures.of(run).view(run.classifier.preprocessing)
    pixels, labels = seen.pixels[rows], seen.labels[rows]
    found = torch.zeros(len(names), len(SEVERITIES), len(rows), dtype=torch.float64)
    for number, batch in enumerate(in_batches(pixels, batch_size)):
        part = slice(number * batch_size, number * batch_size + len(batch))
        for kind, level in np.ndindex(len(names), len(SEVERITIES)):
            seed = _SEED_STEP * pictures.seed + len(SEVERITIES) * number + level
            worse = corrupt(batch, names[kind], SEVERITIES[level], seed=seed)
            with torch.no_grad():
                logits = run.classifier(worse.to(run.device))[:, : run.num_classes]
            found[kind, level, part] = (logits.argmax(1).cpu() == labels[part]).double()
    return found


def _rows(count: int, limit: int | None, seed: int) -> Tensor:
    """Which pictures, in their order."""
    if limit is None or limit >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=generator(seed))[:limit].sort().values


def _strengths(found: dict[str, Corrupted], names: Sequence[str]) -> str:
    """Strengths of all severities, in words."""
    sides = sorted({side for one in found.values() for side in one.sides})
    words = []
    for side in sides:
        each = [
            f"{name} "
            + "/".join(f"{corruption_strength(name, s, shorter_side=side):g}" for s in SEVERITIES)
            for name in names
        ]
        words.append(f"{', '.join(each)} (pictures of {side} pixels)")
    return "; ".join(words)
