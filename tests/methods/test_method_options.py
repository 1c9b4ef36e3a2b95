"""Options of methods are checked before anything is computed with them."""

from dataclasses import dataclass
from typing import Any

import pytest
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.methods import CamMethod, find_methods
from figureground.methods.method import MethodInputs


@dataclass(frozen=True)
class Mine(CamMethod):
    """A method with an option of every kind, one of which it checks itself."""

    count: int = 1
    most: int | None = None
    share: float = 0.5
    exact: bool = False
    sign: str = "rule"
    name = "mine"

    def __post_init__(self) -> None:
        if self.count < 1:
            raise OptionError("at least one")

    def maps(self, inputs: MethodInputs) -> Tensor:
        return inputs.activations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 2.5}, "mine: count is an integer, not 2.5"),
        ({"count": "many"}, "mine: count is an integer, not 'many'"),
        ({"count": True}, "mine: count is an integer, not True"),
        ({"most": 1.5}, "mine: most is an integer or nothing, not 1.5"),
        ({"share": "half"}, "mine: share is a number, not 'half'"),
        ({"exact": 1}, "mine: exact is true or false, not 1"),
        ({"sign": 3}, "mine: sign is a text, not 3"),
        ({"count": 0}, "at least one"),
    ],
)
def test_values_of_another_type_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(OptionError, match=message):
        Mine(**options)


def test_an_integer_is_a_number_and_nothing_is_allowed_where_it_is_declared():
    assert Mine(share=1, most=None, count=3) == Mine(share=1.0, count=3)


def test_brackets_are_for_the_command_line():
    with pytest.raises(OptionError, match=r"figureground\.ScoreCAM\(\.\.\.\)"):
        find_methods(["score-cam(channels=16)"])
    assert list(find_methods(["score-cam()"])) == ["score-cam"]
