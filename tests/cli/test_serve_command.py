"""``figureground serve``: what is said before a page is there."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
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


def test_results_are_served_without_a_model_and_photos_beside_them_are_found(
    type_in: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "record.json").write_text('{"kind": "localisation"}')
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "a.png")
    told = []

    def start(classifier, photos, **more):
        told.append((classifier, photos, more["results"]))
        return SimpleNamespace(block_thread=lambda: None), "here"

    monkeypatch.setattr("figureground.web.framework.gradio", lambda: None)
    monkeypatch.setattr("figureground.web.server.start", start)
    done = type_in("serve", str(tmp_path / "out"), str(tmp_path / "photos"))
    assert done.exit_code == 0
    assert told == [(None, [tmp_path / "photos" / "a.png"], tmp_path / "out")]
    refused = type_in("serve", str(tmp_path / "out"), "--other", "runs/b")
    assert refused.exit_code == 1
    assert "--other is compared with a first model" in refused.stderr
