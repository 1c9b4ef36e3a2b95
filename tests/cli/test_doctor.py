"""``figureground doctor``: the layer, the input, and what cannot work and why."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from figureground.methods import METHODS

Run = Callable[..., Result]
ATTENTION = {
    name for name, entry in METHODS.items() if entry.needs & {"attention", "attention-gradients"}
}


def verdicts(done: Result) -> dict[str, list[str]]:
    """Method -> works or cannot, and the rest; of those that are for any network."""
    return {name: words for name, words in all_verdicts(done).items() if name not in ATTENTION}


def all_verdicts(done: Result) -> dict[str, list[str]]:
    """The same of every method."""
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: row[1:] for row in rows if row and row[0] in METHODS}


def test_all_methods_work_with_a_plain_network(type_in: Run, model: str):
    done = type_in("doctor", "--model", model, "--size", "24x32")
    assert done.exit_code == 0, done.output
    assert "input      24×32" in done.stdout
    assert "classes    3, names not known; results show numbers" in done.stdout
    assert "layer      3: last feature map before pooling" in done.stdout
    assert "cells      in place" in done.stdout
    found = verdicts(done)
    assert list(found) == [name for name in METHODS if name not in ATTENTION]
    others = all_verdicts(done)
    assert list(others) == list(METHODS)
    assert {others[name][0] for name in ATTENTION} == {"cannot"}
    assert "attention maps are for transformers" in " ".join(done.stdout.split())
    assert all(words[0] == "works" and words[1].startswith("24×32") for words in found.values())


def test_methods_that_run_the_network_often_are_tried_with_few_and_tell_their_price(
    type_in: Run, model: str
):
    done = type_in("doctor", "--model", model, "--size", "24x32")
    words = " ".join(done.stdout.split())
    assert "4,000 runs of the network an image (tried with few)" in words
    assert "769 runs of what is above the layer" in words  # one for each of 24×32 positions
    assert done.stdout.count("runs of what is above the layer") == 3


def test_what_cannot_work_says_why(type_in: Run, model: str):
    done = type_in("doctor", "--model", model, "--size", "24x32", "--model-arg", "head=false")
    found = verdicts(done)
    assert found.pop("cam")[0] == "cannot"
    assert {words[0] for words in found.values()} == {"works"}
    assert "use hires-cam or grad-cam" in " ".join(done.stdout.split())


def test_one_logit_with_a_name(type_in: Run, model: str, tmp_path: Path):
    (tmp_path / "one.txt").write_text("cat\n")
    words = ("--size", "24x32", "--model-arg", "outputs=1", "--class-names", tmp_path / "one.txt")
    done = type_in("doctor", "--model", model, *words)
    assert done.exit_code == 0, done.output
    assert "classes    2: not cat, cat" in done.stdout
    assert {words[0] for words in verdicts(done).values()} == {"works"}


def test_another_layer_can_be_examined(type_in: Run, model: str):
    done = type_in("doctor", "--model", model, "--size", "24x32", "--layer", "1")
    assert "layer      1: given by the caller" in done.stdout
    assert verdicts(done)["cam"][0] == "cannot"


WRONG = """
from torch import nn
import torch

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.mixed = nn.Conv2d(3, 4, 4, stride=4), nn.Tanh()
        self.top, self.head = nn.Tanh(), nn.Linear(4, 3)

    def forward(self, x):
        maps = self.body(x)
        turned = self.mixed(maps.mT.flip(2))
        return self.head(self.top(turned.flip(2).mT).mean((2, 3)))

def build():
    torch.manual_seed(0)
    return Net()
"""


def test_a_layer_whose_cells_lie_elsewhere_is_refused_and_listed_as_such(
    type_in: Run, tmp_path: Path
):
    (tmp_path / "net.py").write_text(WRONG)
    model = ("--model", f"{tmp_path / 'net.py'}:build", "--size", "32")
    done = type_in("doctor", *model, "--layer", "mixed")
    assert "cells      not in place" in done.stdout
    found = verdicts(done)
    assert all(words[0] == "cannot" for name, words in found.items() if METHODS[name].per_layer)
    listed = [line.split() for line in type_in("ls", "layers", *model).stdout.splitlines()[1:]]
    cells = {row[0]: " ".join(row[5:]).removesuffix(" ← default") for row in listed}
    assert cells == {"body": "in place", "mixed": "not in place", "top": "in place"}


def test_a_model_that_cannot_be_built_is_one_line(type_in: Run, model: str):
    done = type_in("doctor", "--model", model.replace(":build", ":broken"))
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "no such luck" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("timm:vit_tiny_patch16_224", None),
        ("timm:swin_tiny_patch4_window7_224", None),
        ("torchvision:densenet121", 96),
        ("timm:inception_v3", 128),
        ("torchvision:vgg11", 96),
    ],
)
def test_zoo_models_get_a_verdict_for_every_method(name: str, size: int | None, type_in: Run):
    done = type_in("doctor", "--model", name, "--random", *(("--size", size) if size else ()))
    assert done.exit_code == 0, done.output
    found = verdicts(done)
    assert all_verdicts(done).keys() == METHODS.keys()
    assert found["grad-cam"][0] == found["eigen-cam"][0] == "works"


BLUE_FIRST = """
from torch import nn

def build():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.preprocessing = {"channel_order": "bgr", "size": 16}
    return network
"""


def test_a_network_that_wants_blue_first_is_told(type_in: Run, tmp_path: Path):
    (tmp_path / "net.py").write_text(BLUE_FIRST)
    done = type_in("doctor", "--model", f"{tmp_path / 'net.py'}:build")
    assert "std (1.0, 1.0, 1.0), blue first" in done.stdout
