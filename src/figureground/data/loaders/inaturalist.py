"""iNaturalist 2017 as its competition distributes it, and the rare classes of the background-splitting benchmark."""

__all__ = ["SINGLE_CLASSES", "inaturalist17"]

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
    if not path.is_file():
        raise DataError(
            f"no file {path}: data.root of inaturalist17 holds {' and '.join(_FILES.values())}, and the pictures "
            "under the paths that these name"
        )
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


def _said(error: Exception) -> str:
    """What is missing, where a key is."""
    return f"no {error}" if isinstance(error, KeyError) else str(error)
