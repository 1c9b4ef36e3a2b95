"""Every recipe is read by the parser that trains by it, and says what it is for."""

from pathlib import Path

import pytest

from figureground.base.errors import FigureGroundError
from figureground.training.algorithms import resolved
from figureground.training.recipe import read_recipe

HEADS = ("command:", "hardware:", "data:", "expected:")


def broken_recipes(folder: Path) -> list[str]:
    """A complaint for each YAML file that no training can be done by, or whose header is incomplete."""
    complaints = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        text = path.read_text(encoding="utf-8")
        header = [line for line in text.splitlines() if line.startswith("#")]
        complaints += [
            f"{path}: no '{head}' in the header"
            for head in HEADS
            if not any(line.startswith(f"# {head}") for line in header)
        ]
        try:
            name = resolved(read_recipe(path)).name
        except FigureGroundError as error:
            complaints.append(f"{path}: {error}")
            continue
        if name != path.stem:
            complaints.append(f"{path}: its name is {name}")
    return complaints


GOOD = """# What for
#
# command: x
# hardware: x
# data: x
# expected: x
name: good
epochs: 1
data: {name: digits}
model: {name: m}
"""


def test_every_recipe_parses(root: Path):
    bad = broken_recipes(root / "recipes")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(
    "change",
    [
        ("epochs: 1", "epochs: [1"),
        ("epochs: 1", "epoch: 1"),
        ("epochs: 1", "epochs: 1\naugmentation: {mirror: 'no'}"),
        ("epochs: 1", "epochs: 1\nalgorithms: [{rotatoin: {}}]"),
        ("name: m", "name: !!python/object:os.system x"),
        ("name: good", "name: bad"),
        ("# hardware: x\n", ""),
    ],
)
def test_a_broken_recipe_is_reported(change: tuple[str, str], tmp_path: Path):
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert broken_recipes(tmp_path) == []
    path.write_text(GOOD.replace(*change))
    assert len(broken_recipes(tmp_path)) == 1
