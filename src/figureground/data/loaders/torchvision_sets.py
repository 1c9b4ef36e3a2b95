"""Data sets that torchvision knows how to fetch, from their official addresses."""

__all__ = ["caltech", "cifar", "flowers102", "stl10"]

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from figureground.base.errors import DataError
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders.image_folder import image_folder
from figureground.data.loaders.load_options import checked_flag, official_errors

# class name, folder of images, folder of background
_CALTECH = {
    "caltech101": ("Caltech101", "101_ObjectCategories", "BACKGROUND_Google"),
    "caltech256": ("Caltech256", "256_ObjectCategories", "257.clutter"),
}


def cifar(
    root: Path | str, *, train: bool, classes: int = 10, download: bool = False
) -> LabeledImages:
    """CIFAR-10 or CIFAR-100.

    Args:
        root: Where the set is, or goes.
        train: True for the 50,000 training images, False for the 10,000 test images; nothing
            else is taken, not even ``'False'``.
        classes: 10 or 100.
        download: Fetch it when it is not there.

    Returns:
        Images of 32x32 pixels in memory.

    References:
        A. Krizhevsky (2009). Learning multiple layers of features from tiny images.
    """
    from torchvision import datasets  # noqa: PLC0415 - slow to import

    checked_flag("train", train)
    kind = {10: datasets.CIFAR10, 100: datasets.CIFAR100}[classes]
    with official_errors(f"cifar{classes}", download=download):
        held = kind(str(root), train=train, download=download)
    pixels = torch.from_numpy(held.data).permute(0, 3, 1, 2).contiguous()
    return LabeledImages(pixels, torch.tensor(held.targets), tuple(held.classes))


def stl10(root: Path | str, *, train: bool, download: bool = False) -> LabeledImages:
    """STL-10. Its images come from ImageNet: networks pre-trained there may have seen the test part.

    Args:
        root: Where the set is, or goes.
        train: True for the 5,000 labelled training images, False for the 8,000 test images;
            nothing else is taken.
        download: Fetch it when it is not there.

    Returns:
        Images of 96x96 pixels in memory.

    References:
        A. Coates, H. Lee, A. Y. Ng (2011). An analysis of single-layer networks in unsupervised
        feature learning. AISTATS.
    """
    from torchvision import datasets  # noqa: PLC0415 - slow to import

    part = "train" if checked_flag("train", train) else "test"
    with official_errors("stl10", download=download):
        held = datasets.STL10(str(root), split=part, download=download)
    labels = torch.from_numpy(np.asarray(held.labels, np.int64))
    return LabeledImages(torch.from_numpy(held.data), labels, tuple(held.classes))


def flowers102(root: Path | str, part: str, *, download: bool = False) -> LabeledImages:
    """Oxford's 102 flowers in their official parts (1,020, 1,020 and 6,149 images).

    Args:
        root: Where the set is, or goes.
        part: ``train``, ``val`` or ``test``.
        download: Fetch it when it is not there.

    Returns:
        Images of various sizes, decoded when asked for.

    References:
        M.-E. Nilsback, A. Zisserman (2008). Automated flower classification over a large number of
        classes. ICVGIP.
    """
    from torchvision import datasets  # noqa: PLC0415 - slow to import

    with official_errors("flowers102", download=download):
        held = datasets.Flowers102(str(root), split=part, download=download)
    # torchvision has no public list of files and labels, and decoding all to learn labels is slow
    files, labels = held._image_files, held._labels  # noqa: SLF001
    names = tuple(getattr(held, "classes", ())) or tuple(f"flower {row}" for row in range(102))
    return LabeledImages(LazyImages.of_files(files), torch.tensor(labels), names)


def caltech(
    name: str, root: Path | str, *, download: bool = False, background: bool = False
) -> LabeledImages:
    """Caltech-101 or Caltech-256, undivided: there is no official split.

    Args:
        name: ``caltech101`` or ``caltech256``.
        root: Where the set is, or goes.
        download: Fetch it when it is not there.
        background: Keep the set's own clutter category, as background.

    Returns:
        Images of various sizes in 101 or 256 classes, decoded when asked for.

    Raises:
        DataError: The set is not there.

    References:
        L. Fei-Fei, R. Fergus, P. Perona (2004). Learning generative visual models from few training
        examples. CVPR workshop. G. Griffin, A. Holub, P. Perona (2007). Caltech-256 object category
        dataset.
    """
    kind, folder, clutter = _CALTECH[name]
    place = Path(root) / name / folder
    if download and not place.is_dir():
        from torchvision import datasets  # noqa: PLC0415 - slow to import

        with official_errors(name, download=True):
            getattr(datasets, kind)(str(root), download=True)
    if not place.is_dir():
        raise DataError(
            f"no folder {place}; the set is fetched from its official address with the option download"
        )
    data = replace(image_folder(place, background=clutter), notes=())
    known = data.labels < data.background_index
    return data if background else data.subset(known.nonzero()[:, 0])
