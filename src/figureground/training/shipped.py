"""The recipes that come with figureground, by name."""

__all__ = ["purpose", "recipe_path", "shipped_recipes"]

from pathlib import Path

from figureground.base.errors import unknown_option


def shipped_recipes() -> dict[str, Path]:
    """Every recipe that comes with the package or lies in its checkout.

    Returns:
        Name -> YAML file, sorted.
    """
    room = Path(__file__).parents[1]
    folders = [room / "recipes", room.parents[1] / "recipes"]
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def purpose(path: Path) -> str:
    """What a recipe is for.

    Args:
        path: Its file.

    Returns:
        The first line of its header.
    """
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()


def recipe_path(name_or_path: str) -> Path:
    """The file of a recipe.

    Args:
        name_or_path: A file, or the name of one that comes with figureground.

    Returns:
        The file.

    Raises:
        OptionError: It is neither; the message names the closest recipe.
    """
    path = Path(name_or_path)
    return path if path.is_file() else _shipped(name_or_path)


def _shipped(name_or_path: str) -> Path:
    known = shipped_recipes()
    if name_or_path not in known:
        raise unknown_option("recipe", name_or_path, known)
    return known[name_or_path]
