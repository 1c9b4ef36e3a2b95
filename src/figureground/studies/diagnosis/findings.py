"""What the answers to composites say: numbers with intervals, a verdict, tables."""

__all__ = [
    "Findings",
    "find",
    "image_rows",
    "numbers_of_record",
    "points",
    "tables_of",
    "verdict_sentence",
]

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from figureground.metrics.intervals import Interval, bootstrap_interval
from figureground.metrics.reliance import (
    ClassPull,
    ImageReliance,
    Reliance,
    Verdict,
    only_background,
    per_image,
    pull_test,
    reliance,
    verdict_of,
)
from figureground.studies.diagnosis.cells import peakedness
from figureground.studies.diagnosis.crossing import Crossing
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.evaluation.tables import table

_AREAS = (0.15, 0.35, 0.6, 0.85)
_LOCAL = 4.0
_MOST_LISTED = 200

_NAMES = {
    "gap": "BG-Gap: accuracy lost on other classes' backgrounds (v11 - v10)",
    "pull": "background pull: how much a background draws others to its class (v01 - v00)",
    "effect": "background effect (mean of both)",
    "foreground": "foreground effect",
    "interaction": "interaction (above 0: needs both; below 0: either suffices)",
    "share": "background share: of what object and background do together",
    "v11": "v11, foreground and background of the class (Mixed-Same)",
    "v10": "v10, foreground of the class, other background (Mixed-Rand)",
    "v01": "v01, other foreground, background of the class",
    "v00": "v00, neither",
}


@dataclass(frozen=True, eq=False)
class Findings:
    """All numbers of a diagnosis.

    Args:
        hits: Mask -> numbers of the best class.
        probabilities: The same of probabilities, of the annotated mask.
        verdict: On the set.
        classes: Classes by the lower end of their pull, as positions among those that occur.
        images: Numbers of single images.
        accuracy: Of the originals.
        background_alone: Accuracy on backgrounds alone less chance.
        hole: Accuracy on the own background with another's hole less that on other classes' backgrounds.
        by_hole: Whether the verdict is on that, since most images are the only one of their class.
        cue: ``local``, ``scene-wide`` or empty.
    """

    hits: dict[str, Reliance]
    probabilities: Reliance
    verdict: Verdict
    classes: tuple[ClassPull, ...]
    images: ImageReliance
    accuracy: Interval
    background_alone: Interval
    hole: Interval
    by_hole: bool
    cue: str


def find(crossing: Crossing, options: DiagnoseOptions) -> Findings:
    """Numbers of what was measured.

    Args:
        crossing: The answers.
        options: Seed and deltas.

    Returns:
        The findings.

    Raises:
        ShapeError: No class has two images, or there is one class only.
    """
    labels, seed = crossing.labels, options.seed
    hits = {
        mask: reliance(one.pairs, labels, one.hits(crossing.classes), seed=seed)
        for mask, one in crossing.answers.items()
    }
    given, alone = crossing.answers["given"], crossing.alone
    best = torch.searchsorted(crossing.classes, given.best)
    best = torch.where(
        crossing.classes[best.clamp(max=len(crossing.classes) - 1)] == given.best, best, -1
    )
    right = (alone["best"] == crossing.classes[labels]).double()
    on_background = (alone["background_best"][:, None] == crossing.classes).float()
    hole = _hole_gap(crossing, seed=seed)
    by_hole = 2 * int((torch.bincount(labels)[labels] > 1).sum()) < len(labels)
    verdict = verdict_of(hole if by_hole else hits["given"].numbers["gap"], delta=options.delta)
    cue = ""
    if (
        crossing.cells is not None
        and crossing.cell_errors is not None
        and verdict.word == "rests on"
    ):
        stands_out = peakedness(crossing.cells, crossing.cell_errors) > _LOCAL
        cue = "local" if stands_out else "scene-wide"
    return Findings(
        hits=hits,
        probabilities=reliance(given.pairs, labels, given.probabilities, seed=seed),
        verdict=verdict,
        classes=pull_test(
            given.pairs, labels, given.probabilities, seed=seed, least=options.class_delta
        ),
        images=per_image(
            given.pairs, labels, given.probabilities, best=best, own=alone["hole"].float()
        ),
        accuracy=bootstrap_interval(right, seed=seed),
        background_alone=only_background(on_background, labels, seed=seed),
        hole=hole,
        by_hole=by_hole,
        cue=cue,
    )


def verdict_sentence(found: Findings, options: DiagnoseOptions) -> str:
    """The answer in one sentence.

    Args:
        found: The findings.
        options: Delta.

    Returns:
        Begins with "rests on the background", "does not rest on the background" or "cannot tell".
    """
    gap = found.hole if found.by_hole else found.hits["given"].numbers["gap"]
    interval = f"[{points(gap.low)}, {points(gap.high)}]"
    told = (
        f"{points(gap.mean)} points of accuracy {interval} are lost on backgrounds of other classes "
        f"({points(options.delta)} or more would matter)"
    )
    if found.verdict.word == "rests on":
        return f"rests on the background: {told}"
    if found.verdict.word == "does not":
        return f"does not rest on the background: {told}"
    needed = found.verdict.images_needed
    more = "" if needed is None else f"; about {needed:,} images would tell"
    return f"cannot tell: {told}{more}"


def tables_of(
    found: Findings, crossing: Crossing, class_names: list[str], *, options: DiagnoseOptions
) -> tuple[dict[str, Any], ...]:
    """All tables of the page.

    Args:
        found: The findings.
        crossing: What they were made of.
        class_names: Of the classes that occur.
        options: Deltas.

    Returns:
        The tables, the numbers of the verdict first.
    """
    tables = [_numbers_table(found, options)]
    if len(found.hits) > 1:
        tables.append(_masks_table(found))
    tables += [
        _classes_table(found, crossing, class_names, options=options),
        _areas_table(found, crossing),
    ]
    tables.append(_controls_table(found))
    tables.append(_backgrounds_table(found, crossing, class_names))
    return tuple(tables)


def _hole_gap(crossing: Crossing, *, seed: int) -> Interval:
    """Of images: right with another's hole in the own background, less right on other classes' backgrounds."""
    given, labels = crossing.answers["given"], crossing.labels
    front, back = given.pairs.classes(labels)
    apart = front != back
    right = (given.best == crossing.classes[front]).double()[apart]
    rows = given.pairs.foreground[apart]
    empty = torch.zeros(len(labels), dtype=torch.float64)
    elsewhere = empty.index_add(0, rows, right) / empty.index_add(0, rows, torch.ones_like(right))
    own = (crossing.alone["hole_best"] == crossing.classes[labels]).double()
    return bootstrap_interval(own - elsewhere, seed=seed)


def _numbers_table(found: Findings, options: DiagnoseOptions) -> dict[str, Any]:
    hits, probabilities = found.hits["given"].numbers, found.probabilities.numbers
    rows = [
        [words, *ends_of(hits.get(name)), *ends_of(probabilities.get(name))]
        for name, words in _NAMES.items()
    ]
    caption = (
        "Means over classes, with 95 % intervals from 1,000 bootstrap draws of the images in both of their roles. All "
        "four cells are composites, so fills and seams cancel. Left: share of right answers; right: probability. The "
        f"verdict is on the first number, against {options.delta:g}. "
    )
    if "share" not in probabilities:
        caption += "Foreground and background together change less than 0.1: there is nothing to divide into shares."
    columns = ["number", "accuracy", "from", "to", "probability", "from ", "to "]
    return table("What the network uses", columns, rows, caption=caption)


def _masks_table(found: Findings) -> dict[str, Any]:
    rows = []
    for mask in ("outer", "given", "inner"):
        if mask in found.hits:
            numbers = found.hits[mask].numbers
            rows.append(
                [mask, *ends_of(numbers.get("gap")), *ends_of(numbers["pull"]), numbers["v10"].mean]
            )
    caption = (
        "outer: the annotation and 6 % of the side around it; inner: boxes refined by colour, masks eroded. A network "
        "that was trained on swapped boxes reads the background inside the box: then inner shows what given hides."
    )
    columns = ["mask", "gap", "from", "to", "pull", "from ", "to ", "v10"]
    return table("The same with tighter and wider masks", columns, rows, caption=caption)


def _classes_table(
    found: Findings, crossing: Crossing, names: list[str], *, options: DiagnoseOptions
) -> dict[str, Any]:
    cells = found.hits["given"].cells
    rows = []
    for one in found.classes[:_MOST_LISTED]:
        area = float(crossing.scenes.areas[crossing.labels == one.label].mean())
        v11, v10 = (float(cells[one.label, at]) for at in (0, 1))
        pull, gap = ends_of(one.pull), _known(v11 - v10)
        rows.append(
            [names[one.label], one.images, *pull, gap, area, one.auroc, one.p_value, one.found]
        )
    few = len(names) - len(found.classes)
    caption = (
        "Ordered by the lower end. Pull: probability that the class's backgrounds add to it under foregrounds of other "
        f"classes. Found: significant among {len(found.classes)} tests (Mann-Whitney, Benjamini-Hochberg at 5 %), and "
        f"the lower end above {options.class_delta:g}. {few} classes with fewer than five images are not listed."
    )
    columns = [
        "class",
        "images",
        "pull",
        "from",
        "to",
        "gap",
        "object's area",
        "AUROC",
        "p",
        "found",
    ]
    return table("Classes", columns, rows, caption=caption)


def _areas_table(found: Findings, crossing: Crossing) -> dict[str, Any]:
    areas = crossing.scenes.areas.double()
    rows: list[list[Any]] = []
    ends = (0.0, *_AREAS, 1.0)
    for low, high in pairwise(ends):
        inside = (areas >= low) & (areas < high if high < 1 else areas <= high)
        losses = found.images.loss[inside]
        known = losses[~losses.isnan()]
        name = f"{low:g} to {high:g}"
        if len(known):
            one = bootstrap_interval(known.double(), seed=0)
            rows.append([name, int(inside.sum()), one.mean, one.low, one.high])
        else:
            rows.append([name, int(inside.sum()), None, None, None])
    caption = (
        "Probability of the true class on own less other backgrounds, by the share of the view that is object. Small "
        "objects leave more to the background: compare classes at equal area."
    )
    columns = ["object's area", "images", "loss", "from", "to"]
    return table("By the size of the object", columns, rows, caption=caption)


def _controls_table(found: Findings) -> dict[str, Any]:
    v11 = found.hits["given"].numbers.get("v11")
    rows: list[list[Any]] = [
        ["accuracy on the originals", *ends_of(found.accuracy)],
        [
            "cost of compositing: originals less v11",
            None if v11 is None else found.accuracy.mean - v11.mean,
            None,
            None,
        ],
        ["background alone: accuracy above chance", *ends_of(found.background_alone)],
        ["hole control: accuracy lost on other backgrounds", *ends_of(found.hole)],
    ]
    caption = (
        "A cost above 0.15 means that composites are hard for this network: read contrasts, not levels. Background "
        "alone cannot say what happens with the object present. Hole control: accuracy with another object's "
        "hole filled in the own background, less that on other backgrounds; seams make it an upper bound of the gap."
    )
    return table("Controls", ["number", "value", "from", "to"], rows, caption=caption)


def _backgrounds_table(found: Findings, crossing: Crossing, names: list[str]) -> dict[str, Any]:
    pull, error = found.images.pull, found.images.pull_error
    low = (pull - 1.96 * error).nan_to_num(-2)
    rows = [
        [
            crossing.scenes.names[row],
            names[int(crossing.labels[row])],
            _known(float(pull[row])),
            _known(float(error[row])),
        ]
        for row in low.argsort(dim=0, descending=True)[:20].tolist()
    ]
    caption = "Backgrounds that draw other objects to their class, by the lower end of the pull."
    return table(
        "Strongest backgrounds", ["image", "class", "pull", "standard error"], rows, caption=caption
    )


def image_rows(found: Findings, crossing: Crossing, names: list[str]) -> list[list[Any]]:
    """One row an image, for ``per_image.csv``.

    Args:
        found: The findings.
        crossing: What they were made of.
        names: Of the classes that occur.

    Returns:
        Header and rows.
    """
    one = found.images
    head = ["image", "label", "area", "probability", "loss", "loss_error", "pull", "pull_error", "flips", "backgrounds",
            "worst_background"]  # fmt: skip
    rows: list[list[Any]] = [head]
    for row, name in enumerate(crossing.scenes.names):
        numbers = [
            crossing.scenes.areas,
            crossing.alone["probability"],
            one.loss,
            one.loss_error,
            one.pull,
            one.pull_error,
        ]
        worst = int(one.worst[row])
        rows.append(
            [name, names[int(crossing.labels[row])], *(_known(round(float(each[row]), 6)) for each in numbers),
             int(one.flips[row]), int(one.backgrounds[row]), crossing.scenes.names[worst] if worst >= 0 else None]
        )  # fmt: skip
    return rows


def numbers_of_record(found: Findings) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Numbers as the record keeps them.

    Args:
        found: The findings.

    Returns:
        Mask -> name -> value, lower and upper end.
    """
    kept = {
        mask: {name: (one.mean, one.low, one.high) for name, one in numbers.numbers.items()}
        for mask, numbers in found.hits.items()
    }
    kept["given"].pop("share", None)
    if "share" in found.probabilities.numbers:
        share = found.probabilities.numbers["share"]
        kept["given"]["share"] = (share.mean, share.low, share.high)
    return kept


def points(share: float) -> str:
    """Hundredths; small ones with a digit after the point.

    Args:
        share: Of accuracy.

    Returns:
        Text.

    Examples:
        >>> points(0.314), points(0.042), points(-0.0001)
        ('31', '4.2', '0')
    """
    text = f"{100 * share:.0f}" if abs(share) >= 0.095 else f"{100 * share:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def ends_of(one: Interval | None) -> list[float | None]:
    """An interval as three cells of a table.

    Args:
        one: The interval; None where nothing is defined.

    Returns:
        Mean, low, high.
    """
    return [None, None, None] if one is None else [one.mean, one.low, one.high]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
