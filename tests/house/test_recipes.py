"""Every recipe can be read, and is a table of named settings."""

from pathlib import Path

import pytest
import yaml


def broken_recipes(folder: Path) -> list[str]:
    """A complaint for each YAML file that does not hold a mapping."""
    complaints = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        try:
            recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            complaints.append(f"{path}: {error}")
            continue
        if not isinstance(recipe, dict):
            complaints.append(f"{path}: holds {type(recipe).__name__}, not named settings")
    return complaints


def test_every_recipe_parses(root: Path):
    bad = broken_recipes(root / "recipes")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("text", ["a: [1", "- 1\n", "", "a: !!python/object:os.system x"])
def test_a_broken_recipe_is_reported(text: str, tmp_path: Path):
    (tmp_path / "good.yaml").write_text("model: timm:resnet18\n")
    assert broken_recipes(tmp_path) == []
    (tmp_path / "bad.yaml").write_text(text)
    assert len(broken_recipes(tmp_path)) == 1
