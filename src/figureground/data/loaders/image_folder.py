"""A folder with a folder for each class, numbered so that ``2`` comes before ``10``."""

__all__ = ["PART_NAMES", "cinic10", "image_folder"]

from pathlib import Path

import torch

from figureground.base.errors import DataError
from figureground.data.finding import image_files, natural_key
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages

PART_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval"),
}
"""Part of a divided set -> how its folder may be called."""

_PARTS = frozenset(name for names in PART_NAMES.values() for name in names)
_CINIC_PARTS = {"train": "train", "val": "valid", "test": "test"}


def image_folder(root: Path | str, *, background: str | None = "background") -> LabeledImages:
    """The images in the class folders of a folder.

    Classes are numbered in natural order (``2`` before ``10``), and the background folder, wherever
    its name would sort, has the last label, K.

    Args:
        root: Holds a folder for each class; folders inside these are searched too.
        background: Name of the folder of background images, in any case; there need not be one.

    Returns:
        The images, decoded when asked for. A note says so where torchvision's ``ImageFolder``,
        which sorts names as strings, would number them otherwise.

    Raises:
        DataError: There are no class folders, one of them holds no image, or they are parts of a divided set.
    """
    place = Path(root)
    if not place.is_dir():
        raise DataError(f"no folder {place}")
    visible = [
        path for path in place.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))
    ]
    folders = sorted(visible, key=natural_key)
    grounds = [path for path in folders if background and path.name.lower() == background.lower()]
    classes = [path for path in folders if path not in grounds]
    if not classes:
        raise DataError(f"{place} holds no class folders; each class has its own folder of images")
    parts = [path.name for path in classes if path.name.lower() in _PARTS]
    if len(parts) > 1 or len(parts) == len(classes):
        raise DataError(
            f"{place} holds the parts of a divided set ({', '.join(parts)}), not classes; name one of them: "
            f"{classes[0].parent / parts[0]}"
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate([*classes, *grounds[:1]]):
        found = image_files(folder)
        paths += found
        labels += [label] * len(found)
    names = tuple(path.name for path in classes)
    return LabeledImages(
        LazyImages.of_files(paths), torch.tensor(labels), names, notes=_notes(classes, grounds)
    )


def cinic10(root: Path | str, part: str) -> LabeledImages:
    """CINIC-10 as its archive unpacks.

    Args:
        root: Holds ``train``, ``valid`` and ``test``.
        part: ``train``, ``val`` or ``test``.

    Returns:
        90,000 images of 32x32 pixels in 10 classes, where complete.

    Raises:
        DataError: The folder is not there.

    References:
        L. N. Darlow, E. J. Crowley, A. Antoniou, A. Storkey (2018). CINIC-10 is not ImageNet or
        CIFAR-10. arXiv:1810.03505.
    """
    place = Path(root) / _CINIC_PARTS[part]
    if not place.is_dir():
        raise DataError(f"no folder {place}; CINIC-10 unpacks to train, valid and test")
    return image_folder(place)


def _notes(classes: list[Path], grounds: list[Path]) -> tuple[str, ...]:
    """Where numbers differ from those of torchvision's ImageFolder."""
    ours = [path.name for path in (*classes, *grounds)]
    theirs = sorted(ours)
    if ours == theirs:
        return ()
    first = next(at for at, name in enumerate(ours) if name != theirs[at])
    note = (
        f"classes are numbered in natural order with background last: label {first} is "
        f"'{ours[first]}'; torchvision's ImageFolder, which sorts names as strings, gives {first} to "
        f"'{theirs[first]}', so a network trained with it has other labels"
    )
    return (note,)
