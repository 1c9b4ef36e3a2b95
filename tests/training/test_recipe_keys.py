"""Keys of algorithms are named before torch is loaded, and are those that the algorithms have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from figureground.base.errors import OptionError
from figureground.training.algorithms import ALGORITHMS
from figureground.training.recipe import changed
from figureground.training.recipe_keys import algorithm_keys, refuse_unknown_keys

SMALL = {
    "name": "x",
    "epochs": 1,
    "data": {"name": "digits"},
    "model": {"name": "figureground:lenet-gap"},
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_keys_are_those_of_the_options(name: str):
    assert set(algorithm_keys(name)) == set(ALGORITHMS[name].Options.model_fields)


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ("{distillation: {method: kd}}", "distillation: no key 'method'; known: cache_logits, "),
        ("{background-class: {ratoi: 1}}", "no key 'ratoi'; closest: 'ratio'"),
        ("{cam-erasing: {attempt: 1}}", "no key 'attempt'; closest: 'attempts'"),
        ("{backgroundclass: {}}", "no algorithm 'backgroundclass'; closest: 'background-class'"),
    ],
)
def test_unknown_ones_are_named_with_the_closest(algorithm: str, message: str):
    recipe = changed(SMALL, [f"algorithms=[{{rotation: {{lam: 1}}}}, {algorithm}]"])
    with pytest.raises(OptionError) as caught:
        refuse_unknown_keys(recipe)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "change", ["algorithms=[{distillation: {method: kd}}]", "optimiser.rl=1", "epochs=x"]
)
def test_the_command_names_them_without_torch(change: str, tmp_path: Path):
    words = ["train", "cluttered-digits-lenet", "--out", str(tmp_path / "run"), "--set", change]
    code = (
        "import sys\n"
        f"sys.argv = ['figureground', *{words!r}]\n"
        "from figureground.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=False
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stdout == "False\n"
