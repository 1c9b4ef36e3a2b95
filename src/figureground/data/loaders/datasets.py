"""The data sets, and their parts."""

__all__ = ["DATASETS", "DatasetEntry", "load_dataset", "parts_of"]

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from figureground.base.errors import DataError, unknown_option
from figureground.data.labeled import LabeledImages
from figureground.data.loaders.boxes_file import boxed_images
from figureground.data.loaders.cluttered import cluttered_digits, cluttered_mnist
from figureground.data.loaders.image_folder import cinic10, image_folder
from figureground.data.loaders.inaturalist import inaturalist17
from figureground.data.loaders.labels_file import labels_file
from figureground.data.loaders.load_options import LoadOptions
from figureground.data.loaders.packed_sets import mnist, pack
from figureground.data.loaders.planted_sets import planted
from figureground.data.loaders.torchvision_sets import caltech, cifar, flowers102, stl10
from figureground.data.packs import shared_folder
from figureground.data.splits import split, split_groups

_PARTS = ("train", "val", "test")
_DEFAULTS = LoadOptions()
_ROOT = "data.root in a recipe, --root on the command line, root in the library"
_TEST_SHARE = 0.2  # of a set without an official test part


@dataclass(frozen=True)
class DatasetEntry:
    """A data set: what it is, how it is officially divided, how to load a part.

    Args:
        description: One line.
        parts: Its official parts; ``("all",)`` where there are none.
        load: ``load(root, part, options)``.
        unknown: Options that mean nothing for it.
    """

    description: str
    parts: tuple[str, ...]
    load: Callable[[Path | None, str, LoadOptions], LabeledImages]
    unknown: tuple[str, ...] = ("count", "background", "rho")


def load_dataset(
    name: str, root: Path | str | None = None, *, part: str, options: LoadOptions = _DEFAULTS
) -> LabeledImages:
    """One part of a data set.

    Where there is no official validation part, ``val`` is ``options.val_fraction`` of the official
    training part, and ``train`` the rest, divided by class with ``options.seed``. Where there is no
    official test part either, ``test`` is a fifth of all, divided off first.

    Args:
        name: One of `DATASETS`; case does not matter.
        root: Where the set is, or goes when it is downloaded; packs are found in the shared folder
            without it.
        part: ``train``, ``val`` or ``test``.
        options: Seeds, shares, downloads.

    Returns:
        The images of that part.

    Raises:
        OptionError: There is no such set or part, or the set has no such option.
        DataError: The set is not there or cannot be read.
    """
    entry = _entry(name)
    _check_part(part)
    options.refuse(name, *entry.unknown)
    place = None if root is None else Path(root)
    if part in entry.parts and (part == "test" or "val" in entry.parts):
        return entry.load(place, part, options)
    if entry.parts == ("all",):
        return _divided(entry.load(place, "all", options), part, options)
    official = entry.load(place, "train", options)
    return official.subset(
        parts_of(official, options.val_fraction, seed=options.seed)[_PARTS.index(part)]
    )


def parts_of(data: LabeledImages, share: float, *, seed: int) -> tuple[Tensor, ...]:
    """Rows of all but this share of every class, and of the share; images of one group stay together.

    Args:
        data: Any images.
        share: Above 0 and below 1.
        seed: Any integer.

    Returns:
        Sorted, disjoint rows of both parts, together all.
    """
    shares = (1 - share, share)
    if data.groups is None:
        return split(data.labels, shares, seed=seed)
    return split_groups(data.groups.tolist(), shares, strata=data.labels.tolist(), seed=seed)


def _entry(name: str) -> DatasetEntry:
    """The set of this name."""
    if name.lower() not in DATASETS:
        raise unknown_option("data set", name, DATASETS)
    return DATASETS[name.lower()]


def _check_part(part: str) -> None:
    if part not in _PARTS:
        raise unknown_option("part", part, _PARTS)


def _divided(data: LabeledImages, part: str, options: LoadOptions) -> LabeledImages:
    """A part of a set that nobody divided. The test does not change with the share of validation."""
    rest, test = parts_of(data, _TEST_SHARE, seed=options.seed)
    note = f"{len(test)} of {len(data)} images are set aside as test images: the set is not divided by itself"
    data = replace(data, notes=(*data.notes, note))
    if part == "test":
        return data.subset(test)
    left = data.subset(rest)
    return left.subset(
        parts_of(left, options.val_fraction, seed=options.seed + 1)[_PARTS.index(part)]
    )


def _needed(root: Path | None, name: str) -> Path:
    if root is None:
        raise DataError(f"say where the set '{name}' is, or where it goes: {_ROOT}")
    return root


def _pack_file(root: Path | None, name: str) -> Path:
    """The pack in this folder or in the shared one, or the file that was named."""
    if root is None:
        shared = shared_folder()
        if shared is None:
            raise DataError(f"say where {name} is: {_ROOT}")
        root = shared / "packs"
    return root / name if root.is_dir() else root


def _cifar(classes: int) -> Callable[[Path | None, str, LoadOptions], LabeledImages]:
    def load(root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
        place = _needed(root, f"cifar{classes}")
        return cifar(place, train=part == "train", classes=classes, download=options.download)

    return load


def _stl10(root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
    return stl10(_needed(root, "stl10"), train=part == "train", download=options.download)


def _flowers(root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
    return flowers102(_needed(root, "flowers102"), part, download=options.download)


def _caltech(name: str) -> Callable[[Path | None, str, LoadOptions], LabeledImages]:
    def load(root: Path | None, _part: str, options: LoadOptions) -> LabeledImages:
        place = _needed(root, name)
        return caltech(name, place, download=options.download, background=options.background)

    return load


def _folder(root: Path | None, _part: str, _options: LoadOptions) -> LabeledImages:
    return image_folder(_needed(root, "folder"))


def _csv(root: Path | None, _part: str, _options: LoadOptions) -> LabeledImages:
    return labels_file(_needed(root, "csv"))


def _boxes(root: Path | None, _part: str, _options: LoadOptions) -> LabeledImages:
    return boxed_images(_needed(root, "boxes"))


def _inaturalist(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return inaturalist17(_needed(root, "inaturalist17"), "val" if part == "test" else part)


def _cinic(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return cinic10(_needed(root, "cinic10"), part)


def _cifar_jpeg(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return pack(_pack_file(root, "cifar10_jpeg.npz"), train=part == "train")


def _tiny(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    files = {"train": "tiny_imagenet_train25k.npz", "test": "tiny_imagenet_val5k.npz"}
    return pack(_pack_file(root, files[part]))


def _textures(root: Path | None, _part: str, _options: LoadOptions) -> LabeledImages:
    return pack(_pack_file(root, "dtd10.npz"))


def _mnist(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return mnist(_pack_file(root, "mnist.npz"), train=part == "train")


def _clutter(_root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
    return cluttered_digits(part, options)


def _clutter_mnist(root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
    return cluttered_mnist(_pack_file(root, "mnist.npz"), part, options)


def _planted(kind: str) -> Callable[[Path | None, str, LoadOptions], LabeledImages]:
    def load(root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
        return planted(kind, root, part=part, options=options)

    return load


_LOCAL = ("download", "count", "background", "rho")
_NO_COUNT = ("count", "rho")
_MADE = ("download", "val_fraction", "rho")
_PLANTED = ("download", "val_fraction")
_TWO = ("train", "test")

DATASETS: dict[str, DatasetEntry] = {
    "stl10": DatasetEntry("10 classes, 96x96", _TWO, _stl10),
    "cifar10": DatasetEntry("10 classes, 32x32", _TWO, _cifar(10)),
    "cifar100": DatasetEntry("100 classes, 32x32", _TWO, _cifar(100)),
    "flowers102": DatasetEntry("102 flowers, images", _PARTS, _flowers),
    "caltech101": DatasetEntry("101 classes, images", ("all",), _caltech("caltech101"), _NO_COUNT),
    "caltech256": DatasetEntry("256 classes, images", ("all",), _caltech("caltech256"), _NO_COUNT),
    "cinic10": DatasetEntry("10 classes, 32x32, a folder", _PARTS, _cinic, _LOCAL),
    "folder": DatasetEntry("a folder of class folders", ("all",), _folder, _LOCAL),
    "boxes": DatasetEntry("images with boxes: COCO, CSV, VOC, WSOL", ("all",), _boxes, _LOCAL),
    "csv": DatasetEntry("a CSV file, path,label", ("all",), _csv, _LOCAL),
    # the competition's test part has no labels: its validation part is the test here, as in the rare-class benchmark
    "inaturalist17": DatasetEntry("5,089 species, images", _TWO, _inaturalist, _LOCAL),
    "cifar10-jpeg": DatasetEntry("CIFAR-10-JPEG75, a pack", _TWO, _cifar_jpeg, _LOCAL),
    "tiny-imagenet": DatasetEntry("200 classes, 64x64, boxes, packs", _TWO, _tiny, _LOCAL),
    "dtd10": DatasetEntry("10 textures, images, a pack", ("all",), _textures, _LOCAL),
    "mnist": DatasetEntry("digits, 28x28, a pack", _TWO, _mnist, _LOCAL),
    "cluttered-digits": DatasetEntry("scikit-learn's digits, 48x48", _PARTS, _clutter, _MADE),
    "cluttered-mnist": DatasetEntry("MNIST, 100x100", _PARTS, _clutter_mnist, _MADE),
    "planted-photos": DatasetEntry(
        "digits on photographs of their class, 64x64", _PARTS, _planted("photos"), _PLANTED
    ),
    "planted-tints": DatasetEntry(
        "digits on the colour of their class, 32x32", _PARTS, _planted("tints"), _PLANTED
    ),
    "planted-patch": DatasetEntry(
        "digits beside a square of their class, 32x32", _PARTS, _planted("patch"), _PLANTED
    ),
    "planted-pictures": DatasetEntry(
        "CIFAR-10 on the colour of their class", _PARTS, _planted("pictures"), _PLANTED
    ),
    "planted-textures": DatasetEntry(
        "CIFAR-10 on photographs of textures of their class, 64x64",
        _PARTS,
        _planted("textures"),
        _PLANTED,
    ),
}
