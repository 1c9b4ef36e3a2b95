"""The statistics of the experiments, from their saved numbers alone; and the pages that show them.

    python experiments/tables.py background-start     # prints the tables of an experiment
    python experiments/tables.py                      # writes README, docs, cards and journal anew where they show them
    python experiments/tables.py --check              # only says whether that would change anything

``journal/results/*.json`` holds a number of every run, by measure, arm and seed. An arm is compared with the first one,
seed by seed: Student's 95 % interval of the mean difference. *helps* and *hurts* are said where it lies beside 0 and
the mean is no smaller than the difference that matters; *smaller than x* where all of it is; *cannot tell* else (*if
it matters*, where it lies beside 0). A
dagger marks what is left of these after Holm's correction over the arms of the measure and world.

In a page, a table stands between ``<!-- results: NAME | WORLD | MEASURE; MEASURE -->`` and ``<!-- end -->``.
"""

__all__ = ["main"]

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from forest import drawn
from scipy.stats import ttest_1samp
from what_helps import ROWS, SHORT, Row

from figureground.metrics.intervals import Interval, seeds_difference

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/**/*.md", "journal/*.md", "src/**/README.md")
PICTURE = ROOT / "docs/pictures/what-helps.svg"
PLACE = re.compile(r"(<!-- results: (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)
COST = "training seconds"
MATTERS = {"accuracy": 0.01, "AUROC": 0.02, "ECE": 0.01, "gap": 0.05, "AP": 0.03, "recall": 0.03}
"""The smallest difference that matters where a page says nothing else."""
MATTERS_IN = {
    ("background-start", "accuracy"): 0.02,
    ("cam-erasing-trained", "accuracy"): 0.005,
    ("distillation-omitted", "AP"): 0.02,
}
OF_LESS = ("gap", "ECE", "NLL", "FPR95", "labels")
"""Measures of which less is better, by a word of their name."""
SHARES = ("accuracy", "ECE", "gap", "conflict", "recall", "AP", "area", "energy", "box", "pointing")


@dataclass(frozen=True)
class Effect:
    """One arm beside the reference, in one measure."""

    mean: float
    less: Interval | None
    word: str
    p: float


def effects(
    name: str, world: str, measure: str, *, against: str | None = None
) -> dict[str, Effect]:
    """Arm -> its mean and how it differs from the first arm, or another one.

    Args:
        name: Of the experiment.
        world: Of its worlds.
        measure: Of their measures.
        against: The arm that is compared with.

    Returns:
        The arms in their order.
    """
    held = json.loads((ROOT / f"journal/results/{name}.json").read_text("utf-8"))
    numbers = held["worlds"][world]["numbers"]
    first = against or next(iter(held["worlds"][world]["arms"]))
    arms = {arm: values for arm, values in numbers[measure].items() if values}
    # a score that the reference does not have is compared with the one that it has
    reference = (
        arms.get(first)
        or numbers.get(measure.replace(" by s1", ""), {}).get(first)
        or next(iter(arms.values()))
    )
    found = {arm: _effect(name, measure, values, reference) for arm, values in arms.items()}
    order = sorted((one for one in found if found[one].less), key=lambda one: found[one].p)
    worst = 0.0
    for rank, arm in enumerate(order):
        one = found[arm]
        worst = max(worst, min(1.0, one.p * (len(order) - rank)))
        mark = "†" if worst < 0.05 and one.word in {"helps", "hurts"} else ""
        found[arm] = Effect(one.mean, one.less, one.word + mark, worst)
    return found


def _effect(name, measure, values, reference):  # noqa: PLR0917 - an experiment's numbers
    mean = sum(values.values()) / len(values)
    seeds = [seed for seed in values if seed in reference]
    if values is reference or len(seeds) < 2:
        return Effect(mean, None, "", 1.0)
    one, other = (
        torch.tensor([some[seed] for seed in seeds], dtype=torch.float64)
        for some in (values, reference)
    )
    less = seeds_difference(one, other)
    gaps = one - other
    p = float(ttest_1samp(gaps, 0).pvalue) if float(gaps.std()) else float(not gaps.any())
    return Effect(mean, less, _word(less, _matters(name, measure), measure), p)


def _matters(name: str, measure: str) -> float | None:
    words = [word for word in MATTERS if word in measure]
    return MATTERS_IN.get((name, words[0]), MATTERS[words[0]]) if words else None


def _word(less: Interval, matters: float | None, measure: str) -> str:
    """What may be said."""
    if matters is None or "maps" in measure:
        return ""
    good = -1 if any(word in measure for word in OF_LESS) else 1
    low, high = sorted((good * less.low, good * less.high))
    gain = good * less.mean
    if (low > 0 and gain >= matters) or (high < 0 and gain <= -matters):
        return "helps" if gain > 0 else "hurts"
    if -matters < low and high < matters:
        return f"smaller than {_size(matters, measure)}"
    return "cannot tell if it matters" if low > 0 or high < 0 else "cannot tell"


def table(name: str, world: str, measures: list[str]) -> str:
    """Arms against measures, in Markdown."""
    columns = {
        measure: costs(name, world) if measure == COST else effects(name, world, measure)
        for measure in measures
    }
    arms = list(dict.fromkeys(arm for column in columns.values() for arm in column))
    lines = [f"| arm | {' | '.join(measures)} |", f"| --- |{' --- |' * len(measures)}"]
    for arm in arms:
        cells = [
            _shown(column[arm], measure) if arm in column else "–"
            for measure, column in columns.items()
        ]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def costs(name: str, world: str, *, against: str | None = None) -> dict[str, tuple[float, float]]:
    """Arm -> seconds of training and their ratio to those of the reference, by medians over the seeds."""
    held = json.loads((ROOT / f"journal/results/{name}.json").read_text("utf-8"))
    middle = {
        arm: median(values.values())
        for arm, values in held["worlds"][world]["numbers"][COST].items()
    }
    reference = middle[against or next(iter(held["worlds"][world]["arms"]))]
    return {arm: (value, value / reference) for arm, value in middle.items()}


def _shown(one: Effect | tuple[float, float], measure: str) -> str:
    if isinstance(one, Effect):
        return _cell(one, measure)
    return f"{one[0]:.0f}" if one[1] == 1 else f"{one[0]:.0f} (× {one[1]:.2f})"


def _cell(one: Effect, measure: str) -> str:
    value = _size(one.mean, measure)
    if one.less is None:
        return value
    word = f", **{one.word}**" if one.word and one.word != "cannot tell" else ""
    return f"{value} ({_difference(one.less, measure)}{word})"


def _difference(less: Interval, measure: str) -> str:
    mean, low, high = (
        _size(value, measure, signed=True).removesuffix(" %")
        for value in (less.mean, less.low, less.high)
    )
    return f"{mean} [{low}, {high}]"


def _size(value: float, measure: str, *, signed: bool = False) -> str:
    """A number as a reader has it."""
    sign = "+" if signed else ""
    if any(word in measure for word in SHARES):
        text = f"{100 * value:{sign}.1f} %"
    else:
        digits = 0 if "seconds" in measure or "labels" in measure else 3
        text = f"{value:{sign}.{digits}f}"
    return text.replace("-", "−")


def what_helps() -> str:
    """One line for each statement of ``what_helps.py``."""
    lines = [
        "| method | tested on | effect | said | cost | the source claims |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *(_line(row) for row in ROWS)])


def _line(row: Row) -> str:
    one = _of(row, row.measure)
    factor = costs(row.experiment, row.world, against=row.against)[row.arm][1]
    assert one.less is not None
    effect = f"{row.of}: {_difference(one.less, row.measure)}, {one.less.images} seeds"
    return f"| {row.method} | {row.tested} | {effect} | {one.word} | × {factor:.2f} | {row.claim} |"


def _of(row: Row, measure: str) -> Effect:
    return effects(row.experiment, row.world, measure, against=row.against)[row.arm]


def picture() -> str:
    """All statements about shares, with their intervals."""
    rows = []
    for row in ROWS:
        less = _of(row, row.measure).less
        if less is not None and any(word in row.measure for word in SHARES):
            sign = -100 if any(word in row.measure for word in OF_LESS) else 100
            low, high = sorted((sign * less.low, sign * less.high))
            label = f"{row.method}: {row.of} ({SHORT[row.tested]})"
            rows.append((label, sign * less.mean, low, high))
    return drawn(rows)


def freshened(text: str) -> str:
    """A page with its tables anew."""

    def made(found: re.Match[str]) -> str:
        name, *rest = (part.strip() for part in found[2].split("|"))
        measures = [one.strip() for one in rest[1].split(";")] if rest else []
        shown = what_helps() if name == "what helps" else table(name, rest[0], measures)
        return f"{found[1]}\n{shown}\n\n{found[3]}"

    return PLACE.sub(made, text)


def main(words: list[str]) -> int:
    """Print, write or check."""
    names = [word for word in words if word != "--check"]
    for name in names:
        held = json.loads((ROOT / f"journal/results/{name}.json").read_text("utf-8"))
        for world, told in held["worlds"].items():
            made = table(name, world, list(told["numbers"]))
            print(f"\n### {world}\n\n{told['command']}\n\n{made}")
    return 0 if names else _pages(check="--check" in words)


def _pages(*, check: bool) -> int:
    """Write the pages and the picture anew, or say which of them would change."""
    pages = sorted(path for pattern in PAGES for path in ROOT.glob(pattern))
    new = {page: freshened(page.read_text("utf-8")) for page in pages} | {PICTURE: picture()}
    behind = [
        page for page, text in new.items() if not page.exists() or page.read_text("utf-8") != text
    ]
    for page in behind:
        if check:
            print(f"{page.relative_to(ROOT)} is behind the results: python experiments/tables.py")
        else:
            page.write_text(new[page], "utf-8")
    return int(check and bool(behind))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
