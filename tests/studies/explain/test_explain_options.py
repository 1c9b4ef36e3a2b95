"""Options are checked when they are written down, before any work."""

from typing import Any

import pytest

from figureground.base.errors import OptionError
from figureground.maps import COLOUR_MAPS
from figureground.models import Classifier
from figureground.models.predicting import chosen_device
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "no precision 'fp8'.*known: bf16, fp16, fp32"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        (
            {"fuse": "sum", "layer": ("a", "b")},
            "no fuse 'sum'.*known: max, mean, product, tanh-max",
        ),
        ({"fuse": "mean"}, "name at least two"),
        ({"fuse": "mean", "layer": ("a",)}, "name at least two"),
        ({"colour_map": "virids"}, "no colour map 'virids'; closest: 'viridis'"),
        ({"box_fraction": 1.0}, r"box_fraction lies in \[0, 1\)"),
        ({"thumbnail": 0}, "at least 1 pixel"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any], message: str):
    with pytest.raises(OptionError, match=message):
        ExplainOptions(**options)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (("grad-cm",), "no method 'grad-cm'; closest: 'grad-cam'"),
        ((), "no method asked for"),
    ],
)
def test_methods_that_do_not_exist_are_refused_before_the_folder_is_made(
    methods: tuple[str, ...], message: str, classifier: Classifier, write_images: Any, out: Any
):
    options = ExplainOptions(methods=methods)
    with pytest.raises(OptionError, match=message):
        explain_images(classifier, write_images(1), out=out, options=options)
    assert not out.exists()


def test_a_device_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match=r"no device 'gpu'.*known: cpu, cuda"):
        chosen_device("gpu")


def test_all_that_exists_is_taken():
    options = ExplainOptions(methods=("GradCAM++",), precision="fp32", fuse="max", layer=("a", "b"))
    assert ExplainOptions(fuse="tanh-max", layer=("every-stage",)).fuse == "tanh-max"
    drawing = (options.colour_map, options.alpha_by_value, options.box_fraction)
    assert drawing == ("inferno", False, 0.2)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_every_colour_map_can_be_chosen(name):
    assert ExplainOptions(colour_map=name).colour_map == name
