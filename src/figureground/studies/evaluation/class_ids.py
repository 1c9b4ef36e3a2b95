"""Ids of another list of classes, as the classes that the model knows."""

__all__ = ["read_class_ids"]

from pathlib import Path

from figureground.base.errors import DataError
from figureground.base.record import read_json


def read_class_ids(path: Path | str) -> dict[str, int | str]:
    r"""Which class each id of an annotation stands for.

    Args:
        path: ``.json`` with an object from id to class, or lines ``id class``. A class is a number, counted as labels
            of the data are, or a name.

    Returns:
        Id, as text, -> number or name of the class.

    Raises:
        DataError: The file cannot be read, a line has no class, or an id comes twice.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder, "ids.txt")
        ...     _ = place.write_text("1 449\n2 tiger cat\n")
        ...     read_class_ids(place)
        {'1': 449, '2': 'tiger cat'}
    """
    file = Path(path)
    if file.suffix.lower() == ".json":
        content = read_json(file)
        if not isinstance(content, dict):
            raise DataError(f"{file} must hold an object from id to class")
        pairs = [(str(key), str(value)) for key, value in content.items()]
    else:
        pairs = _lines(file)
    found: dict[str, int | str] = {}
    for key, name in pairs:
        if not name:
            raise DataError(f"{file}: the id '{key}' has no class; a line is 'id class'")
        if key in found:
            raise DataError(f"{file}: the id '{key}' comes twice")
        found[key] = int(name) if name.isascii() and name.isdecimal() else name
    return found


def _lines(file: Path) -> list[tuple[str, str]]:
    """Ids and classes of a text file."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read class ids from {file}: {error}") from error
    parts = [line.split(None, 1) for line in lines if line.strip()]
    return [(part[0].rstrip(",:"), part[1].strip() if len(part) > 1 else "") for part in parts]
