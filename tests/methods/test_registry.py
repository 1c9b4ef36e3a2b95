"""Names of methods as people write them."""

import pytest

from figureground.base.errors import OptionError
from figureground.methods import METHODS, EigenCAM, find_methods


@pytest.mark.parametrize("name", METHODS)
def test_every_name_finds_its_method_however_it_is_written(name):
    spoken = name.replace("-", "")
    for written in (name, name.upper(), spoken, name.replace("-", "_"), METHODS[name].__name__):
        assert type(find_methods(written)[name]) is METHODS[name]


@pytest.mark.parametrize("written", ["gradcam++", "Grad-CAM++", "grad_cam_plus_plus", "GradCAMpp"])
def test_grad_cam_plus_plus_has_many_spellings(written):
    assert list(find_methods(written)) == ["grad-cam++"]


def test_instances_keep_their_options_and_the_order_is_kept():
    mine = EigenCAM(center=True)
    found = find_methods(["hires-cam", mine])
    assert list(found) == ["hires-cam", "eigen-cam"]
    assert found["eigen-cam"] is mine


def test_unknown_name_says_what_is_closest():
    with pytest.raises(OptionError, match="no method 'grad-kam'; closest: 'grad-cam'"):
        find_methods("grad-kam")


def test_nothing_and_the_same_twice_are_refused():
    with pytest.raises(OptionError, match="no method asked for"):
        find_methods([])
    with pytest.raises(OptionError, match="'eigen-cam' is asked for twice"):
        find_methods(["eigencam", EigenCAM()])
