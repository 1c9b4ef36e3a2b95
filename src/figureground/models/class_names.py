"""Class names from a file."""

__all__ = ["read_class_names"]

from pathlib import Path
from typing import Any

from figureground.base.errors import DataError, ModelError
from figureground.base.record import read_json


def read_class_names(path: Path | str) -> tuple[str, ...]:
    """The class names in a file, in the order of the logits.

    Args:
        path: ``.json`` with a list of names or an object from index to name (or to a list that ends with the name); any
            other file has one name per line.

    Returns:
        One name per class.

    Raises:
        ModelError: The file is missing, is no such list, or skips an index.
    """
    file = Path(path)
    try:
        if file.suffix.lower() == ".json":
            names = _from_json(read_json(file), file)
        else:
            names = [
                line.strip() for line in file.read_text(encoding="utf-8-sig").rstrip().splitlines()
            ]
    except (DataError, OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read class names from {file}: {error}") from error
    if not names or not all(names):
        raise ModelError(f"{file} has no name for class {names.index('') if names else 0}")
    return tuple(names)


def _from_json(content: Any, file: Path) -> list[str]:  # noqa: ANN401 - anything that JSON can hold
    """Names from a list, or from an object whose keys count from 0."""
    if isinstance(content, dict):
        indices = [str(index) for index in range(len(content))]
        if set(content) != set(indices):
            raise ModelError(f"{file} must have a name for each index from 0 to {len(content) - 1}")
        content = [content[index] for index in indices]
    if not isinstance(content, list):
        raise ModelError(f"{file} must hold a list of names or an object from index to name")
    names = [entry[-1] if isinstance(entry, list) and entry else entry for entry in content]
    if not all(isinstance(name, str) for name in names):
        raise ModelError(f"{file} holds something that is no name")
    return names
