"""Digits and pictures on backgrounds that tell the class, generated; the originals of the parts are disjoint."""

__all__ = ["planted", "planted_images"]

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from figureground.base.errors import DataError
from figureground.data.digits import sklearn_digits, split_digits
from figureground.data.labeled import LabeledImages
from figureground.data.loaders.load_options import LoadOptions
from figureground.data.packs import ImagePack, load_mnist
from figureground.data.planted import Planted, PlantedSpec, make_planted

_PARTS = ("train", "val", "test")
_COUNTS = (2_000, 500, 1_000)
_RHO = 0.95
_SIDES = {"photos": 64, "tints": 32, "patch": 32, "pictures": 32, "textures": 64}
_GROUNDS = {"pictures": "tints", "textures": "photos"}
_OF_CIFAR = ("pictures", "textures")
_HELD_OUT, _BACKGROUND_STEP = 5_000, 7_919
_TEXTURE = 160  # pixels: the middle of a texture's photograph


def planted(kind: str, root: Path | None, *, part: str, options: LoadOptions) -> LabeledImages:
    """One part of a planted set, as images with boxes.

    Args:
        kind: As for ``planted_images``.
        root: As there.
        part: ``train``, ``val`` or ``test``.
        options: ``seed``, ``count``, ``rho`` and ``background``: bare backgrounds under label 10, as many as an average
            class.

    Returns:
        Images in memory; groups are the originals of the objects, contexts the classes that the backgrounds speak for.
    """
    made = planted_images(kind, root, part=part, options=options)
    names = [str(digit) for digit in range(10)]
    if kind in _OF_CIFAR:
        names = ImagePack(_pack(root, "cifar10_jpeg.npz")).classes or names
    boxes = [made.boxes[row : row + 1] for row in range(len(made))]
    images, labels, groups, contexts = made.images, made.labels, made.sources, made.grounds
    if options.background:
        empty = max(1, round(len(made) / 10))
        # another seed, or each would be the background of an image with an object
        other = replace(options, count=empty, seed=options.seed + _BACKGROUND_STEP)
        bare = planted_images(kind, root, part=part, options=other)
        images = torch.cat([images, bare.clean])
        contexts = torch.cat([contexts, bare.grounds])
        labels = torch.cat([labels, labels.new_full((empty,), 10)])
        groups = torch.cat([groups, groups.max() + 1 + torch.arange(empty)])
        boxes += [made.boxes[:0]] * empty
    return LabeledImages(images, labels, tuple(names), tuple(boxes), groups, contexts=contexts)


def planted_images(kind: str, root: Path | None, *, part: str, options: LoadOptions) -> Planted:
    """One part of a planted set, with all that is known of it.

    Args:
        kind: Digits on ``photos`` (64 x 64 pixels), ``tints`` or ``patch`` (32 x 32); CIFAR-10 on tints (``pictures``,
            32 x 32) or on photographs of textures, one kind of texture a class (``textures``, 64 x 64).
        root: A folder with packs: digits of ``mnist.npz``, textures of ``dtd10.npz``, pictures of ``cifar10_jpeg.npz``.
            None for scikit-learn's digits and scikit-image's photographs.
        part: ``train``, ``val`` or ``test``.
        options: ``seed``, ``count`` and ``rho``.

    Returns:
        The images: 2,000, 500 and 1,000 of them where no number is given.

    Raises:
        DataError: A pack is missing.
    """
    number = _PARTS.index(part)
    if kind in _OF_CIFAR:
        objects, labels, rows = _pictures(_pack(root, "cifar10_jpeg.npz"), part)
    elif root is not None:
        objects, labels, rows = _mnist(_pack(root, "mnist.npz"), part)
    else:
        objects, labels = sklearn_digits()
        rows = split_digits(labels, seed=options.seed)[number]
    spec = PlantedSpec(
        _RHO if options.rho is None else options.rho,
        _GROUNDS.get(kind, kind),
        _SIDES[kind],
    )
    textures = None if root is None else _textures(_pack(root, "dtd10.npz"), part)
    return make_planted(
        objects[rows],
        labels[rows],
        count=options.count or _COUNTS[number],
        seed=options.seed,
        spec=spec,
        part=part,
        photographs=textures,
        columns=(0.0, 1.0) if kind == "textures" else None,
    )


def _pack(root: Path | None, name: str) -> Path:
    """A pack in the folder that was named."""
    if root is None or not (root / name).is_file():
        raise DataError(
            f"say which folder holds {name}: data.root in a recipe, --root on the command line"
        )
    return root / name


def _mnist(path: Path, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits, labels and the rows of a part."""
    held = load_mnist(path)
    return held.images, held.labels, _rows(held.is_test, part)


def _pictures(path: Path, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CIFAR-10's pictures, labels and the rows of a part, decoded."""
    held = ImagePack(path)
    if held.labels is None or held.is_test is None:
        raise DataError(f"{path} has no labels or no division")
    rows = _rows(held.is_test, part)[:10_000]
    return (
        np.stack([np.asarray(held[int(row)].convert("RGB")) for row in rows]),
        held.labels[rows],
        np.arange(len(rows)),
    )


def _rows(is_test: np.ndarray, part: str) -> np.ndarray:
    """Test rows, or a division of the others in random order: packs may lie class by class."""
    if part == "test":
        return np.random.default_rng(5).permutation(np.flatnonzero(is_test))
    order = np.random.default_rng(123).permutation(np.flatnonzero(~is_test))
    return order[-_HELD_OUT:] if part == "val" else order[:-_HELD_OUT]


def _textures(path: Path, part: str) -> list[list[np.ndarray]]:
    """Photographs of textures of a part, by class: 70, 20 and 30 of each 120."""
    held = ImagePack(path)
    if held.labels is None:
        raise DataError(f"{path} has no labels")
    share = {"train": slice(0, 70), "val": slice(70, 90), "test": slice(90, 120)}[part]
    found = []
    for label in np.unique(held.labels):
        rows = np.flatnonzero(held.labels == label)[share]
        found.append([_middle(held, int(row)) for row in rows])
    return found


def _middle(pack: ImagePack, row: int) -> np.ndarray:
    """The middle of a photograph: wide enough for the part's share of columns."""
    image = pack[row].convert("RGB")
    left, top = (image.width - _TEXTURE) // 2, (image.height - _TEXTURE) // 2
    return np.asarray(image.crop((left, top, left + _TEXTURE, top + _TEXTURE)))
