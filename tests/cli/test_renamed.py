"""Old spellings say what the option is called now."""

from collections.abc import Callable

import pytest
from tests.cli.flags import Words, spellings
from typer.testing import Result

from figureground.cli.command import _RENAMED
from figureground.studies.evaluation import EVALUATIONS

Run = Callable[..., Result]


FLAGS: dict[Words, set[str]] = {}
for _words, _, _flag in spellings():
    FLAGS.setdefault(_words, set()).add(_flag)
CASES = [
    (words, old, new)
    for words, flags in FLAGS.items()
    for old, new in _RENAMED.items()
    if new in flags and old not in flags
]


def test_every_old_spelling_has_a_command_with_the_new_one():
    assert {old for _, old, _ in CASES} == set(_RENAMED)
    assert {words for words, _, _ in CASES} >= {("explain",), ("compare",), ("rank",)}
    assert {words[1] for words, _, _ in CASES if words[0] == "evaluate"} == set(EVALUATIONS)


@pytest.mark.parametrize(
    "written", [("{old}", "value"), ("{old}=value",)], ids=["two words", "one word"]
)
@pytest.mark.parametrize(
    ("words", "old", "new"), CASES, ids=lambda one: one if isinstance(one, str) else " ".join(one)
)
def test_an_old_spelling_is_an_error_with_the_new_one(
    words: tuple[str, ...], old: str, new: str, written: tuple[str, ...], type_in: Run
):
    done = type_in(*words, *(one.format(old=old) for one in written))
    assert done.exit_code == 1
    assert done.stderr == f"error: the option {old} is called {new} now\n"


@pytest.mark.parametrize("words", [("doctor",), ("ls", "layers")])
def test_a_model_as_an_argument_is_an_error_with_the_option(words: tuple[str, ...], type_in: Run):
    done = type_in(*words, "timm:resnet50")
    assert done.exit_code == 1
    assert done.stderr == "error: the model is named by an option now: --model timm:resnet50\n"


def test_an_option_that_never_was_is_a_usage_error(type_in: Run):
    assert type_in("explain", "a.png", "--metod", "cam").exit_code == 2
