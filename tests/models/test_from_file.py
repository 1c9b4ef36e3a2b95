import sys
from pathlib import Path

import pytest
import torch

from figureground.base.errors import ModelError, OptionError
from figureground.models import Classifier, load_classifier
from figureground.models.from_timm import from_config

PAGE = """
import torch
from torch import nn
from neighbour import WIDTH
from figureground.models import Classifier, Preprocessing

def plain(classes=3, channels=3):
    return nn.Sequential(
        nn.Conv2d(channels, WIDTH, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, classes)
    )

def timm_like():
    network = plain()
    network.default_cfg = {"input_size": (3, 40, 40), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    return network

def described():
    network = plain()
    network.preprocessing = {"size": 20, "mean": 0.25}
    network.class_names = ["a", "b", "c"]
    return network

def ours():
    made = Preprocessing((10, 12), "stretch", 1.0, "nearest", (0.0,) * 3, (1.0,) * 3)
    return Classifier(plain(), made, class_names="abc", notes=["made by hand"])

def with_ours():
    network = plain()
    network.preprocessing = ours().preprocessing
    return network

def no_network():
    return 3

def no_logits():
    return nn.Conv2d(3, 4, 1)

def too_large():
    return nn.Sequential(nn.Flatten(), nn.Linear(5, 2))

def wrong_option():
    return ours().preprocessing.changed({"resize": "squash"})

def broken():
    raise KeyError("weights")
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A user's file with a neighbour that it imports."""
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    (tmp_path / "my_models.py").write_text(PAGE)
    sys.modules.pop("neighbour", None)
    return tmp_path / "my_models.py"


def test_a_bare_module_is_taken_plainly_and_a_note_says_so(page: Path):
    classifier = load_classifier(f"{page}:plain", arguments={"classes": 5})
    assert classifier.num_classes == 5
    assert classifier.preprocessing.size == (224, 224)
    assert classifier.preprocessing.mean == (0.0,) * 3
    (note,) = classifier.notes
    assert "does not say how its images are prepared" in note


def test_whoever_says_how_images_are_prepared_gets_no_note(page: Path):
    classifier = load_classifier(f"{page}:plain", preprocessing={"size": 32})
    assert classifier.preprocessing.size == (32, 32)
    assert classifier.notes == ()


def test_grey_input_is_seen_in_the_first_convolution(page: Path):
    classifier = load_classifier(f"{page}:plain", arguments={"channels": 1})
    assert classifier.preprocessing.channels == 1
    assert classifier(torch.zeros(2, 1, 9, 9)).shape == (2, 3)


def test_a_module_may_say_how_its_images_are_prepared(page: Path):
    timm_like = load_classifier(f"{page}:timm_like")
    config = {"input_size": (3, 40, 40), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    assert timm_like.preprocessing == from_config(config)
    described = load_classifier(f"{page}:described")
    assert (described.preprocessing.size, described.preprocessing.mean) == ((20, 20), (0.25,) * 3)
    assert described.class_names == ("a", "b", "c")
    assert load_classifier(f"{page}:with_ours").preprocessing.size == (10, 12)
    assert timm_like.notes == described.notes == ()


def test_a_classifier_is_taken_with_all_its_facts(page: Path):
    classifier = load_classifier(f"{page}:ours")
    assert classifier.preprocessing.size == (10, 12)
    assert classifier.class_names == ("a", "b", "c")
    assert classifier.notes == ("made by hand",)
    assert not isinstance(classifier.network, Classifier)
    assert not classifier.network.training


def test_weights_go_into_the_network_of_a_file(page: Path):
    state = load_classifier(f"{page}:plain").network.state_dict()
    ones = {key: torch.ones_like(value) for key, value in state.items()}
    torch.save(ones, page.with_suffix(".pth"))
    for name in ("plain", "ours"):
        loaded = load_classifier(f"{page}:{name}", weights=page.with_suffix(".pth"))
        assert all(bool((value == 1).all()) for value in loaded.network.state_dict().values())


def test_an_error_of_ours_inside_a_factory_is_passed_on(page: Path):
    with pytest.raises(OptionError, match=r"no resize 'squash'"):
        load_classifier(f"{page}:wrong_option")


def test_the_search_path_is_as_it_was(page: Path):
    before = list(sys.path)
    load_classifier(f"{page}:plain")
    with pytest.raises(ModelError):
        load_classifier(f"{page}:broken")
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("plian", OptionError, "no function in .*closest: 'plain'"),
        ("no_network", ModelError, r"must return a torch.nn.Module, got int"),
        (
            "no_logits",
            ModelError,
            r"logits are floats \(N, L\) with N = 1; the model returned \(1, 4, 224, 224\)",
        ),
        ("too_large", ModelError, r"does not run on an image \(1, 3, 224, 224\)"),
        ("broken", ModelError, "failed: KeyError: 'weights'"),
    ],
)
def test_what_goes_wrong_is_reported(page: Path, name: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        load_classifier(f"{page}:{name}")


def test_arguments_that_do_not_fit_are_reported(page: Path):
    with pytest.raises(OptionError, match=r"cannot be called with \{'colour': 1\}"):
        load_classifier(f"{page}:plain", arguments={"colour": 1})


def test_a_file_that_is_missing_or_does_not_run_is_reported(tmp_path: Path):
    with pytest.raises(ModelError, match=r"no file .* to take a model from"):
        load_classifier(f"{tmp_path / 'none.py'}:f")
    (tmp_path / "bad.py").write_text("def f(:\n")
    with pytest.raises(ModelError, match="cannot be imported: SyntaxError"):
        load_classifier(f"{tmp_path / 'bad.py'}:f")
    with pytest.raises(OptionError, match=r"say which function .*bad\.py:FUNCTION"):
        load_classifier(str(tmp_path / "bad.py"))
