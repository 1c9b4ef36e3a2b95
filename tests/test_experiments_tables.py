"""The statistics of the experiments: redone by hand, and shown where a page asks for them."""

import importlib
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

from figureground.metrics.intervals import Interval

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
T2 = 4.302653  # Student's t, 97.5 %, two degrees of freedom


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``experiments/tables.py`` on results of its own: five arms in one world, three seeds."""
    if not EXPERIMENTS.exists():
        pytest.skip("the experiments are not part of this copy")
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    for name in ("tables", "forest", "what_helps"):
        sys.modules.pop(name, None)
    module = importlib.import_module("tables")
    plain = {"1": 0.5, "2": 0.6, "3": 0.7}

    def less(*gaps: float) -> dict[str, float]:
        return {seed: value + gap for (seed, value), gap in zip(plain.items(), gaps, strict=True)}

    arms = {
        "plain": plain,
        "better": less(0.1, 0.1, 0.13),
        "worse": less(-0.05, -0.051, -0.052),
        "same": less(0.001, -0.001, 0.0),
        "open": less(0.2, -0.1, 0.05),
        "little": less(0.008, 0.009, 0.0085),
    }
    numbers = {
        "accuracy ↑": arms,
        "gap": arms,
        "x: AUROC ↑": {"plain": plain},
        "x: AUROC by s1 ↑": {"better": less(0.1, 0.1, 0.13)},
        "training seconds": {
            arm: {"1": 10.0 + at, "2": 10.0 + at, "3": 99.0} for at, arm in enumerate(arms)
        },
    }
    (tmp_path / "journal/results").mkdir(parents=True)
    made = {"worlds": {"w": {"command": "", "arms": dict.fromkeys(arms), "numbers": numbers}}}
    (tmp_path / "journal/results/one.json").write_text(json.dumps(made))
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_intervals_are_those_of_student_over_the_seeds(tables: ModuleType):
    found = tables.effects("one", "w", "accuracy ↑")
    mean, deviation = 0.11, math.sqrt(((0.01**2) * 2 + 0.02**2) / 2)
    half = T2 * deviation / math.sqrt(3)
    assert found["plain"].less is None
    assert found["better"].mean == pytest.approx(0.71)
    less = found["better"].less
    assert (less.mean, less.low, less.high) == pytest.approx((mean, mean - half, mean + half))


def test_what_is_said_follows_the_interval_and_the_smallest_difference(tables: ModuleType):
    words = {arm: one.word for arm, one in tables.effects("one", "w", "accuracy ↑").items()}
    assert words == {
        "plain": "",
        "better": "helps†",
        "worse": "hurts†",
        "same": "smaller than 1.0 %",
        "open": "cannot tell",
        "little": "smaller than 1.0 %",
    }
    assert tables._word(Interval(0.009, 0.004, 0.014, 0.95, 3), 0.01, "accuracy") == (
        "cannot tell if it matters"
    )
    of_gap = tables.effects("one", "w", "gap")  # of which less is better, and .05 matters
    assert (of_gap["better"].word, of_gap["worse"].word) == ("hurts†", "helps†")


def test_holm_multiplies_the_smallest_by_all_and_never_falls(tables: ModuleType):
    found = tables.effects("one", "w", "accuracy ↑")
    alone = {}
    for arm, gaps in {"better": (0.1, 0.1, 0.13), "worse": (-0.05, -0.051, -0.052)}.items():
        mean = sum(gaps) / 3
        deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / 2)
        t = abs(mean) / (deviation / math.sqrt(3))
        alone[arm] = 1 - t / math.sqrt(t**2 + 2)  # two-sided, two degrees of freedom
    assert found["worse"].p == pytest.approx(5 * alone["worse"], rel=1e-6)
    assert found["better"].p == pytest.approx(3 * alone["better"], rel=1e-6)
    assert found["open"].p <= found["same"].p <= 1


def test_a_score_of_one_arm_is_compared_with_the_score_that_the_first_arm_has(tables: ModuleType):
    assert tables.effects("one", "w", "x: AUROC by s1 ↑")["better"].less.mean == pytest.approx(0.11)


def test_an_arm_may_be_compared_with_another_one(tables: ModuleType):
    found = tables.effects("one", "w", "accuracy ↑", against="worse")
    assert found["better"].less.mean == pytest.approx(0.11 + 0.051)
    assert found["worse"].less is None


def test_a_page_shows_the_table_that_it_asks_for(tables: ModuleType):
    page = "Before.\n\n<!-- results: one | w | accuracy ↑; training seconds -->\nold\n<!-- end -->\nAfter.\n"
    made = tables.freshened(page)
    assert made.startswith("Before.")
    assert made.endswith("<!-- end -->\nAfter.\n")
    assert "| plain | 60.0 % | 10 |" in made
    assert "| better | 71.0 % (+11.0 [+6.7, +15.3], **helps†**) | 11 (× 1.10) |" in made
    assert "old" not in made
    assert tables.freshened(made) == made
