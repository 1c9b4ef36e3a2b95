"""Class names from a file."""

__all__ = ["read_class_names"]

import ast
import json
from pathlib import Path
from typing import Any

from figureground.base.errors import ModelError


def read_class_names(path: Path | str) -> tuple[str, ...]:
    """The class names in a file, in the order of the logits.

    Args:
        path: A list of names, or an object from index to name (or to a list that ends with the name) or from name to
            index, as JSON or as Python writes it; ``config.json`` of transformers; any other file has a name per line.

    Returns:
        One name per class.

    Raises:
        ModelError: The file is missing, is no such list, or skips an index.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".json" or text.lstrip().startswith("{"):
            names = _from_json(_parsed(text), file)
        else:
            names = [line.strip() for line in text.rstrip().splitlines()]
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ModelError(f"cannot read class names from {file}: {error}") from error
    if not names or not all(names):
        raise ModelError(f"{file} has no name for class {names.index('') if names else 0}")
    return tuple(names)


def _parsed(text: str) -> Any:  # noqa: ANN401 - anything
    """JSON, or what Python prints of a dictionary."""
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text.strip())


def _from_json(content: Any, file: Path) -> list[str]:  # noqa: ANN401 - anything that JSON can hold
    """Names from a list, or from an object whose keys count from 0."""
    if isinstance(content, dict) and isinstance(content.get("id2label"), dict):
        content = content["id2label"]
    if isinstance(content, dict) and content and all(type(one) is int for one in content.values()):
        content = {index: name for name, index in content.items()}
    if isinstance(content, dict):
        content = {str(index): name for index, name in content.items()}
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
