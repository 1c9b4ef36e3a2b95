"""The embedded digits are scikit-learn's, laid out like MNIST, and divided without overlap."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from figureground.base.errors import OptionError, ShapeError
from figureground.data import sklearn_digits, split_digits


def test_digits_are_scikit_learns_enlarged():
    images, labels = sklearn_digits()
    small = load_digits()
    np.testing.assert_array_equal(labels, small.target)
    inner = images[::50, 4:24, 4:24]
    for image, source in zip(inner, small.images[::50], strict=True):
        # an independent enlargement: Pillow's bicubic has another kernel, so only nearly the same
        other = Image.fromarray((source * 255 / 16).astype(np.float32)).resize((20, 20), 3)
        assert np.corrcoef(image.ravel(), np.asarray(other).ravel())[0, 1] > 0.98


def test_frame_is_empty_and_nothing_is_faint():
    images, _ = sklearn_digits()
    assert images[:, 4:24, 4:24].sum() == images.sum()
    assert images[images > 0].min() >= 32
    assert images.max() == 255
    assert images.any(axis=(1, 2)).all()


def test_parts_are_disjoint_complete_and_balanced():
    labels = sklearn_digits()[1]
    split = split_digits(labels, seed=0, val_fraction=0.1, test_fraction=0.25)
    assert sorted(np.concatenate(split).tolist()) == list(range(1797))
    for part, share in zip(split, (0.65, 0.1, 0.25), strict=True):
        counts = np.bincount(labels[part], minlength=10)
        np.testing.assert_allclose(counts, share * np.bincount(labels), atol=1)


def test_split_depends_on_the_seed_alone():
    labels = sklearn_digits()[1]
    first, again, other = (split_digits(labels, seed=seed).test.tolist() for seed in (4, 4, 5))
    assert first == again
    assert first != other


def test_parts_may_be_left_empty():
    train, val, test = split_digits(
        np.array([0, 0, 1]), seed=0, val_fraction=0.0, test_fraction=0.0
    )
    assert (train.tolist(), val.tolist(), test.tolist()) == ([0, 1, 2], [], [])


def test_impossible_shares_are_refused():
    labels = np.array([0, 1])
    with pytest.raises(OptionError, match="add up to less than 1"):
        split_digits(labels, seed=0, val_fraction=0.5, test_fraction=0.5)
    with pytest.raises(OptionError, match="may not be negative"):
        split_digits(labels, seed=-1)
    with pytest.raises(ShapeError, match="no labels"):
        split_digits(labels[:0], seed=0)
