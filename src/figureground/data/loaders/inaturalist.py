"""iNaturalist 2017 as its competition distributes it."""

__all__ = ["inaturalist17"]

from pathlib import Path

import torch

from figureground.base.errors import DataError
from figureground.base.record import read_json
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages

_FILES = {"train": "train2017.json", "val": "val2017.json"}


def inaturalist17(root: Path | str, part: str) -> LabeledImages:
    """The images of the training or validation part, in 5,089 categories.

    The classes are named by their category ids, ``"0"`` to ``"5088"``, as the splits name them.

    Args:
        root: Holds ``train2017.json`` and ``val2017.json`` (COCO style), and the images under the paths they name.
        part: ``train`` (579,184 images) or ``val`` (95,986), where complete.

    Returns:
        The images, decoded when asked for.

    Raises:
        DataError: A file is missing or is not such a list.

    References:
        Van Horn et al. (2018). The iNaturalist species classification and detection dataset. CVPR, arXiv:1707.06642.
    """
    path = Path(root) / _FILES[part]
    if not path.is_file():
        raise DataError(
            f"no file {path}: data.root of inaturalist17 holds {' and '.join(_FILES.values())}, and the images "
            "under the paths that these name"
        )
    content = read_json(path)
    try:
        categories = sorted(int(one["id"]) for one in content["categories"])
        label_of = {int(one["image_id"]): int(one["category_id"]) for one in content["annotations"]}
        images = [(str(one["file_name"]), label_of[int(one["id"])]) for one in content["images"]]
        rows = {category: row for row, category in enumerate(categories)}
        labels = torch.tensor([rows[category] for _, category in images], dtype=torch.int64)
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{path} is no list of iNaturalist: {_said(error)}") from error
    files = [Path(root) / name for name, _ in images]
    return LabeledImages(LazyImages.of_files(files), labels, tuple(map(str, categories)))


def _said(error: Exception) -> str:
    """What is missing, where a key is."""
    return f"no {error}" if isinstance(error, KeyError) else str(error)
