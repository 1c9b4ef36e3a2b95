"""What the room exports: the engine, and each algorithm's pieces under its name."""

import subprocess
import sys

import pytest

import figureground as fg
from figureground import training
from figureground.training.algorithms import ALGORITHMS


def test_importing_the_room_imports_neither_torch_nor_the_engine():
    code = "import sys, figureground.training; print({'torch', 'lightning', 'sklearn'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_exported_name_is_there_and_listed():
    assert {*dir(training)} == {*training.__all__}
    for name in training.__all__:
        assert getattr(training, name) is not None


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_pieces_of_an_algorithm_lie_under_its_name(name: str):
    pieces = getattr(fg.training, name.replace("-", "_"))
    assert pieces.__name__ == f"figureground.training.algorithms.{name.replace('-', '_')}"
    for piece in pieces.__all__:
        assert getattr(pieces, piece) is not None


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'figureground\.training' has no attribute 'KDLoss'"):
        _ = fg.training.KDLoss
