"""Small real digits that need no download, and how to divide them."""

__all__ = ["DigitSplit", "sklearn_digits", "split_digits"]

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError

_FAINT = 32  # of 255; what bicubic interpolation leaves around the strokes


class DigitSplit(NamedTuple):
    """Rows of each part: disjoint, together all rows.

    Attributes:
        train: To learn from.
        val: To choose by.
        test: To report.
    """

    train: Int[np.ndarray, " T"]
    val: Int[np.ndarray, " V"]
    test: Int[np.ndarray, " S"]


def sklearn_digits() -> tuple[UInt8[np.ndarray, "1797 28 28"], Int[np.ndarray, "1797"]]:
    """scikit-learn's 1,797 scanned digits, laid out like MNIST.

    The 8x8 counts 0..16 are scaled to 0..255 and enlarged bicubically to the middle 20x20 of 28x28;
    what is fainter than 32 becomes 0, so that a tight box is that of the strokes.

    Returns:
        The digits, 0 (ground) to 255, and their classes 0 to 9, in scikit-learn's order.

    References:
        E. Alpaydin, C. Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine
        Learning Repository (its test part, as scikit-learn ships it).

    Examples:
        >>> images, labels = sklearn_digits()
        >>> images.shape, images.max(), labels[:4]
        ((1797, 28, 28), np.uint8(255), array([0, 1, 2, 3]))
    """
    # here, because it takes a second to import
    from sklearn.datasets import load_digits  # noqa: PLC0415

    small, labels = load_digits(return_X_y=True)
    counts = torch.from_numpy(np.asarray(small, np.float32)).reshape(-1, 1, 8, 8)
    large = torch.nn.functional.interpolate(counts * (255 / 16), size=20, mode="bicubic")
    levels = large.clamp(0, 255).round()
    levels = torch.where(levels < _FAINT, 0, levels)
    framed = torch.nn.functional.pad(levels, (4, 4, 4, 4))
    return framed[:, 0].to(torch.uint8).numpy(), np.asarray(labels, np.int64)


@checked
def split_digits(
    labels: Int[np.ndarray, " M"],
    *,
    seed: int,
    val_fraction: float = 0.2,
    test_fraction: float = 0.2,
) -> DigitSplit:
    """A random division into train, validation and test rows with the same share of every class.

    scikit-learn's digits carry no writer, so a writer may occur in more than one part.

    Args:
        labels: Class of each row.
        seed: Any non-negative integer.
        val_fraction: Share of each class for validation, 0 to 1.
        test_fraction: Share of each class for the test, 0 to 1.

    Returns:
        Sorted rows; within a class the shares are rounded to whole digits.

    Raises:
        OptionError: A share or the seed is negative, or nothing is left to learn from.
        ShapeError: There are no labels.

    Examples:
        >>> split = split_digits(np.repeat([0, 1], 5), seed=0)
        >>> [len(rows) for rows in split]
        [6, 2, 2]
    """
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise OptionError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} "
            "must be at least 0 and add up to less than 1"
        )
    if seed < 0:
        raise OptionError(f"the seed is {seed}; it may not be negative")
    if len(labels) == 0:
        raise ShapeError("no labels to divide")
    random = np.random.default_rng(seed)
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(np.cumsum([test_fraction, val_fraction]) * len(rows)).astype(int)
        test, val, train = np.split(rows, cuts)
        for part, chosen in zip(parts, (train, val, test), strict=True):
            part.append(chosen)
    return DigitSplit(*(np.sort(np.concatenate(part)) for part in parts))
