"""``figureground ls``: methods, models, layers, classes, recipes and data sets."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from figureground.data.loaders import DATASETS
from figureground.methods import METHODS
from figureground.training.shipped import shipped_recipes

Run = Callable[..., Result]


def rows(done: Result) -> list[list[str]]:
    return [line.split() for line in done.stdout.splitlines()]


def first_lines(done: Result) -> list[list[str]]:
    """Rows of a table whose last column runs over several lines."""
    return [line.split() for line in done.stdout.splitlines() if not line.startswith(" ")]


def test_methods_are_listed_in_full(type_in: Run):
    found = {row[0]: row[1:3] for row in rows(type_in("ls", "methods"))[1:]}
    assert list(found) == list(METHODS)
    for name, method in METHODS.items():
        assert found[name] == [
            "yes" if flag else "no" for flag in (method.class_specific, method.signed)
        ]


def test_models_are_listed_by_pattern(type_in: Run):
    done = type_in("ls", "models", "torchvision:squeezenet*")
    assert done.stdout.split() == ["torchvision:squeezenet1_0", "torchvision:squeezenet1_1"]


def test_a_long_list_of_models_is_cut_and_says_so(type_in: Run):
    done = type_in("ls", "models")
    assert len(done.stdout.splitlines()) == 200
    assert "in all; narrow the list" in done.stderr


def test_layers_are_listed_with_the_default(type_in: Run, model: str):
    table = rows(type_in("ls", "layers", "--model", model, "--size", "24x32"))
    assert table[1][:4] == ["0", "Conv2d", "6", "24×32"]
    assert [row[0] for row in table if row[-1] == "default"] == ["3"]


def test_layers_of_what_is_asked(type_in: Run):
    done = type_in("ls", "layers")
    assert done.exit_code == 1
    assert "name the model: --model" in done.stderr


def test_an_unknown_list_is_refused(type_in: Run):
    done = type_in("ls", "method")
    assert done.exit_code == 1
    assert (
        "no list 'method'; closest: 'methods'; known: classes, datasets, layers, methods, models, recipes"
        in done.stderr
    )


def test_layers_need_no_weights(type_in: Run, tmp_path: Path):
    done = type_in("ls", "layers", "--model", "torchvision:squeezenet1_1", "--size", "64")
    assert done.exit_code == 0, done.output
    assert "features.12" in done.stdout


def test_recipes_are_listed_with_their_data_and_what_they_are_for(type_in: Run):
    found = {row[0]: row[1:] for row in first_lines(type_in("ls", "recipes"))[1:]}
    assert list(found) == list(shipped_recipes())
    assert found["classifier"][:4] == ["folder", "timm:mobilenetv2_100", "A", "plain"]


def test_data_sets_are_listed_with_the_way_to_get_them(type_in: Run):
    done = type_in("ls", "datasets")
    assert [row[0] for row in first_lines(done)[1:]] == list(DATASETS)
    words = " ".join(done.stdout.split())
    assert "data.download=true" in words
    assert "cluttered-digits" in words


def test_classes_of_a_model_are_listed_with_their_numbers(type_in: Run, model: str, tmp_path: Path):
    names = tmp_path / "names.txt"
    names.write_text("ant\nbee\ncat\n")
    done = type_in("ls", "classes", model, "--size", "24x32", "--class-names", names)
    assert done.stdout.splitlines() == ["0: ant", "1: bee", "2: cat"]
    done = type_in("ls", "classes", "--model", model, "--size", "24x32")
    assert done.stdout == ""
    assert "classes without names" in done.stderr
    assert type_in("ls", "classes").exit_code == 1
