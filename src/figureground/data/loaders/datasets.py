"""The data sets, and their parts."""

__all__ = ["DATASETS", "DatasetEntry", "load_dataset", "load_parts", "parts_of"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from figureground.base.errors import DataError, unknown_option
from figureground.data.labeled import LabeledImages
from figureground.data.loaders.boxes_file import boxed_images
from figureground.data.loaders.cluttered import cluttered_digits, cluttered_mnist
from figureground.data.loaders.divided_folder import divided_folder, folder_parts
from figureground.data.loaders.image_folder import cinic10, image_folder
from figureground.data.loaders.inaturalist import inaturalist17
from figureground.data.loaders.labels_file import labels_file
from figureground.data.loaders.load_options import LoadOptions
from figureground.data.loaders.packed_sets import mnist, pack
from figureground.data.loaders.parquet import parquet_images
from figureground.data.loaders.planted_sets import planted
from figureground.data.loaders.shards import shard_parts
from figureground.data.loaders.torchvision_sets import caltech, cifar, flowers102, stl10
from figureground.data.loaders.webdataset import tar_images
from figureground.data.packs import shared_folder
from figureground.data.splits import split, split_groups

_PARTS = ("train", "val", "test")
_DEFAULTS = LoadOptions()
_ROOT = "data.root in a recipe, --root on the command line, root in the library"


@dataclass(frozen=True)
class DatasetEntry:
    """A data set: what it is, how it is officially divided, how to load a part.

    Args:
        description: One line.
        parts: Its official parts; ``("all",)`` where there are none.
        load: ``load(root, part, options)``.
        origin: How to get it, and what ``root`` is then; shown where it is absent.
        unknown: Options that mean nothing for it.
        find_parts: ``find_parts(root)``, for sets that may or may not be divided by themselves.
    """

    description: str
    parts: tuple[str, ...]
    load: Callable[[Path | None, str, LoadOptions], LabeledImages]
    origin: str
    unknown: tuple[str, ...] = ("count", "background", "rho")
    find_parts: Callable[[Path | None], tuple[str, ...]] | None = None


def load_dataset(
    name: str, root: Path | str | None = None, *, part: str, options: LoadOptions = _DEFAULTS
) -> LabeledImages:
    """One part of a data set.

    Where there is no official validation part, ``val`` is ``options.val_fraction`` of the official
    training part, and ``train`` the rest, divided by class with ``options.seed``. Where there is no
    official test part either, ``test`` is ``options.test_fraction`` of all, divided off first. A note says
    how many images each part has then.

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
    (found,) = load_parts(name, root, parts=(part,), options=options)
    return found


def load_parts(
    name: str,
    root: Path | str | None = None,
    *,
    parts: Sequence[str],
    options: LoadOptions = _DEFAULTS,
) -> tuple[LabeledImages, ...]:
    """Several parts of a data set, which is read once where they are divided off the same images.

    Args:
        name: As for `load_dataset`.
        root: As for `load_dataset`.
        parts: ``train``, ``val`` or ``test``, each.
        options: As for `load_dataset`.

    Returns:
        The images of each part.

    Raises:
        OptionError: As for `load_dataset`.
        DataError: As for `load_dataset`.
    """
    entry = _entry(name)
    for part in parts:
        _check_part(part)
    options.refuse(name, *entry.unknown)
    place = None if root is None else Path(root)
    if place is not None and not (place.exists() or options.download):
        raise DataError(f"no file or folder {place}; {_way(name, entry)}")
    own = entry.parts if entry.find_parts is None else entry.find_parts(place)
    if "test" in own:
        options.refuse(name, "test_fraction")

    @cache
    def load(part: str) -> LabeledImages:
        return entry.load(place, part, options)

    def one(part: str) -> LabeledImages:
        if part in own and (part != "train" or own == _PARTS):
            return load(part)
        rest = load(own[0])  # "train" or "all"
        return _divided(rest, part, options, missing=set(_PARTS) - set(own))

    return tuple(one(part) for part in parts)


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


def _divided(
    data: LabeledImages, part: str, options: LoadOptions, *, missing: set[str]
) -> LabeledImages:
    """A part of what is not divided by itself. The test does not change with the share of validation."""
    rows = {"train": torch.arange(len(data))}
    seed = options.seed
    if "test" in missing:
        rows["train"], rows["test"] = parts_of(data, options.test_fraction, seed=seed)
        seed += 1
    if "val" in missing:
        left = data.subset(rows["train"])
        cut = parts_of(left, options.val_fraction, seed=seed)
        rows["train"], rows["val"] = (rows["train"][one] for one in cut)
    return replace(data, notes=(*data.notes, _division(len(data), rows, options))).subset(
        rows[part]
    )


def _division(count: int, rows: dict[str, Tensor], options: LoadOptions) -> str:
    """How many images went where, and the keys that change it."""
    kinds = {
        "test": ("as test images", options.test_fraction),
        "val": ("for validation", options.val_fraction),
    }
    aside = [
        f"{len(rows[part])} of {count} images are set aside {words} (data.{part}_fraction={share:g})"
        for part, (words, share) in kinds.items()
        if part in rows
    ]
    return f"{', '.join(aside)}; {len(rows['train'])} are left to train on"


def _way(name: str, entry: DatasetEntry) -> str:
    """How a set is got."""
    return f"the set '{name}' is {entry.origin}. Its place is named by {_ROOT}"


def _needed(root: Path | None, name: str) -> Path:
    if root is None:
        raise DataError(
            f"say where the set '{name}' is. It is {DATASETS[name].origin}. Its place is named by {_ROOT}"
        )
    return root


def _pack_file(root: Path | None, dataset: str, name: str) -> Path:
    """The pack in this folder or in the shared one, or the file that was named."""
    if root is None:
        shared = shared_folder()
        if shared is None:
            raise DataError(f"no {name} here: {_way(dataset, DATASETS[dataset])}")
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


def _folder(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    place = _needed(root, "folder")
    return image_folder(place) if part == "all" else divided_folder(place, part)


def _csv(root: Path | None, _part: str, _options: LoadOptions) -> LabeledImages:
    return labels_file(_needed(root, "csv"))


def _boxes(root: Path | None, _part: str, _options: LoadOptions) -> LabeledImages:
    return boxed_images(_needed(root, "boxes"))


def _webdataset(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return tar_images(_needed(root, "webdataset"), part)


def _parquet(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return parquet_images(_needed(root, "parquet"), part)


def _inaturalist(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return inaturalist17(_needed(root, "inaturalist17"), "val" if part == "test" else part)


def _cinic(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return cinic10(_needed(root, "cinic10"), part)


def _cifar_jpeg(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return pack(_pack_file(root, "cifar10-jpeg", "cifar10_jpeg.npz"), train=part == "train")


def _tiny(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    files = {"train": "tiny_imagenet_train25k.npz", "test": "tiny_imagenet_val5k.npz"}
    return pack(_pack_file(root, "tiny-imagenet", files[part]))


def _textures(root: Path | None, _part: str, _options: LoadOptions) -> LabeledImages:
    return pack(_pack_file(root, "dtd10", "dtd10.npz"))


def _mnist(root: Path | None, part: str, _options: LoadOptions) -> LabeledImages:
    return mnist(_pack_file(root, "mnist", "mnist.npz"), train=part == "train")


def _clutter(_root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
    return cluttered_digits(part, options)


def _clutter_mnist(root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
    return cluttered_mnist(_pack_file(root, "cluttered-mnist", "mnist.npz"), part, options)


def _planted(kind: str) -> Callable[[Path | None, str, LoadOptions], LabeledImages]:
    def load(root: Path | None, part: str, options: LoadOptions) -> LabeledImages:
        name = f"planted-{kind}"
        place = _needed(root, name) if kind in _OF_PACKS else root
        return planted(kind, place, part=part, options=options)

    return load


_LOCAL = ("download", "count", "background", "rho")
_NO_COUNT = ("count", "rho")
_OF_PACKS = {"pictures", "textures"}  # kinds of planted sets
_MADE = ("download", "val_fraction", "rho")
_PLANTED = ("download", "val_fraction")
_TWO = ("train", "test")

_FETCHED = "fetched from its official address into the folder data.root with data.download=true"
_INSIDE = "made by the package; it needs no files"
_DIGITS = (
    "made by the package; it needs no files, and with a folder of the packs mnist.npz and dtd10.npz as "
    "data.root it is made of these"
)
_PACKED = (
    "the pack {file}, an .npz file of encoded images (figureground.data.ImagePack says which arrays it holds), which "
    "nobody publishes: name the file or its folder by data.root, or keep it in data/packs of the folder that the "
    "variable FIGUREGROUND_SHARED names; "
)
_CIFAR_PACK = (
    _PACKED.format(file="cifar10_jpeg.npz")
    + "data.name=cifar10 with data.download=true and data.root=FOLDER fetches the official set instead"
)
_MNIST_PACK = (
    _PACKED.format(file="mnist.npz").replace("of encoded images", "of digits")
    + "data.name=cluttered-digits needs no files"
)
_TINY_PACK = (
    _PACKED.format(file="tiny_imagenet_train25k.npz")
    + "the official set, unpacked, is data.name=folder with data.root=tiny-imagenet-200/train"
)
_TEXTURES_PACK = (
    _PACKED.format(file="dtd10.npz")
    + "any folder of texture photographs, one folder a class, is data.name=folder"
)
_TWO_PACKS = (
    "made of the packs cifar10_jpeg.npz and dtd10.npz, which nobody publishes, in the folder data.root; "
    "data.name=planted-photos needs no files"
)
_ONE_PACK = (
    "made of the pack cifar10_jpeg.npz, which nobody publishes, in the folder data.root; "
    "data.name=planted-tints needs no files"
)
DATASETS: dict[str, DatasetEntry] = {
    "stl10": DatasetEntry("10 classes, 96x96", _TWO, _stl10, _FETCHED),
    "cifar10": DatasetEntry("10 classes, 32x32", _TWO, _cifar(10), _FETCHED),
    "cifar100": DatasetEntry("100 classes, 32x32", _TWO, _cifar(100), _FETCHED),
    "flowers102": DatasetEntry("102 flowers, images", _PARTS, _flowers, _FETCHED),
    "caltech101": DatasetEntry(
        "101 classes, images", ("all",), _caltech("caltech101"), _FETCHED, _NO_COUNT
    ),
    "caltech256": DatasetEntry(
        "256 classes, images", ("all",), _caltech("caltech256"), _FETCHED, _NO_COUNT
    ),
    "cinic10": DatasetEntry(
        "10 classes, 32x32, a folder",
        _PARTS,
        _cinic,
        "its publisher's archive, unpacked into the folder data.root (train, valid, test)",
        _LOCAL,
    ),
    "folder": DatasetEntry(
        "a folder of class folders",
        ("all",),
        _folder,
        "your own: data.root is a folder with a folder of images for each class, or with train, val and test, which "
        "hold such folders",
        _LOCAL,
        folder_parts,
    ),
    "boxes": DatasetEntry(
        "images with boxes: COCO, CSV, VOC, WSOL",
        ("all",),
        _boxes,
        "your own: data.root is a file of boxes (COCO, CSV) or a folder (Pascal VOC, WSOL)",
        _LOCAL,
    ),
    "csv": DatasetEntry(
        "a CSV file, path,label",
        ("all",),
        _csv,
        "your own: data.root is a CSV file with the columns path and label; paths relative to its folder",
        _LOCAL,
    ),
    "webdataset": DatasetEntry(
        "tar files in WebDataset's layout",
        ("all",),
        _webdataset,
        "your own: data.root is a .tar file or a folder of them, in which key.jpg (.png, .webp) lies beside key.cls (a "
        "number or a name) or key.json (field label, class or cls); files or folders named after train, val and test "
        "are these parts, and classes.txt or classes.json beside them names the numbers",
        _LOCAL,
        partial(shard_parts, suffix=".tar"),
    ),
    "parquet": DatasetEntry(
        "Parquet files of encoded images",
        ("all",),
        _parquet,
        "your own, read with pyarrow (the extra parquet): data.root is a .parquet file or a folder of them, as Hugging "
        "Face publishes them, with a column image (encoded, or a struct of bytes and path) and a column label (numbers "
        "or names); files or folders named after train, val and test are these parts. The images are copied once into "
        "~/.cache/figureground, which takes as much room as the encoded images",
        _LOCAL,
        partial(shard_parts, suffix=".parquet"),
    ),
    # the competition's test part has no labels: its validation part is the test here, as in the rare-class benchmark
    "inaturalist17": DatasetEntry(
        "5,089 species, images",
        _TWO,
        _inaturalist,
        "train2017.json, val2017.json and the images they name, as the competition's page publishes them, in the "
        "folder data.root",
        _LOCAL,
    ),
    "cifar10-jpeg": DatasetEntry("CIFAR-10-JPEG75, a pack", _TWO, _cifar_jpeg, _CIFAR_PACK, _LOCAL),
    "tiny-imagenet": DatasetEntry(
        "200 classes, 64x64, boxes, packs", _TWO, _tiny, _TINY_PACK, _LOCAL
    ),
    "dtd10": DatasetEntry(
        "10 textures, images, a pack", ("all",), _textures, _TEXTURES_PACK, _LOCAL
    ),
    "mnist": DatasetEntry("digits, 28x28, a pack", _TWO, _mnist, _MNIST_PACK, _LOCAL),
    "cluttered-digits": DatasetEntry(
        "scikit-learn's digits, 48x48", _PARTS, _clutter, _INSIDE, _MADE
    ),
    "cluttered-mnist": DatasetEntry("MNIST, 100x100", _PARTS, _clutter_mnist, _MNIST_PACK, _MADE),
    "planted-photos": DatasetEntry(
        "digits on photographs of their class, 64x64", _PARTS, _planted("photos"), _DIGITS, _PLANTED
    ),
    "planted-tints": DatasetEntry(
        "digits on the colour of their class, 32x32", _PARTS, _planted("tints"), _DIGITS, _PLANTED
    ),
    "planted-patch": DatasetEntry(
        "digits beside a square of their class, 32x32",
        _PARTS,
        _planted("patch"),
        _DIGITS,
        _PLANTED,
    ),
    "planted-pictures": DatasetEntry(
        "CIFAR-10 on the colour of their class", _PARTS, _planted("pictures"), _ONE_PACK, _PLANTED
    ),
    "planted-textures": DatasetEntry(
        "CIFAR-10 on photographs of textures of their class, 64x64",
        _PARTS,
        _planted("textures"),
        _TWO_PACKS,
        _PLANTED,
    ),
}
