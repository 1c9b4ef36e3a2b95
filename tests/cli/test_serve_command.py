"""``figureground serve``: what is said before a page is there."""

from collections.abc import Callable
from importlib.util import find_spec

import pytest
from typer.testing import Result

from figureground.cli.model_options import ModelOptions
from figureground.cli.serve import model_words
from figureground.web import framework


def test_without_the_extra_a_line_says_how_to_install_it(
    type_in: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        framework, "find_spec", lambda name: None if name == "gradio" else find_spec(name)
    )
    done = type_in("serve")
    assert done.exit_code == 1
    assert done.stderr.strip() == (
        "error: the explorer needs Gradio: pip install 'figureground[web]'"
    )


def test_another_host_without_a_user_is_refused_before_a_model_is_loaded(
    type_in: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("figureground.web.framework.gradio", lambda: None)
    done = type_in("serve", "--model", "no:such", "--host", "0.0.0.0")  # noqa: S104 - is refused
    assert done.exit_code == 1
    assert "--auth USER" in done.stderr


def test_the_words_that_name_a_model_are_those_that_were_typed():
    about = ModelOptions(
        model="timm:a", random=True, size="64", model_arg=("a=1", "b=2"), value_range="data"
    )
    assert model_words(about) == (
        *("--model", "timm:a", "--random", "--model-arg", "a=1", "--model-arg", "b=2"),
        *("--size", "64", "--range", "data"),
    )
    assert model_words(ModelOptions()) == ()
