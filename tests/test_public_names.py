"""What ``import figureground as fg`` offers."""

import subprocess
import sys
from types import ModuleType

import pytest

import figureground as fg

CLASSES = {entry.kind for entry in fg.METHODS.values()}
ROOMS = {"data", "errors", "maps", "methods", "metrics", "models", "studies", "training"}
QUESTIONS = {"explain", "evaluate", "compare", "rank", "train", "load_run", "diagnose", "export"}
OTHERS = {
    "BackgroundSwap",
    "METHODS",
    "CamMethod",
    "Classifier",
    "Explainer",
    "Explanation",
    "finer",
    "load_classifier",
}


def test_the_public_names_are_these():
    assert set(fg.__all__) == CLASSES | ROOMS | QUESTIONS | OTHERS | {"__version__"}
    assert sorted(fg.__all__) == dir(fg)
    assert set(fg._TABLE) == set(fg.__all__) - {"__version__"}


@pytest.mark.parametrize("name", sorted(fg.__all__))
def test_every_public_name_is_there(name: str):
    found = getattr(fg, name)
    assert isinstance(found, ModuleType) == (name in ROOMS)
    if name in QUESTIONS:
        assert callable(found)
    if name in CLASSES:
        assert found.__name__ == name
        assert fg.METHODS[found.name].load() is found


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'figureground' has no attribute 'nothing'"):
        _ = fg.nothing
    assert not hasattr(fg.methods, "nothing")


def test_importing_loads_neither_torch_nor_numpy():
    script = (
        "import sys, figureground as fg\n"
        "assert 'Explainer' in dir(fg)\n"
        "assert fg.METHODS['grad-cam'].signed is False\n"
        "print(*{'torch', 'numpy', 'PIL', 'timm'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("\n", "")


def test_a_room_imports_no_slow_library_before_it_is_used():
    engines = {"timm", "transformers", "sklearn", "lightning", "torch._dynamo", "torchvision"}
    absent = {
        "models": engines,
        "models.from_figureground": engines,
        "methods.explainer": engines,
        "maps": {"numba", "scipy", "skimage", "torchvision"},
        "metrics.localisation": {"numba", "scipy", "torchmetrics"},
        "metrics.faithfulness": {"numba", "scipy", "torchmetrics"},
        "metrics.classification": {"scipy", "sklearn", "torchmetrics"},
        "metrics.information": {"torchmetrics", "torchvision"},
        "data": {"numba", "scipy", "sklearn", "torchvision"},
    }
    script = (  # torch is imported once, each room in a child
        "import importlib, os, sys, torch\n"
        f"for room, absent in {absent}.items():\n"
        "    if os.fork() == 0:\n"
        "        importlib.import_module('figureground.' + room)\n"
        "        print(room, *absent & set(sys.modules), flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout.splitlines(), done.stderr) == (list(absent), "")
