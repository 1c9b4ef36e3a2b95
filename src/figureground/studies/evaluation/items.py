"""What an evaluation is made on: images with labels and boxes, from every kind of source, not yet decoded."""

__all__ = ["Item", "Source", "items_of", "read_source"]

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from zlib import crc32

import numpy as np
from jaxtyping import Float
from PIL import Image

from figureground.base.errors import DataError, ImageError
from figureground.base.identity import file_identity
from figureground.base.places import Place, common_folder, file_of, located
from figureground.base.storage import RemoteFile, is_url, local_path
from figureground.data import (
    AnnotatedImages,
    ImagePack,
    decode_image,
    find_images,
    image_size,
    load_mnist,
    make_clutter,
    read_annotations,
    sklearn_digits,
    split_digits,
)
from figureground.data.annotations import annotations_of
from figureground.data.annotations.entries import MaskFiles
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import FileDecoder, LazyImages
from figureground.data.loaders import DATASETS, LoadOptions, load_dataset
from figureground.data.loaders.parquet import parquet_images
from figureground.data.loaders.webdataset import tar_images
from figureground.data.rare import with_rare
from figureground.studies.evaluation.class_ids import read_class_ids
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.tables import ImageProblem
from figureground.studies.training.runs import TrainedRun

_NOTHING = np.zeros((0, 4), np.float32)
_SHARDS = {".tar": tar_images, ".parquet": parquet_images}


@dataclass(frozen=True)
class Item:
    """One class in one image, to be decoded when its turn comes.

    Args:
        name: Of the image, without its suffix the file name that foreign maps are found by; with folders where names
            of files are not enough.
        label: As the source has it: a number, a name, or None where unknown.
        boxes: xyxy pixels of the image, half-open; no row where nothing is marked.
        load: Decodes the image; raises ``ImageError``.
        identity: Text that changes when the image does.
        mask: Where the class is, pixel by pixel.
        size: Width and height of the image; None where the source does not tell without decoding.
        file: Where the image is; None where it is in no file.
    """

    name: str
    label: int | str | None
    boxes: Float[np.ndarray, "B 4"]
    load: Callable[[], Image.Image]
    identity: str
    mask: MaskFiles | None = None
    size: tuple[int, int] | None = None
    file: Place | None = None


@dataclass(frozen=True)
class Source:
    """What was read.

    Args:
        items: In the order of the source.
        description: As a record names it.
        problems: What was wrong with it.
        class_names: Of a data set, whose labels are these names.
        name: Short, the same whatever the source holds; empty where that is the description.
    """

    items: list[Item]
    description: str
    problems: tuple[ImageProblem, ...] = ()
    class_names: tuple[str, ...] = ()
    name: str = ""


def read_source(data: str | None, options: DataOptions, run: TrainedRun | None = None) -> Source:
    """The items of a source, and what was wrong with it.

    Args:
        data: ``clutter``; an ``.npz`` pack; annotations in any known format; a folder of images with one ``.json``
            or ``.csv`` of annotations in it; a folder of class folders, which may be a URL; the name of a data set;
            None for the data of the run.
        options: What the source leaves open.
        run: The training run whose network is evaluated: its own data are divided as it divided them.

    Returns:
        The source.

    Raises:
        DataError: There is nothing that can be read.
    """
    found = _read(data, options, run)
    if options.class_ids is None:
        return found
    classes, known, problems = read_class_ids(options.class_ids), [], list(found.problems)
    for one in found.items:
        if one.label is None or str(one.label) in classes:
            label = None if one.label is None else classes[str(one.label)]
            known.append(replace(one, label=label))
        else:
            problem = options.unknown(one.name, f"{options.class_ids} has no id '{one.label}'")
            problems.append(problem)
            known += [] if options.needs_labels else [replace(one, label=None)]
    return replace(found, items=known, problems=tuple(problems), class_names=())


def _read(data: str | None, options: DataOptions, run: TrainedRun | None) -> Source:
    """The items with the labels that the source has."""
    if data is None and run is None:
        raise DataError("name the images: only a training run has data of its own")
    own = run.recipe.data if run is not None else None
    name = str(own.name if data is None and own is not None else data)
    place = local_path(name) or Path(name)
    if own is not None and own.root is not None and place.resolve() == Path(own.root).resolve():
        name = own.name  # it was trained on: one split only
    if name == "clutter":
        return Source(_clutter(options), name)
    if name.lower() in DATASETS:
        return _data_set(name, options, run)
    if options.split in {"train", "val", "test"} and place.is_dir():
        return _data_set("folder", replace(options, root=place), run)
    return _files(place, name, options)


def _files(place: Path, name: str, options: DataOptions) -> Source:
    """A pack, annotations, or a folder of images, which may be at a URL."""
    at_url = is_url(name) and local_path(name) is None
    if not at_url and not place.exists():
        known = ", ".join(sorted(DATASETS))
        raise DataError(f"no file or folder '{name}', nor is it 'clutter' or a data set ({known})")
    if place.suffix.lower() == ".npz":
        split = options.split or "test"
        return Source(_pack(place, split, needs_images=options.needs_images), name)
    if place.suffix.lower() in _SHARDS and not at_url:
        data = _SHARDS[place.suffix.lower()](place).decoded_by(FileDecoder(options.value_range))
        return Source(items_of(data, place.name, identity=""), name, class_names=data.class_names)
    annotations, images = _annotations_in(name.rstrip("/") if at_url else place, options.images)
    if annotations is None:
        where = name if at_url else str(place)
        return Source(_plain_folder(where, options.value_range), name)
    read = read_annotations(annotations, images=images, needs_images=options.needs_images)
    return _annotated(read, name, options.value_range)


def _data_set(name: str, options: DataOptions, run: TrainedRun | None) -> Source:
    """A split of a data set, divided as the run divided it."""
    split = options.split or "test"
    if split == "all":
        raise DataError(f"the data set '{name}' is divided: its splits are train, val and test")
    spec = (
        run.recipe.data
        if run is not None and run.recipe.data.name.lower() == name.lower()
        else None
    )
    seed = options.split_seed if options.split_seed is not None else run.data_seed if run else 0
    chosen, root = LoadOptions(seed), options.root
    if spec is not None:
        generated = spec.count if split == "train" else None
        chosen = LoadOptions(
            seed,
            spec.val_fraction,
            spec.download,
            generated,
            spec.background,
            spec.rho,
            spec.test_fraction,
        )
        root = Path(spec.root) if root is None and spec.root is not None else root
    found = load_dataset(name, root, part=split, options=chosen)
    found = found.decoded_by(FileDecoder(options.value_range))
    if spec is not None and spec.rare and run is not None:
        found = with_rare(found, run.class_names)
    items = items_of(found, name, identity=f"{name}|{root}|{split}|{chosen}")
    notes = tuple(ImageProblem("note", name, note) for note in found.notes)
    return Source(items, f"{name}, {split} split", notes, found.class_names)


def items_of(data: LabeledImages, name: str, *, identity: str) -> list[Item]:
    """Labelled images as items.

    Args:
        data: Any; their labels become names of classes, ``background`` or None.
        name: Of the set; an image has a number after it.
        identity: What decides which images these are.

    Returns:
        One each.
    """
    names = (*data.class_names, "background", None)
    return [
        Item(
            f"{name}-{row:06d}.png",
            names[label],
            _NOTHING if data.boxes is None else data.boxes[row].numpy(),
            _row_of(data.image, row),
            f"{identity}|{row}|{_content(data, row)}",
            file=data.images.file(row) if isinstance(data.images, LazyImages) else None,
        )
        for row, label in enumerate(data.labels.tolist())
    ]


def _content(data: LabeledImages, row: int) -> str:
    """Stands for the pixels of an image that is in memory or in a file; empty for others."""
    if not isinstance(data.images, LazyImages):
        return str(crc32(data.images[row].contiguous().numpy().data))
    place = data.images.place(row)
    return "" if place is None else file_identity(place)


def _annotations_in(
    place: Path | str, images: Path | str | None
) -> tuple[Path | str | None, Path | str | None]:
    """Where the annotations are and where their images; no annotations in a plain folder of images."""
    found = annotations_of(place)
    if found is None:
        # a folder of PNG files holds masks only where the images are elsewhere
        return (place, images) if images is not None else (None, None)
    return found, images if found == place else images or place


def _annotated(read: AnnotatedImages, description: str, value_range: str) -> Source:
    """Items of annotated images; the reader's problems as it stated them."""
    names = _names([one.path for one in read.images])
    items = [
        Item(
            names[one.path],
            one.label,
            one.boxes,
            _decoder(one.path, value_range),
            _identity(one.path, one.mask),
            one.mask,
            one.size,
            one.path,
        )
        for one in read.images
    ]
    problems = [ImageProblem(one.kind, one.where, one.message) for one in read.problems]
    return Source(items, description, tuple(problems))


def _plain_folder(folder: str, value_range: str) -> list[Item]:
    """Images without boxes; the name of an image's folder inside another one is its label."""
    places = find_images(folder, recursive=True)
    names, top = _names(places), folder.rstrip("/")
    outermost = top if is_url(folder) else os.path.abspath(folder)  # noqa: PTH100 - links stay
    inside = {place: os.path.dirname(located(place)) for place in places}  # noqa: PTH120 - or a URL
    return [
        Item(
            names[place],
            None if inside[place] == outermost else os.path.basename(inside[place]),  # noqa: PTH119
            _NOTHING,
            _decoder(place, value_range),
            file_identity(place),
            file=place,
        )
        for place in places
    ]


def _names(places: Iterable[Place]) -> dict[Place, str]:
    """File names; with their folders where files of one name lie in several: foreign maps are found by these names."""
    stems = {place: PurePath(place.name).stem for place in places}
    times = Counter(stems.values())
    if max(times.values(), default=0) < 2:
        return {place: place.name for place in stems}
    start = len(common_folder(located(file_of(place)) for place in stems)) + 1
    return {
        place: place.name if times[stem] < 2 else located(place)[start:].replace(os.sep, "/")
        for place, stem in stems.items()
    }


def _pack(place: Path, split: str, *, needs_images: bool) -> list[Item]:
    """The images of a pack; the test split of one that says what is test."""
    pack, identity = ImagePack(place), file_identity(place)
    rows: Sequence[int] = range(len(pack))
    if pack.is_test is not None and split in {"train", "test"}:
        rows = np.flatnonzero(pack.is_test == (split == "test")).tolist()
    return [
        Item(
            pack.names[row],
            None if pack.labels is None else int(pack.labels[row]),
            _NOTHING if pack.boxes is None else pack.boxes[row],
            _row_of(pack.__getitem__, row),
            f"{identity}|{row}",
            size=None if needs_images else _header(pack.encoded(row)),
        )
        for row in rows
    ]


def _header(encoded: bytes) -> tuple[int, int] | None:
    """Width and height of an encoded image; None where it cannot be read."""
    try:
        return image_size(encoded)
    except ImageError:
        return None


def _clutter(options: DataOptions) -> list[Item]:
    """Cluttered digits with their true boxes, from digits that no network of ours trains on."""
    if options.digits == "mnist":
        mnist = load_mnist()
        digits, labels = mnist.images[mnist.is_test], mnist.labels[mnist.is_test]
    else:
        digits, labels = sklearn_digits()
        test = split_digits(labels, seed=0).test
        digits, labels = digits[test], labels[test]
    made = make_clutter(digits, labels, count=options.count, seed=options.seed)
    return [
        Item(
            f"clutter-{row:06d}.png",
            int(made.labels[row]),
            made.boxes[row : row + 1],
            _grey(one),
            str(crc32(np.ascontiguousarray(one).data)),
        )
        for row, one in enumerate(made.images)
    ]


def _decoder(place: Place, value_range: str) -> Callable[[], Image.Image]:
    return lambda: decode_image(place, value_range)


def _row_of(read: Callable[[int], Image.Image], row: int) -> Callable[[], Image.Image]:
    return lambda: read(row)


def _grey(pixels: np.ndarray) -> Callable[[], Image.Image]:
    return lambda: Image.fromarray(pixels).convert("RGB")


def _identity(path: Path | RemoteFile, mask: MaskFiles | None) -> str:
    files = (path,) if mask is None else (path, *mask.files)
    return "|".join(map(file_identity, files))
