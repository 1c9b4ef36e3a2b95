"""iNaturalist 2017 as its competition distributes it, and the rare classes of the background-splitting benchmark."""

__all__ = ["SINGLE_CLASSES", "inaturalist17", "read_category_ids"]

from pathlib import Path

import torch

from figureground.base.errors import DataError
from figureground.base.record import read_json
from figureground.data.labeled import LabeledImages, LazyPictures

SINGLE_CLASSES = (2484, 5019, 3153, 4941, 776, 4813, 4297, 2704, 764, 1529)
"""Category ids of the ten problems with one rare class (99.98 % background): ``rare: ["2484"]`` and so on."""

_FILES = {"train": "train2017.json", "val": "val2017.json"}


def inaturalist17(root: Path | str, part: str) -> LabeledImages:
    """The pictures of the training or validation part, in 5,089 categories.

    The classes are named by their category ids, ``"0"`` to ``"5088"``, as the splits name them.

    Args:
        root: Holds ``train2017.json`` and ``val2017.json`` (COCO style), and the pictures under the paths they name.
        part: ``train`` (579,184 pictures) or ``val`` (95,986), where complete.

    Returns:
        The pictures, decoded when asked for.

    Raises:
        DataError: A file is missing or is not such a list.

    References:
        Van Horn et al. (2018). The iNaturalist species classification and detection dataset. CVPR, arXiv:1707.06642.
    """
    path = Path(root) / _FILES[part]
    content = read_json(path)
    try:
        categories = sorted(int(one["id"]) for one in content["categories"])
        label_of = {int(one["image_id"]): int(one["category_id"]) for one in content["annotations"]}
        pictures = [(str(one["file_name"]), label_of[int(one["id"])]) for one in content["images"]]
        rows = {category: row for row, category in enumerate(categories)}
        labels = torch.tensor([rows[category] for _, category in pictures], dtype=torch.int64)
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{path} is no list of iNaturalist: {_said(error)}") from error
    files = [Path(root) / name for name, _ in pictures]
    return LabeledImages(LazyPictures.of_files(files), labels, tuple(map(str, categories)))


def read_category_ids(path: Path | str) -> tuple[str, ...]:
    """Category ids from a file with one a line, such as the official split of 100 (98.30 % background).

    Args:
        path: ``inaturalist17_bg_100.txt`` of the official code, or one's own.

    Returns:
        The ids, for ``data.rare``.

    Raises:
        DataError: The file cannot be read, or a line is no number.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "ids.txt")
        ...     _ = file.write_text("2484 5019")
        ...     read_category_ids(file)
        ('2484', '5019')
    """
    try:
        words = Path(path).read_text(encoding="utf-8").split()
        return tuple(str(int(word)) for word in words)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read category ids from {path}: {error}") from error


def _said(error: Exception) -> str:
    """What is missing, where a key is."""
    return f"no {error}" if isinstance(error, KeyError) else str(error)
