"""How much each arm rests on the background: a word for each, the numbers behind it, and images that show it."""

__all__ = ["BackgroundFindings", "background_findings", "numbers_of_arm"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figureground.base.progress import Progress
from figureground.metrics.intervals import Interval
from figureground.metrics.reliance import node_weights, pull_test, reliance
from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.background_pictures import draw_pairs
from figureground.studies.comparison.crossed_arms import CrossedArms, crossed_arms
from figureground.studies.comparison.cure import RULES, ArmNumbers, Judgement, Number, judge
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.leading import resting
from figureground.studies.comparison.options import BackgroundSection, CompareOptions
from figureground.studies.diagnosis.findings import points
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.evaluation.tables import noticed_apart, table
from figureground.studies.training.runs import TrainedRun

MASKS = ("outer", "given", "inner")
"""In the order of tables and charts."""

_TREATMENT = "background-swap"
_STRIPS = 4
_ARMS = (
    "Objects are put on other images' backgrounds: the same {} composites for every arm, and the same 1,000 bootstrap "
    "draws of the images, in both of their roles; means over the runs of an arm. Accuracy: of the originals that took "
    "part. v11, v10: on backgrounds of the own class, of other classes; gap: v11 - v10; pull: how often a background "
    "draws other objects to its class; share: of what the network knows in probability, how much is background; all "
    "along the annotated masks. Worst class: the lowest v10. Drawing: classes whose backgrounds draw others to them "
    "(the test of 'figureground diagnose')."
)
_MASKS = (
    "outer: the annotation and 6 % of the side around it; inner: boxes refined by colour, masks eroded. The background "
    "of a composite is without its own object, as annotated or, for outer, as widened: along inner, what lies between "
    "both masks comes from the other image. Left: of the reference's gap."
)
_CHANGES = (
    "Arm less reference, on the same composites, draw by draw. The largest gap is that of the three masks, in each "
    "draw of its own."
)


@dataclass(frozen=True)
class BackgroundFindings:
    """What a comparison gains.

    Args:
        section: For the page; None where nothing was asked.
        tables: For the record.
        left_out: Images that took no part, and why.
    """

    section: BackgroundSection | None = None
    tables: tuple[dict[str, Any], ...] = ()
    left_out: tuple[str, ...] = ()


def background_findings(
    arms: Sequence[Arm],
    images: HeldOut,
    *,
    folder: Path,
    options: CompareOptions,
    progress: Progress,
) -> BackgroundFindings:
    """Cross foregrounds and backgrounds of the test images for every arm, and judge each against the first.

    Args:
        arms: The arms.
        images: The test images, with boxes.
        folder: Where there is room for 12 bytes a pixel, until this returns.
        options: Delta, seed, batch size, and whether images are shown.
        progress: Called throughout.

    Returns:
        The findings.

    Raises:
        DataError: The images have no boxes, too few of them can be crossed, or the disk is full.
    """
    with crossed_arms(arms, images, folder=folder, options=options, progress=progress) as crossed:
        found = [
            numbers_of_arm(crossed, arm.name, own=_own_mask(arm.runs), seed=options.seed)
            for arm in arms
        ]
        known = arms[0].runs[0].class_names
        names = [known[int(number)] for number in crossed.classes]
        strips = draw_pairs(crossed, arms, count=min(_STRIPS, options.examples), seed=options.seed)
    words = {one.name: judge(one, found[0], delta=options.delta) for one in found[1:]}
    most = {one.name: one.largest.interval(one.images) for one in found}
    before = most[found[0].name]
    verdicts = tuple(
        {
            "arm": one.name,
            "word": words[one.name].word,
            "told": _sentence(words[one.name], one, found[0], names=names, delta=options.delta),
            "short": resting(
                one.name, found[0].name, words[one.name], before=before, delta=options.delta
            ),
        }
        for one in found[1:]
    )
    caption = (
        f"{_ARMS.format(f'{3 * len(crossed.pairs):,}')} {RULES.format(delta=f'{options.delta:g}')}"
    )
    tables = (
        _arms_table(found, words, names, caption=caption),
        _masks_table(found),
        _changes_table(found),
    )
    section = BackgroundSection(
        found[0].name,
        verdicts,
        _chart(found),
        strips,
        {name: (one.mean, one.low, one.high) for name, one in most.items()},
    )
    problems, _ = noticed_apart(crossed.problems)  # what was odd is told of the test images
    lost = tuple(str(one) for one in problems if one.kind != "unreadable-file")  # told there, too
    return BackgroundFindings(section, tables, lost)


def numbers_of_arm(
    crossed: CrossedArms, arm: str, *, own: str | None = None, seed: int
) -> ArmNumbers:
    """All numbers of an arm, with draws that are paired with those of the other arms.

    A mean of several runs over a cell of the table is the cell of their mean, so that every draw is averaged over the
    runs.

    Args:
        crossed: The answers.
        arm: Name of the arm.
        own: Mask along which it was trained.
        seed: Of the bootstrap; equal for all arms.

    Returns:
        The numbers.
    """
    labels, pairs = crossed.labels, crossed.pairs
    told = {mask: reliance(pairs, labels, crossed.hits(arm, mask), seed=seed) for mask in MASKS}
    probabilities = crossed.probabilities(arm)
    sure = reliance(pairs, labels, probabilities, seed=seed)
    weights, right = node_weights(len(labels), seed=seed), crossed.right(arm).double()
    numbers = {"accuracy": Number(float(right.mean()), weights @ right / weights.sum(1))}
    for name, source in (
        ("v11", told["given"]),
        ("v10", told["given"]),
        ("pull", told["given"]),
        ("share", sure),
    ):
        if name in source.numbers:
            numbers[name] = Number(source.numbers[name].mean, source.draws[name])
    v10 = told["given"].cells[:, 1].nan_to_num(2)
    pulls = pull_test(pairs, labels, probabilities, seed=seed, least=DiagnoseOptions().class_delta)
    return ArmNumbers(
        arm,
        len(labels),
        {mask: Number(one.numbers["gap"].mean, one.draws["gap"]) for mask, one in told.items()},
        numbers,
        frozenset(one.label for one in pulls if one.found),
        (int(v10.argmin()), float(v10.min())),
        own,
    )


def _own_mask(runs: Sequence[TrainedRun]) -> str | None:
    """The mask along which the runs were trained, as their recipes have it; None where they name none, or several."""
    masks = {
        entry[_TREATMENT].get("mask", "inner")
        for run in runs
        for entry in run.recipe.algorithms
        if _TREATMENT in entry
    }
    return masks.pop() if len(masks) == 1 else None


def _sentence(
    found: Judgement,
    arm: ArmNumbers,
    reference: ArmNumbers,
    *,
    names: Sequence[str],
    delta: float,
) -> str:
    """What the word rests on, in points of accuracy."""
    before = reference.largest.interval(reference.images)
    gaps = ", ".join(f"{mask} {points(arm.gaps[mask].value)}" for mask in MASKS)
    v10, right = (points(arm.numbers[name].value) for name in ("v10", "accuracy"))
    told = (
        f"the largest of the three gaps went from {_ranged(before)} to {_ranged(found.largest)} points ({gaps}), "
        f"a change of {_ranged(found.change)}; on other classes' backgrounds, cut as annotated, "
        f"{v10} % are right ({_ranged(found.v10, '+')}), on the images as they are {right} % "
        f"({_ranged(found.accuracy, '+')})"
    )
    return "; ".join([told, *_but(found, arm, names=names, delta=delta)])


def _but(found: Judgement, arm: ArmNumbers, *, names: Sequence[str], delta: float) -> list[str]:
    """What stands in the way of a better word."""
    more = []
    if found.word == "only by its own measure":
        more.append(
            f"trained along {arm.own}, it still reads the background that {' and '.join(found.left)} cuts away"
        )
    elif found.word == "better":
        if arm.own is not None and arm.gaps[arm.own].value < delta < found.largest.mean:
            more.append(f"its own mask, {arm.own}, would not show what is left")
        if found.largest.high >= delta:
            more.append(f"not cured, since the gap may still be {points(found.largest.high)}")
        if found.v10.low <= 0:
            more.append("not cured, since v10 did not surely rise")
    if found.gained:
        shown = ", ".join(names[label] for label in found.gained[:5])
        more.append(
            f"backgrounds of {shown} draw other objects to them, which those of the reference do not"
        )
    return more


def _arms_table(
    found: Sequence[ArmNumbers],
    words: Mapping[str, Judgement],
    names: Sequence[str],
    *,
    caption: str,
) -> dict[str, Any]:
    """One row an arm."""
    rows = []
    for one in found:
        share = one.numbers.get("share")
        values = [_rounded(one.numbers[name].value) for name in ("accuracy", "v11", "v10")]
        label, lowest = one.worst
        rows.append(
            [one.name, words[one.name].word if one.name in words else "reference", *values,
             *_cells(one.gaps["given"].interval(one.images)), _rounded(one.numbers["pull"].value),
             None if share is None else _rounded(share.value), names[label], _rounded(lowest), len(one.found)]
        )  # fmt: skip
    columns = ["arm", "verdict", "accuracy ↑", "v11", "v10 ↑", "gap ↓", "from", "to", "pull ↓", "share ↓",
               "worst class", "its v10 ↑", "drawing ↓"]  # fmt: skip
    return table("On other backgrounds", columns, rows, caption=caption)


def _masks_table(found: Sequence[ArmNumbers]) -> dict[str, Any]:
    """Gaps of every arm and mask."""
    rows: list[list[object]] = []
    for one in found:
        for mask in MASKS:
            gap, base = one.gaps[mask], found[0].gaps[mask]
            share = None if one is found[0] or base.value <= 0 else _rounded(gap.value / base.value)
            change = [None] * 3 if one is found[0] else _cells((gap - base).interval(one.images))
            own = "trained along" if mask == one.own else ""
            rows.append([one.name, mask, own, *_cells(gap.interval(one.images)), *change, share])
    columns = [
        "arm",
        "mask",
        "own",
        "gap ↓",
        "from",
        "to",
        "less reference's",
        "from ",
        "to ",
        "left",
    ]
    return table("The gap along three masks", columns, rows, caption=_MASKS)


def _changes_table(found: Sequence[ArmNumbers]) -> dict[str, Any]:
    """Every arm less the reference."""
    rows = []
    for one in found[1:]:
        pairs = {"largest gap ↓": (one.largest, found[0].largest)}
        for name, mine in one.numbers.items():
            if name in found[0].numbers:
                arrow = "↓" if name in {"pull", "share"} else "↑"
                pairs[f"{name} {arrow}"] = (mine, found[0].numbers[name])
        for name, (mine, theirs) in pairs.items():
            rows.append(
                [one.name, found[0].name, name, *_cells((mine - theirs).interval(one.images))]
            )
    columns = ["arm", "less", "number", "difference", "from", "to"]
    return table("On other backgrounds: differences", columns, rows, caption=_CHANGES)


def _chart(found: Sequence[ArmNumbers]) -> tuple[dict[str, Any], ...]:
    """Gaps by mask, each arm below the reference."""
    rows = []
    for mask in MASKS:
        for one in found:
            gap = one.gaps[mask].interval(one.images)
            cells = dict(zip(("value", "low", "high"), _cells(gap), strict=True))
            rows.append({"name": f"{mask}: {one.name}", **cells, "marked": one is not found[0]})
    return tuple(rows)


def _cells(one: Interval) -> list[float]:
    return [_rounded(one.mean), _rounded(one.low), _rounded(one.high)]


def _rounded(value: float) -> float:
    return round(value, 5)


def _ranged(one: Interval, sign: str = "") -> str:
    """Points with their interval."""
    plus = sign if one.mean > 0 else ""
    return f"{plus}{points(one.mean)} [{points(one.low)}, {points(one.high)}]"
