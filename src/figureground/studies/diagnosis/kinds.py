"""Kinds of backgrounds of the classes that rest on theirs: the shortcut, and the images that suffer from it."""

__all__ = ["draw_kinds", "kinds_table"]

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from figureground.metrics.intervals import Interval, bootstrap_interval
from figureground.metrics.reliance import background_kinds
from figureground.studies.diagnosis.crossing import Crossing
from figureground.studies.diagnosis.findings import Findings, ends_of
from figureground.studies.diagnosis.pictures import picture
from figureground.studies.evaluation.tables import table

_FEWEST = 5  # images of a kind
_MOST_CLASSES, _UNNAMED_CLASSES = 5, 3
_MOST_DRAWN, _WIDTH = 7, 96


@dataclass(frozen=True, eq=False)
class _Kind:
    """A kind of background of a class."""

    label: int
    rows: Tensor
    share: float
    pull: Interval
    right: float
    elsewhere: float


def kinds_table(
    found: Findings, crossing: Crossing, names: list[str], *, seed: int
) -> list[dict[str, Any]]:
    """The kinds of backgrounds of the classes that rest on theirs most.

    Args:
        found: The findings.
        crossing: With the features of the backgrounds.
        names: Of the classes that occur.
        seed: Of k-means and the intervals.

    Returns:
        One table; none where no class has two kinds.
    """
    rows = [
        [
            names[one.label],
            number,
            len(one.rows),
            one.share,
            *ends_of(one.pull),
            one.right,
            one.elsewhere,
        ]
        for kinds in _kinds(found, crossing, seed=seed)
        for number, one in enumerate(kinds, 1)
    ]
    caption = (
        "Backgrounds of a class in kinds (k-means of their features, the number by the silhouette). Pull: how far a "
        "background of this kind draws other objects to the class. Right: share of the class's originals on this "
        "kind, and on its other kinds, that are classified rightly. A common kind with a strong pull is the shortcut; "
        "a rare kind on which few are right is what suffers from it."
    )
    columns = ["class", "kind", "images", "share", "pull", "from", "to", "right", "right elsewhere"]
    return [table("Kinds of backgrounds", columns, rows, caption=caption)] if rows else []


def draw_kinds(
    found: Findings, crossing: Crossing, names: list[str], *, seed: int
) -> tuple[dict[str, Any], ...]:
    """For each of these classes the kind that draws most, and the one on which the fewest are right.

    Args:
        found: The findings.
        crossing: With the features of the backgrounds.
        names: Of the classes that occur.
        seed: Of k-means and the intervals.

    Returns:
        Class, both kinds with their numbers and pictures.
    """
    drawn = []
    for kinds in _kinds(found, crossing, seed=seed):
        most = max(kinds, key=lambda one: one.pull.mean)
        least = min(kinds, key=lambda one: one.right)
        halves = [("draws most to the class", most)]
        if least is not most:
            halves.append(("right least often", least))
        drawn.append(
            {
                "class": names[kinds[0].label],
                "kinds": [
                    {
                        "title": title,
                        "share": round(one.share, 3),
                        "pull": [one.pull.mean, one.pull.low, one.pull.high],
                        "right": round(one.right, 3),
                        "elsewhere": round(one.elsewhere, 3),
                        "pictures": [
                            picture(crossing.scenes.images(row[None]), _WIDTH)
                            for row in one.rows[:_MOST_DRAWN]
                        ],
                    }
                    for title, one in halves
                ],
            }
        )
    return tuple(drawn)


def _kinds(found: Findings, crossing: Crossing, *, seed: int) -> list[list[_Kind]]:
    """Of classes that were named, or of the first where the set rests on its backgrounds; those with two kinds."""
    labels = [one.label for one in found.classes if one.found][:_MOST_CLASSES]
    if not labels and found.verdict.word == "rests on":
        labels = [one.label for one in found.classes][:_UNNAMED_CLASSES]
    told = crossing.alone.get("features", crossing.alone["thumbnail"])
    right = (crossing.alone["best"] == crossing.classes[crossing.labels]).double()
    classes = []
    for label in labels:
        rows = (crossing.labels == label).nonzero().flatten()
        rows = rows[told[rows].isfinite().all(1)]
        numbers = background_kinds(told[rows].float(), seed=seed)
        kinds = []
        for number in np.unique(numbers.numpy()).tolist():
            mine, others = rows[numbers == number], rows[numbers != number]
            pulls = found.images.pull[mine].double()
            if len(mine) >= _FEWEST and len(others) and not bool(pulls.isnan().all()):
                pull = bootstrap_interval(pulls, seed=seed)
                share = len(mine) / len(rows)
                hits = (float(right[some].mean()) for some in (mine, others))
                kinds.append(_Kind(label, mine, share, pull, *hits))
        if len(kinds) > 1:
            classes.append(kinds)
    return classes
