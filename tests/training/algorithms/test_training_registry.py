"""Every algorithm: its name, its paper, its card, and a run that resumes."""

import inspect
from pathlib import Path

import pytest
import torch

from figureground.base.paper import Paper
from figureground.training import fit
from figureground.training.algorithms import ALGORITHMS, make_algorithms, resolved
from figureground.training.checkpoint import load_checkpoint

TEACHER = """
from torch import nn

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
"""

each = pytest.mark.parametrize("name", ALGORITHMS)


@each
def test_an_algorithm_has_its_name_its_paper_and_its_card(name):
    entry = ALGORITHMS[name]
    assert entry.name == name
    assert isinstance(entry.paper, Paper)
    card = Path(inspect.getfile(entry)).with_name("README.md").read_text(encoding="utf-8")
    assert "## Results" in card
    assert "## References" in card


def held(name):
    """What the data of a run must have for an algorithm."""
    boxes = [torch.tensor([[1.0, 1, 4, 4]])] * 32
    return {"boxes": boxes} if name in {"background-swap", "attribution-prior"} else {}


def needed(name, folder):
    """Options without which an algorithm cannot be."""
    if name != "distillation":
        return {}
    (folder / "taught.py").write_text(TEACHER)
    grey = {"size": [6, 6], "channels": 1, "mean": [0.5], "std": [0.25]}
    return {"teacher": {"name": f"{folder / 'taught.py'}:make", "preprocessing": grey}}


@each
def test_a_run_with_an_algorithm_is_exactly_resumed(name, start, recipe, network, tmp_path):
    full = resolved(recipe(algorithms=[{name: needed(name, tmp_path)}], checkpoint_every=5))

    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def stop(_stage, done, _total):
        if done == 7 * 8:
            raise Stopped

    def begin(folder):
        torch.default_generator.manual_seed(0)
        algorithms = make_algorithms(full, 3)
        outputs = 3 + sum(one.extra_outputs for one in algorithms)
        return start(full, network(outputs), tmp_path / folder, algorithms=algorithms, **held(name))

    whole = begin("whole")
    fit(whole)
    with pytest.raises(Stopped):
        fit(begin("parts"), progress=stop)
    again = begin("parts")
    load_checkpoint(again)
    assert again.step == 5
    fit(again)
    for one, other in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)
