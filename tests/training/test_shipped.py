"""Recipes by name."""

import pytest

from figureground.base.errors import OptionError
from figureground.training.shipped import recipe_path, shipped_recipes


def test_a_name_and_a_file_both_lead_to_a_recipe(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("name: x\n")
    assert recipe_path(str(own)) == own
    assert recipe_path("background-class") == shipped_recipes()["background-class"]


def test_a_misspelled_name_is_refused_with_the_closest():
    with pytest.raises(
        OptionError, match="no recipe 'background-clas'; closest: 'background-class'"
    ):
        recipe_path("background-clas")
