"""The first sentences of a comparison, from known numbers."""

from typing import Literal, cast

import numpy as np
import pytest

from figureground.metrics.intervals import Interval
from figureground.studies.comparison.cure import Judgement
from figureground.studies.comparison.leading import led, resting
from figureground.studies.comparison.options import BackgroundSection

BEFORE = Interval(0.3, 0.2, 0.4, 0.95, 300)


def judged(word: str, low: float, high: float) -> Judgement:
    change = Interval((low + high) / 2, low, high, 0.95, 300)
    nothing = Interval(0.0, 0.0, 0.0, 0.95, 300)
    known = cast("Literal['no change']", word)
    return Judgement(known, Interval(0.1, 0.05, 0.15, 0.95, 300), change, nothing, nothing, (), ())


@pytest.mark.parametrize(
    ("word", "ends", "opening"),
    [
        ("cured", (-0.3, -0.1), "bg no longer rests on the background: "),
        ("better", (-0.3, -0.1), "bg rests less on the background than plain: "),
        ("worse", (0.1, 0.3), "bg rests more on the background than plain: "),
        ("only by its own measure", (-0.3, -0.1), "bg rests less on the background than plain by its own mask alone: "),
        ("no change", (-0.04, 0.04), "bg rests neither more nor less on the background than plain: "),
        ("no change", (-0.2, 0.04), "Cannot tell whether bg rests less on the background than plain: "),
    ],
)  # fmt: skip
def test_the_word_of_the_rule_opens_the_sentence(word, ends, opening):
    told = resting("bg", "plain", judged(word, *ends), before=BEFORE, delta=0.05)
    assert told.startswith(
        f"{opening}10.0 points of accuracy are lost on other classes' backgrounds against 30.0, difference "
    )
    assert told.endswith(", 300 images.")


def columns(gained: int, lost: int, count: int = 400) -> dict[str, np.ndarray]:
    plain = np.zeros(count)
    plain[: count // 2] = 1
    other = plain.copy()
    other[:lost] = 0
    other[count // 2 : count // 2 + gained] = 1
    return {"plain/accuracy": plain, "bg/accuracy": other}


@pytest.mark.parametrize(
    ("gained", "lost", "opening"),
    [
        (60, 0, "bg classifies better than plain: 65.0 % against 50.0 % of the test images right, difference 15.0 ("),
        (0, 60, "bg classifies worse than plain: 35.0 % against 50.0 % of the test images right, difference −15.0 ("),
        (0, 0, "bg classifies neither better nor worse than plain: 50.0 % against 50.0 % of the test images right, "),
        (40, 36, "Cannot tell whether bg classifies better or worse than plain: 51.0 % against 50.0 % of the test "),
    ],
)  # fmt: skip
def test_arms_are_told_beside_the_reference(gained, lost, opening):
    told = led(columns(gained, lost), ["plain", "bg"], runs={}, background=None, seed=0)
    (sentence,) = told.sentences
    assert sentence.startswith(opening)
    assert sentence.endswith(", 400 images.")
    assert told.band is not None
    assert (told.band.name, told.band.value) == ("plain", 50.0)


def test_an_arm_that_has_learned_nothing_is_named_before_all():
    told = led(
        columns(0, 0), ["plain", "bg"], runs={}, background=None, unlearned=["plain", "bg"], seed=0
    )
    assert [sentence.partition(":")[0] for sentence in told.sentences[:2]] == [
        "plain has learned nothing",
        "bg has learned nothing",
    ]


def test_the_background_comes_first_and_other_seeds_last():
    section = BackgroundSection("plain", ({"arm": "bg", "short": "It rests less."},), (), ())
    runs = {"plain": {0: 0.5, 1: 0.6, 2: 0.7}, "bg": {0: 0.6, 1: 0.7, 2: 0.8, 3: 0.9}}
    told = led(columns(60, 0), ["plain", "bg"], runs=runs, background=section, seed=0)
    assert told.sentences[0] == "It rests less."
    assert told.sentences[-1] == (
        "Training bg and plain again would give a difference in accuracy of 10.0 (10.0 to 10.0) points, by 3 pairs "
        "of runs."
    )
