"""The files that the house rules are held against."""

from pathlib import Path

import pytest

_FOLDERS = ("src", "tests", "docs", "benchmarks", "recipes", "journal", ".ci")
_BUILT = {"__pycache__"}


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that holds pyproject.toml."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def texts(root: Path) -> list[Path]:
    """Every text file of the project, in a checkout or in an unpacked archive."""
    found = [path for folder in _FOLDERS for path in (root / folder).rglob("*")]
    found += [path for path in root.iterdir() if not path.name.startswith(".")]
    return sorted(path for path in found if path.is_file() and not _BUILT & set(path.parts))


@pytest.fixture(scope="session")
def sources(root: Path) -> list[Path]:
    """Every Python file of the package."""
    return sorted((root / "src" / "figureground").rglob("*.py"))


@pytest.fixture(scope="session")
def scripts(texts: list[Path]) -> list[Path]:
    """Every Python file of the project: package, tests, docs, benchmarks."""
    return [path for path in texts if path.suffix == ".py"]
