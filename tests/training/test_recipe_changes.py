"""Changes reach items of lists by number."""

import copy
from typing import Any

import pytest

from figureground.base.errors import OptionError
from figureground.training.recipe import changed

RECIPE: dict[str, Any] = {
    "name": "t",
    "epochs": 1,
    "data": {"name": "digits", "rare": ["a", "b"]},
    "model": {"name": "m"},
    "algorithms": [{"rotation": {"weight": 1}}, {"background-class": {"ratio": 0.5}}],
}


def test_items_are_changed_by_number_and_the_given_data_stays():
    before = copy.deepcopy(RECIPE)
    found = changed(
        RECIPE, ["algorithms.1.background-class.ratio=0.05", "data.rare.1=c", "schedule.gamma=0.5"]
    )
    assert found.algorithms == ({"rotation": {"weight": 1}}, {"background-class": {"ratio": 0.05}})
    assert found.data.rare == ("a", "c")
    assert found.schedule.gamma == 0.5
    assert before == RECIPE


def test_an_algorithm_may_be_exchanged_by_number():
    assert changed(RECIPE, ["algorithms.0={rotation: {weight: 3}}"]).algorithms[0] == {
        "rotation": {"weight": 3}
    }
    assert changed(RECIPE, ["background-class.ratio=0.2"]).algorithms[1] == {
        "background-class": {"ratio": 0.2}
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("algorithms.2.rotation.weight=1", "counted from 0 .the last one is 1"),
        ("algorithms.-1.rotation.weight=1", "no item of a list"),
        ("algorithms.rotation.weight=1", "no item of a list"),
        ("data.rare.x=1", "no item of a list"),
        (".epochs=1", "not key=value"),
        ("epochs=&a [*a]", "refers to itself"),
        ("epochs=" + "[" * 5000, "nested"),
    ],
)
def test_what_cannot_be_reached_is_refused(change: str, reason: str):
    with pytest.raises(OptionError, match=reason):
        changed(RECIPE, [change])
