"""The first sentence of a page, from known numbers."""

from dataclasses import replace

import numpy as np
import pytest

from figureground.metrics.intervals import Interval
from figureground.models.source import UNTRAINED
from figureground.studies.answers import (
    Answer,
    Contrast,
    Question,
    answer,
    contrasts,
    listed,
    row_name,
    warned,
    word_of,
)

BOXES = Question(claim="finds the object", measure="at IoU 0.5", label="%")
ARMS = Question(
    claim="classifies", measure="right", label="%", matters=2.0, both_ways=True, noun="image"
)
LOWER = Question(claim="is calibrated", measure="nats", label="", unit="", digits=2, higher=False)


def interval(mean: float, low: float, high: float, images: int = 520) -> Interval:
    return Interval(mean, low, high, 0.95, images)


def contrast(low: float, high: float, images: int = 520, row: str = "Grad-CAM") -> Contrast:
    gap = interval(-2.0, low, high, images)
    own, base = interval(58.8, 54.5, 63.0, images), interval(60.8, 56.0, 65.0, images)
    return Contrast(row, own, "a box in the centre", base, gap)


@pytest.mark.parametrize(
    ("low", "high", "images", "sentence"),
    [
        (
            -5.6, 1.7, 520,
            ("Grad-CAM finds the object no better than a box in the centre: 58.8 % against 60.8 % at IoU 0.5, "
            "difference −2.0 (−5.6 to 1.7), 520 images."),
        ),
        (
            0.2, 9.0, 1200,
            ("Grad-CAM finds the object better than a box in the centre: 58.8 % against 60.8 % at IoU 0.5, "
            "difference −2.0 (0.2 to 9.0), 1,200 images."),
        ),
        (
            -9.0, -0.2, 520,
            ("Grad-CAM finds the object worse than a box in the centre: 58.8 % against 60.8 % at IoU 0.5, "
            "difference −2.0 (−9.0 to −0.2), 520 images."),
        ),
        (
            -12.0, 9.0, 20,
            ("Cannot tell whether Grad-CAM finds the object better than a box in the centre: 58.8 % against 60.8 % at "
            "IoU 0.5, difference −2.0 (−12.0 to 9.0), 20 images."),
        ),
        (
            -2.0, -2.0, 1,
            ("Cannot tell whether Grad-CAM finds the object better than a box in the centre: 58.8 % against 60.8 % at "
            "IoU 0.5, and 1 image is too few."),
        ),
        (
            -3.0, -1.0, 5,
            ("Cannot tell whether Grad-CAM finds the object better than a box in the centre: 58.8 % against 60.8 % at "
            "IoU 0.5, and 5 images are too few."),
        ),
    ],
)  # fmt: skip
def test_one_row_beside_a_baseline_is_told_with_its_numbers(low, high, images, sentence):
    assert answer(BOXES, [contrast(low, high, images)]).sentences == (sentence,)


def test_without_a_baseline_there_is_nothing_to_compare_with():
    told = answer(BOXES, [Contrast("theirs", interval(58.8, 54.5, 63.0))])
    assert told.sentences == (
        "theirs finds the object: 58.8 % (54.5 to 63.0) at IoU 0.5, 520 images, and nothing to compare it with.",
    )
    assert (told.band, told.rule, told.rows[0].word) == (None, "", "")


def test_nothing_measured_is_said():
    told = answer(BOXES, [])
    assert told.sentences == ("Nothing to tell by: no image has a number for this question.",)


def test_the_other_rows_are_told_by_their_word():
    rows = [
        contrast(1.0, 2.0),
        contrast(-9.0, 9.0, row="B"),
        contrast(-3.0, -1.0, row="C"),
        contrast(0.5, 2.0, row="D"),
        contrast(-4.0, -1.0, row="E"),
    ]
    told = answer(BOXES, rows)
    assert told.sentences[1] == "Of the others, better: D; worse: C and E; cannot tell for: B."
    assert [row.word for row in told.rows] == ["better", "cannot tell", "worse", "better", "worse"]
    assert told.band is not None
    assert (told.band.name, told.band.low) == ("a box in the centre", 56.0)


@pytest.mark.parametrize(
    ("ends", "asked", "word"),
    [
        ((-5.6, 4.9), BOXES, "no better"),
        ((-5.6, 5.0), BOXES, "cannot tell"),
        ((-5.6, 1.0), ARMS, "cannot tell"),
        ((-1.9, 1.9), ARMS, "neither better nor worse"),
        ((0.0, 1.0), ARMS, "neither better nor worse"),
        ((0.01, 1.0), LOWER, "worse"),
        ((-1.0, -0.01), LOWER, "better"),
        ((-5.1, 1.0), LOWER, "cannot tell"),
        ((-4.9, 9.0), LOWER, "no better"),
    ],
)
def test_the_word_follows_the_interval_and_what_matters(ends, asked, word):
    assert word_of(interval(0.0, *ends), asked) == word


def test_the_baseline_that_does_best_is_compared_with_on_the_same_images():
    random = np.random.default_rng(0)
    base = random.normal(50, 20, 200)
    columns = {
        "weak/key": base - 30,
        "strong/key": base,
        "mine/key": base + 1,  # always one above: the pairs have no spread, the rows a wide one
        "blank/key": np.full(200, np.nan),
    }
    rows = {"blank": "blank", "mine": "mine"}
    (found,) = contrasts(
        columns.__getitem__,
        rows,
        "key",
        baselines={"weak": "weak", "strong": "strong"},
        question=BOXES,
        seed=0,
    )
    assert found.baseline == "strong"
    assert found.difference is not None
    assert found.difference.low == pytest.approx(1.0) == found.difference.high
    assert found.own.high - found.own.low > 2
    (low,) = contrasts(
        columns.__getitem__,
        {"mine": "mine"},
        "key",
        baselines={"weak": "weak", "strong": "strong"},
        question=LOWER,
        seed=0,
    )
    assert low.baseline == "weak"


def test_rows_come_best_first():
    columns = {"a/key": np.ones(9), "b/key": np.full(9, 2.0)}
    rows = {"a": "A", "b": "B"}
    up = contrasts(columns.__getitem__, rows, "key", baselines={}, question=BOXES, seed=0)
    down = contrasts(columns.__getitem__, rows, "key", baselines={}, question=LOWER, seed=0)
    assert [[one.row for one in some] for some in (up, down)] == [["B", "A"], ["A", "B"]]
    assert {one.baseline for one in up} == {""}


def test_names_are_words():
    assert (
        row_name("grad-cam++(x_y=2) (predicted)") == "Grad-CAM++ with x y 2 of the predicted class"
    )
    assert row_name("random-map") == "a random map"
    assert row_name("my(maps)") == "my(maps)"
    assert listed([*"abcdefgh"]) == "a, b, c, d, e, f and 2 others"
    assert listed(["a"]) == "a"


def test_what_is_shown_as_no_difference_is_none():
    tiny = Interval(0.0002, 0.0001, 0.0004, 0.95, 200)
    asked = Question(claim="", measure="", label="", digits=3, matters=0.05)
    assert word_of(tiny, asked) == "no better"
    assert word_of(tiny, replace(asked, both_ways=True)) == "neither better nor worse"
    assert word_of(tiny, replace(asked, digits=4)) == "better"


def test_the_answer_about_an_untrained_network_begins_with_that():
    found = Answer(("CAM is better.",))
    told = warned(found, ("assumed 224 × 224", UNTRAINED))
    assert told is not None
    assert told.sentences == (
        "The network is untrained: what it says of images, and where, means nothing.",
        "CAM is better.",
    )
    assert warned(found, ()) is found
    assert warned(None, (UNTRAINED,)) is None
