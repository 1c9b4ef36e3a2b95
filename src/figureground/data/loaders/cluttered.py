"""Digits in clutter, generated; the digits of training, validation and test are disjoint."""

__all__ = ["cluttered_digits", "cluttered_mnist"]

from pathlib import Path

import numpy as np
import torch

from figureground.data.clutter import Clutter, ClutterSpec, clutter_only, make_clutter
from figureground.data.digits import sklearn_digits, split_digits
from figureground.data.labeled import LabeledImages
from figureground.data.loaders.load_options import LoadOptions
from figureground.data.packs import load_mnist

_PARTS = ("train", "val", "test")
_SMALL = ClutterSpec(size=48, distractors=3)
_PUBLISHED = ClutterSpec(size=100, distractors=8)
_DIGIT_COUNTS = (20_000, 1_000, 1_000)
_MNIST_COUNTS = (50_000, 10_000, 10_000)
_MNIST_ROWS = (slice(0, 50_000), slice(50_000, 60_000), slice(60_000, None))


def cluttered_digits(part: str, options: LoadOptions) -> LabeledImages:
    """scikit-learn's digits among pieces of digits: 48x48 pixels, three pieces.

    Args:
        part: ``train`` (20,000 images), ``val`` or ``test`` (1,000 each).
        options: ``seed`` divides the digits and lays them out; ``count`` and ``background``.

    Returns:
        Images of one colour in memory, with boxes; groups are the digits.
    """
    digits, labels = sklearn_digits()
    rows = split_digits(labels, seed=options.seed)[_PARTS.index(part)]
    made = options.count or _DIGIT_COUNTS[_PARTS.index(part)]
    return _laid_out(
        digits[rows], labels[rows], part=part, count=made, spec=_SMALL, options=options
    )


def cluttered_mnist(path: Path | str | None, part: str, options: LoadOptions) -> LabeledImages:
    """MNIST's digits among pieces of digits: 100x100 pixels, eight pieces, the published layout.

    Training images are made of the training digits 0 to 49,999, validation images of 50,000 to
    59,999, test images of the test digits; their distractors too. *Differs:* the published sets
    were made of the first 50,000 alone, so that training and test shared their digits.

    Args:
        path: MNIST's ``.npz`` file; without it that of the shared folder.
        part: ``train`` (50,000 images), ``val`` or ``test`` (10,000 each).
        options: ``seed``, ``count`` and ``background``. An image takes 10 kB of memory.

    Returns:
        Images of one colour in memory, with boxes; groups are the digits.

    References:
        DeepMind, mnist-cluttered (2015).
    """
    held = load_mnist(path)
    order = np.concatenate([np.flatnonzero(~held.is_test), np.flatnonzero(held.is_test)])
    rows = order[_MNIST_ROWS[_PARTS.index(part)]]
    made = options.count or _MNIST_COUNTS[_PARTS.index(part)]
    digits, labels = held.images[rows], held.labels[rows]
    return _laid_out(digits, labels, part=part, count=made, spec=_PUBLISHED, options=options)


def _laid_out(
    digits: np.ndarray,
    labels: np.ndarray,
    *,
    part: str,
    count: int,
    spec: ClutterSpec,
    options: LoadOptions,
) -> LabeledImages:
    """Images of one part; parts have their own random numbers."""
    seed = 10 * options.seed + 2 * _PARTS.index(part)
    sets = [make_clutter(digits, labels, count=count, spec=spec, seed=seed)]
    if options.background:
        # another seed, or each would be the ground of an image with a digit
        empty = max(1, round(count / 10))
        sets.append(clutter_only(digits, background=10, count=empty, spec=spec, seed=seed + 1))
    return _joined(sets)


def _joined(sets: list[Clutter]) -> LabeledImages:
    boxes = tuple(
        torch.from_numpy(made.boxes[row : row + 1] if made.sources[row] >= 0 else made.boxes[:0])
        for made in sets
        for row in range(len(made))
    )
    sources = np.concatenate([made.sources for made in sets])
    alone = sources < 0  # clutter without a digit: a group of its own each
    groups = np.where(alone, sources.max() + np.cumsum(alone), sources)
    return LabeledImages(
        torch.from_numpy(np.concatenate([made.images for made in sets]))[:, None],
        torch.from_numpy(np.concatenate([made.labels for made in sets])),
        tuple(str(digit) for digit in range(10)),
        boxes,
        torch.from_numpy(groups),
    )
