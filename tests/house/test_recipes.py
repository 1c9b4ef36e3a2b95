"""Every recipe is read by the parser that trains by it, and says what it is for."""

from pathlib import Path

import pytest

from figureground.base.errors import FigureGroundError
from figureground.data.loaders import DATASETS
from figureground.models.from_figureground import NETWORKS
from figureground.training.algorithms import resolved
from figureground.training.recipe import read_recipe
from figureground.training.schedules import OPTIMISERS, SCHEDULES

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


def test_every_recipe_names_a_data_set_a_network_an_optimiser_and_a_schedule_of_ours(root: Path):
    for path in (root / "recipes").glob("*.yaml"):
        recipe = read_recipe(path)
        assert recipe.data.name in DATASETS, path
        kind, _, name = recipe.model.name.partition(":")
        assert kind != "figureground" or name in NETWORKS, path
        assert recipe.optimiser.kind in OPTIMISERS, path
        assert recipe.schedule.kind in SCHEDULES, path


@pytest.mark.parametrize(
    "change",
    [
        ("epochs: 1", "epochs: [1"),
        ("epochs: 1", "epoch: 1"),
        ("epochs: 1", "epochs: 1\naugmentation: {flip: 'no'}"),
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
