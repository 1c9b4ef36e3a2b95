"""What completion finds after a plain ``import figureground``."""

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

import figureground

fg: Any = figureground

KINDS = (
    "classification",
    "faithfulness",
    "information",
    "localisation",
    "robustness",
    "uncertainty",
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_an_attribute_and_is_listed(kind: str):
    assert kind in dir(fg.metrics)
    assert getattr(fg.metrics, kind).__name__ == f"figureground.metrics.{kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_exported_name_exists_once(kind: str):
    module = import_module(f"figureground.metrics.{kind}")
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_public_functions_are_found_in_their_kind():
    assert callable(fg.metrics.localisation.max_box_acc)
    assert callable(fg.metrics.faithfulness.insertion_deletion)
    assert callable(fg.metrics.intervals.bootstrap_interval)


def test_an_unknown_kind_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'beauty'"):
        _ = fg.metrics.beauty


def test_kinds_are_loaded_when_they_are_first_used():
    code = (
        "import sys, figureground as fg; fg.metrics; "
        "loaded = [name for name in sys.modules if name.startswith('figureground.metrics.')]; "
        "assert loaded == [], loaded; assert callable(fg.metrics.localisation.iou)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
