"""The exception tree."""

import pickle

import pytest

from figureground.base import errors
from figureground.base.errors import FigureGroundError, ImageError, OptionError, unknown_option


def test_every_error_descends_from_the_root():
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert len(kinds) == 10
    assert all(issubclass(kind, FigureGroundError) for kind in kinds)


@pytest.mark.parametrize("kind", [OptionError, errors.ShapeError])
def test_wrong_values_are_value_errors_too(kind):
    assert issubclass(kind, ValueError)


def test_an_image_error_survives_the_way_from_a_worker():
    error = pickle.loads(pickle.dumps(ImageError("a/b.png", "truncated")))  # noqa: S301 - our own
    assert isinstance(error, ImageError)
    assert issubclass(ImageError, errors.DataError)
    assert (error.path, error.reason) == ("a/b.png", "truncated")
    assert str(error) == "a/b.png: truncated"


def test_unknown_option_names_the_closest_and_all():
    error = unknown_option("colour", "greeen", ["red", "green"])
    assert str(error) == "no colour 'greeen'; closest: 'green'; known: green, red"
    assert "closest" not in str(unknown_option("colour", "xyz", ["red"]))


def test_a_long_list_of_options_is_cut():
    text = str(unknown_option("class", "zzz", [f"c{i:03d}" for i in range(60)]))
    assert text.endswith("c039, … (60 in all)")
