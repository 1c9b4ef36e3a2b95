"""What a page says first: a sentence or two computed from the numbers, with the interval and the baseline."""

__all__ = [
    "CANNOT_TELL",
    "FEWEST",
    "Answer",
    "Bar",
    "Contrast",
    "Question",
    "answer",
    "contrasts",
    "in_words",
    "listed",
    "number",
    "ranked",
    "row_name",
    "warned",
    "word_of",
]

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal

import numpy as np
import torch

from figureground.base.amount import amount
from figureground.base.verdicts import CANNOT_TELL
from figureground.methods.registry import METHODS
from figureground.metrics.intervals import Interval, bootstrap_interval, paired_difference
from figureground.models.source import UNTRAINED

Word = Literal["better", "worse", "no better", "neither better nor worse", "cannot tell"]

FEWEST = 6
"""Of images; with fewer pairs not even a sign test that all of them pass reaches five per cent."""

_ORDER = ("better", "neither better nor worse", "no better", "worse", CANNOT_TELL)
_BASELINES = {
    "centre-box": "a box in the centre",
    "whole-image": "a box round the whole image",
    "centre-gaussian": "a bell in the centre",
    "brightness": "brightness alone",
    "random-map": "a random map",
}
_ROW = re.compile(r"([a-z0-9+-]+)(?:\(([^()]*=[^()]*)\))?(?: \((true|predicted)\))?")


@dataclass(frozen=True)
class Bar:
    """A line of the figure: a number with its interval.

    Args:
        name: In words.
        value: The number.
        low: Lower end of its 95 % interval; None where it has none.
        high: Upper end.
        word: How it stands against the baseline; empty where there is none.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    word: str = ""


@dataclass(frozen=True)
class Answer:
    """What a page leads with; a part of its record.

    Args:
        sentences: The answer, and how the other rows stand; the command prints them last.
        title: Of the figure.
        label: Of its axis, with unit.
        rows: Its lines.
        band: The baseline, or None.
        better: Which side of the figure is good; empty where none is.
        rule: When which word is said.
        names: Row of the tables -> its name in words.
    """

    sentences: tuple[str, ...]
    title: str = ""
    label: str = ""
    rows: tuple[Bar, ...] = ()
    band: Bar | None = None
    better: Literal["", "higher", "lower"] = ""
    rule: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of every row, in the words of its answer.

    Args:
        claim: What a row does, a clause without its subject: ``finds the object``.
        measure: After the numbers: ``at IoU 0.5``.
        label: Of the figure's axis.
        unit: Right after a number, with its space: `` %``.
        digits: Decimal places.
        matters: Smallest difference that would matter, in the unit.
        higher: Whether more is better.
        both_ways: Whether a loss matters as much as a gain, as between equals; beside a baseline it does not.
        noun: What was counted, in the singular.
    """

    claim: str
    measure: str
    label: str
    unit: str = " %"
    digits: int = 1
    matters: float = 5.0
    higher: bool = True
    both_ways: bool = False
    noun: str = "image"


@dataclass(frozen=True)
class Contrast:
    """A row beside what it is compared with, on the same images.

    Args:
        row: In words.
        own: Mean of the row.
        baseline: In words; empty where there is none.
        base: Mean of the baseline.
        difference: Row less baseline, over images that both define.
    """

    row: str
    own: Interval
    baseline: str = ""
    base: Interval | None = None
    difference: Interval | None = None


_RANKS = Question(
    claim="brings the rare images to the top",
    measure="mean average precision",
    label="mean average precision over the rare classes; 95 % intervals",
    unit="",
    digits=3,
    matters=0.05,
    noun="sought image",
)


def word_of(difference: Interval, question: Question) -> Word:
    """How a difference is called.

    Args:
        difference: Row less baseline.
        question: Says which direction is good and what would matter.

    Returns:
        ``better`` or ``worse`` where the interval does not hold 0; ``no better`` where it holds 0 and no gain that
        would matter, and between equals ``neither better nor worse`` where it holds no loss that would matter either;
        these two also where both ends round to 0 as they are shown; ``cannot tell`` else, and with fewer than six
        images.

    Examples:
        >>> asked = Question(claim="finds the object", measure="", label="")
        >>> word_of(Interval(-2.0, -5.6, 1.7, 0.95, 520), asked)
        'no better'
        >>> word_of(Interval(2.0, -5.6, 9.7, 0.95, 20), asked)
        'cannot tell'
    """
    ends = (difference.low, difference.high)
    low, high = ends if question.higher else (-ends[1], -ends[0])
    word: Word = "cannot tell"
    if difference.images < FEWEST:
        return word
    if round(max(abs(low), abs(high)), question.digits) == 0:  # as it would be shown
        return "neither better nor worse" if question.both_ways else "no better"
    if low > 0:
        word = "better"
    elif high < 0:
        word = "worse"
    elif high < question.matters and not question.both_ways:
        word = "no better"
    elif max(high, -low) < question.matters:
        word = "neither better nor worse"
    return word


def contrasts(
    read: Callable[[str], np.ndarray],
    rows: Mapping[str, str],
    key: str,
    *,
    baselines: Mapping[str, str],
    question: Question,
    seed: int,
) -> list[Contrast]:
    """Every row beside the baseline that does best.

    Args:
        read: Gives the values ``(images,)`` of ``row/key``; NaN where undefined.
        rows: Row -> its name in words.
        key: Of the numbers.
        baselines: Row that knows no network -> its name in words.
        question: Says which direction is good.
        seed: Of the resampling.

    Returns:
        One contrast a row that has a number; the best row first.
    """
    values = {row: read(f"{row}/{key}").astype(np.float64) for row in (*rows, *baselines)}
    means = {row: float(np.nanmean(one)) for row, one in values.items() if not np.isnan(one).all()}
    sign = 1 if question.higher else -1
    order = sorted((row for row in rows if row in means), key=lambda row: -sign * means[row])
    known = [row for row in baselines if row in means]
    best = max(known, key=lambda row: sign * means[row]) if known else None
    found = []
    for row in order:
        own = bootstrap_interval(torch.from_numpy(values[row]), seed=seed)
        gap = np.nan if best is None else values[row] - values[best]
        if best is None or np.isnan(gap).all():
            found.append(Contrast(rows[row], own))
            continue
        base, other = (torch.from_numpy(values[one]) for one in (best, row))
        apart = paired_difference(other, base, seed=seed)
        name = baselines[best]
        found.append(Contrast(rows[row], own, name, bootstrap_interval(base, seed=seed), apart))
    return found


def answer(
    question: Question, found: Sequence[Contrast], names: Mapping[str, str] | None = None
) -> Answer:
    """The first things to be said of some rows.

    Args:
        question: What was asked of them.
        found: The rows, that which is told with its numbers first.
        names: Row of the tables -> its name in words.

    Returns:
        The sentences and what the figure shows; a sentence that says so where nothing is defined.
    """
    if not found:
        return Answer((f"Nothing to tell by: no {question.noun} has a number for this question.",))
    words = [None if one.difference is None else word_of(one.difference, question) for one in found]
    bars = tuple(
        Bar(one.row, one.own.mean, one.own.low, one.own.high, word or "")
        for one, word in zip(found, words, strict=True)
    )
    first = next((one for one in found if one.base is not None), None)
    base = None if first is None else first.base
    band = None
    if first is not None and base is not None:
        band = Bar(first.baseline, base.mean, base.low, base.high)
    others = _others(list(zip(found[1:], words[1:], strict=True)))
    return Answer(
        sentences=(_sentence(question, found[0], words[0]), *others),
        title=f"How well each {question.claim}".strip(),
        label=question.label,
        rows=bars,
        band=band,
        better="higher" if question.higher else "lower",
        rule=_rule(question) if band else "",
        names=names or {},
    )


def ranked(found: Interval, chance: float, *, positives: int) -> Answer:
    """The answer: mean average precision beside that of any order.

    Args:
        found: Mean average precision by probability.
        chance: What a random order would have, mean over classes.
        positives: Images of the classes sought.

    Returns:
        The answer.
    """
    own = replace(found, images=positives)
    nothing = Interval(chance, chance, chance, found.level, positives)
    apart = replace(own, mean=own.mean - chance, low=own.low - chance, high=own.high - chance)
    return answer(_RANKS, [Contrast("the network", own, "a random order", nothing, apart)])


def warned(found: Answer | None, notes: Sequence[str]) -> Answer | None:
    """The answer, which begins with what takes its meaning away.

    Args:
        found: The answer.
        notes: Of the classifier.

    Returns:
        The same, or with a sentence before the others where the network is untrained.
    """
    if found is None or UNTRAINED not in notes:
        return found
    return replace(found, sentences=(f"{UNTRAINED[0].upper()}{UNTRAINED[1:]}.", *found.sentences))


def number(value: float, digits: int = 1, unit: str = "") -> str:
    """A number with a true minus.

    Args:
        value: The number.
        digits: Decimal places.
        unit: Put right after it.

    Returns:
        The text; no zero has a sign.

    Examples:
        >>> number(-2.04, 1, " %"), number(-0.01)
        ('−2.0 %', '0.0')
    """
    text = f"{value:.{digits}f}"
    shown = text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")
    return shown + unit


def in_words(found: Interval, digits: int = 1, unit: str = "") -> str:
    """A mean with its interval.

    Args:
        found: The interval.
        digits: Decimal places.
        unit: After the mean.

    Returns:
        ``58.8 % (54.5 to 63.0)``.
    """
    low, high = number(found.low, digits), number(found.high, digits)
    return f"{number(found.mean, digits, unit)} ({low} to {high})"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as a sentence has them.

    Args:
        names: At least one.
        most: How many are named.

    Returns:
        The names with ``and`` before the last.

    Examples:
        >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
        ('a, b and c', 'a and 2 others')
    """
    shown, more = list(names[:most]), len(names) - most
    if more > 0:
        shown.append(f"{more} other{'' if more == 1 else 's'}")
    return " and ".join([*([", ".join(shown[:-1])] if shown[:-1] else []), shown[-1]])


def row_name(row: str) -> str:
    """A row of the tables in words: the name of a method with its options, or of a baseline.

    Args:
        row: As the tables have it.

    Returns:
        Its name; a row that is neither stays as it is.

    Examples:
        >>> row_name("grad-cam"), row_name("grad-cam (true)"), row_name("centre-box")
        ('Grad-CAM', 'Grad-CAM of the true class', 'a box in the centre')
        >>> row_name("eigen-cam(center=true)"), row_name("their maps")
        ('Eigen-CAM with center true', 'their maps')
    """
    met = _ROW.fullmatch(row)
    if row in _BASELINES:
        return _BASELINES[row]
    if met is None or met[1] not in METHODS:
        return row
    options = " with " + met[2].replace("=", " ").replace("_", " ") if met[2] else ""
    whose = f" of the {met[3]} class" if met[3] else ""
    return f"{METHODS[met[1]].title}{options}{whose}"


def _sentence(question: Question, one: Contrast, word: Word | None) -> str:
    """The first sentence."""
    digits, unit = question.digits, question.unit
    if word is None or one.base is None or one.difference is None:
        own = in_words(one.own, digits, unit)
        return _begun(
            f"{one.row} {question.claim}: {own} {question.measure}, "
            f"{amount(one.own.images, question.noun)}, and nothing to compare it with."
        )
    pair = f"{number(one.own.mean, digits, unit)} against {number(one.base.mean, digits, unit)}"
    told = f"{pair} {question.measure}".strip()
    count = amount(one.difference.images, question.noun)
    if word == CANNOT_TELL:
        which = "better or worse" if question.both_ways else "better"
        opening = f"{CANNOT_TELL.capitalize()} whether {one.row} {question.claim} {which} than {one.baseline}"
    else:
        apart = max(abs(one.difference.low), abs(one.difference.high))
        little = "a little " if word in {"better", "worse"} and apart < question.matters else ""
        opening = _begun(f"{one.row} {question.claim} {little}{word} than {one.baseline}")
    if one.difference.images < FEWEST:
        verb = "is" if one.difference.images == 1 else "are"
        return f"{opening}: {told}, and {count} {verb} too few."
    return f"{opening}: {told}, difference {in_words(one.difference, digits)}, {count}."


def _others(rest: Sequence[tuple[Contrast, Word | None]]) -> tuple[str, ...]:
    """How the other rows stand, in one sentence, without their numbers."""
    known = [(word, one.row) for one, word in rest if word is not None]
    known.sort(key=lambda pair: _ORDER.index(pair[0]))
    parts = [
        f"{word}{' for' if word == CANNOT_TELL else ''}: {listed([row for _, row in group])}"
        for word, group in groupby(known, key=lambda pair: pair[0])
    ]
    return (f"Of the others, {'; '.join(parts)}.",) if parts else ()


def _rule(question: Question) -> str:
    """When which word is said."""
    size = number(question.matters, question.digits, question.unit)
    null = "neither better nor worse" if question.both_ways else "no better"
    return (
        f"Better or worse: the 95 % interval of the difference on the same {question.noun}s does not hold 0; a "
        f"little: all of it is smaller than {size}. "
        f"{null[0].upper()}{null[1:]}: it holds 0, and nothing as large as {size}"
        f"{' either way' if question.both_ways else ' in favour'}; or it rounds to 0. "
        f"Cannot tell: it holds both, or there are fewer than {FEWEST} {question.noun}s."
    )


def _begun(text: str) -> str:
    """With a capital where it begins with words of ours; names stay as they were given."""
    return text[:1].upper() + text[1:] if text.startswith(("the ", "a ")) else text
