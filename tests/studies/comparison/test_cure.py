"""The word for an arm, from draws that are made by hand."""

from typing import Any

import pytest
import torch

from figureground.studies.comparison.cure import ArmNumbers, Number, judge

SPREAD = torch.linspace(-1, 1, 401).double()  # its 95 % interval is [-0.95, 0.95]


def number(value: float, half: float = 0.02) -> Number:
    return Number(value, value + half / 0.95 * SPREAD)


def arm(outer: float, given: float, inner: float, v10: float = 0.5, **more: Any) -> ArmNumbers:
    half = more.pop("half", 0.02)
    gaps = {"outer": outer, "given": given, "inner": inner}
    about = {"found": frozenset(), "worst": (0, 0.1), "own": None} | more
    return ArmNumbers(
        "arm",
        200,
        {mask: number(value, half) for mask, value in gaps.items()},
        {name: number(v10) for name in ("accuracy", "v10")},
        **about,
    )


PLAIN = arm(0.89, 0.86, 0.85, v10=0.01)


def word(one: ArmNumbers, reference: ArmNumbers = PLAIN, delta: float = 0.05) -> str:
    return judge(one, reference, delta=delta).word


def test_equal_draws_are_subtracted_one_by_one():
    """Both arms' intervals are 0.8 wide; their difference is known to a thousandth."""
    found = judge(arm(0.5, 0.4, 0.4, half=0.4), arm(0.6, 0.4, 0.4, half=0.401), delta=0.05)
    assert found.change.mean == pytest.approx(-0.1)
    assert (found.change.low, found.change.high) == pytest.approx((-0.101, -0.099), abs=1e-9)
    assert found.largest.high - found.largest.low == pytest.approx(0.8)
    assert found.word == "better"


def test_the_largest_gap_of_each_draw_is_taken():
    crossing = ArmNumbers(
        "arm",
        2,
        {
            "outer": Number(0.2, torch.tensor([0.1, 0.3]).double()),
            "inner": Number(0.1, torch.tensor([0.2, 0.0]).double()),
        },
        {},
        frozenset(),
        (0, 0.0),
    )
    assert crossing.largest.value == 0.2
    assert crossing.largest.draws.tolist() == pytest.approx([0.2, 0.3])


def test_a_network_without_any_gap_is_cured():
    assert word(arm(0.01, 0.02, 0.0, own="inner")) == "cured"
    assert word(arm(0.01, 0.02, 0.0)) == "cured"


@pytest.mark.parametrize(
    "change",
    [
        {"given": 0.04},  # its interval ends at 0.06
        {"v10": 0.01},
        {"v10": 0.02, "half": 0.02, "given": 0.035},
        {"found": frozenset({3})},
    ],
)
def test_better_is_what_lacks_one_of_the_conditions_of_a_cure(change: dict[str, Any]):
    one = {"outer": 0.01, "given": 0.02, "inner": 0.0} | change
    assert word(arm(**one)) == "better"


def test_a_class_that_the_reference_had_is_no_new_one():
    before = arm(0.89, 0.86, 0.85, v10=0.01, found=frozenset({3, 4}))
    assert word(arm(0.01, 0.02, 0.0, found=frozenset({3})), before) == "cured"
    found = judge(arm(0.01, 0.02, 0.0, found=frozenset({3, 5, 1})), before, delta=0.05)
    assert found.gained == (1, 5)


@pytest.mark.parametrize(
    ("gaps", "own", "expected"),
    [
        # swaps along boxes in the specification: the true gap was 0.69, 0.65 and 0.65
        ((0.04, 0.33, 0.59), "outer", "only by its own measure"),
        ((0.01, 0.26, 0.51), "outer", "only by its own measure"),
        ((0.02, 0.31, 0.56), "outer", "only by its own measure"),
        ((0.04, 0.33, 0.59), None, "better"),  # nobody knows what it was trained with
        # along refined masks: the true gap fell to 0.13, 0.19, 0.07
        ((0.30, 0.02, 0.01), "inner", "better"),
        ((0.23, -0.02, 0.01), "inner", "better"),
        # nothing fell along the others, the largest not at all
        ((0.02, 0.86, 0.85), "outer", "only by its own measure"),
    ],
)
def test_what_fell_along_the_own_mask_alone(
    gaps: tuple[float, float, float], own: str | None, expected: str
):
    assert word(arm(*gaps, own=own)) == expected


def test_what_is_left_of_a_small_gap_is_below_delta():
    before = arm(0.06, 0.06, 0.06, v10=0.5)
    assert word(arm(0.0, 0.0, 0.04, own="outer"), before) == "better"
    found = judge(arm(0.0, 0.0, 0.04, own="outer"), before, delta=0.03)
    assert (found.word, found.left) == ("only by its own measure", ("inner",))


def test_the_own_gap_must_have_fallen():
    wide = {"v10": 0.01, "half": 0.1}  # 0.08 of which the reference does not share
    assert word(arm(0.85, 0.86, 0.85, own="outer", **wide)) == "no change"
    assert word(arm(0.79, 0.86, 0.85, own="outer", **wide)) == "only by its own measure"


def test_a_risen_gap_is_worse_whatever_the_own_mask_says():
    assert word(arm(0.1, 0.86, 0.95, own="outer")) == "worse"
    assert word(PLAIN, arm(0.0, 0.0, 0.0)) == "worse"


def test_delta_decides_what_is_cured():
    one = arm(0.01, 0.06, 0.0)
    assert word(one) == "better"
    assert word(one, delta=0.1) == "cured"
