"""Options are checked when they are written down, before any work."""

from typing import Any

import pytest

from figureground.base.errors import OptionError
from figureground.studies import Drawing, ExplainOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("grad-cm",)}, "no method 'grad-cm'; closest: 'grad-cam'"),
        ({"methods": ()}, "no method asked for"),
        ({"precision": "fp8"}, "no precision 'fp8'.*known: bf16, fp16, fp32"),
        ({"device": "gpu"}, "no device 'gpu'.*known: cpu, cuda"),
        ({"batch_size": 0}, "batch_size is at least 1, not 0"),
        ({"workers": 0}, "workers is at least 1, not 0"),
        ({"fuse": "sum", "layers": ("a", "b")}, "no way to fuse 'sum'"),
        ({"fuse": "mean"}, "name at least two"),
        ({"fuse": "mean", "layers": ("a",)}, "name at least two"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any], message: str):
    with pytest.raises(OptionError, match=message):
        ExplainOptions(**options)


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        ({"colour_map": "virids"}, "no colour map 'virids'; closest: 'viridis'"),
        ({"box_fraction": 1.0}, r"box_fraction lies in \[0, 1\)"),
        ({"thumbnail": 0}, "at least 1 pixel"),
    ],
)
def test_a_drawing_that_cannot_be_is_refused(drawing: dict[str, Any], message: str):
    with pytest.raises(OptionError, match=message):
        Drawing(**drawing)


def test_all_that_exists_is_taken():
    options = ExplainOptions(
        methods="GradCAM++", precision="fp32", device="cuda:1", fuse="max", layers=("a", "b")
    )
    assert options.drawing == Drawing("inferno", alpha_by_value=False, box_fraction=0.2)
