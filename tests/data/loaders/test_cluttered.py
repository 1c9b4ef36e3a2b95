"""Cluttered sets: no digit is in two parts, and ground without digits is background."""

import numpy as np
import pytest

from figureground.data import LoadOptions, load_dataset, make_clutter, sklearn_digits
from figureground.data.clutter import ClutterSpec
from figureground.data.digits import split_digits

PARTS = ("train", "val", "test")


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory):
    """A small stand-in for MNIST with its 60,000 training rows, each digit telling its row."""
    count = 60_020
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 10:18, 10:18] = 1
    for place, scale in enumerate((1, 200, 40_000)):
        images[:, 14, 13 + place] = 1 + np.arange(count) // scale % 200
    is_test = np.arange(count) >= 60_000
    path = tmp_path_factory.mktemp("mnist") / "mnist.npz"
    np.savez(path, images=images, labels=np.arange(count) % 10, test=is_test)
    return path


def test_mnist_parts_are_made_of_rows_of_their_own(digits_file):
    options = LoadOptions(count=400, seed=1)
    for part, first, end in zip(PARTS, (0, 50_000, 60_000), (50_000, 60_000, 60_020), strict=True):
        data = load_dataset("cluttered-mnist", digits_file, part=part, options=options)
        assert data.pixels.shape == (400, 1, 100, 100)
        assert data.boxes is not None
        assert data.groups is not None
        for row in range(0, 400, 50):
            x, y = (int(corner) for corner in data.boxes[row][0, :2])
            source = int(data.groups[row]) + first
            assert first <= source < end
            assert int(data.labels[row]) == source % 10
            assert data.pixels[row, 0, y + 4, x + 3] >= 1 + source % 200  # clutter may lie on it


def test_small_digits_are_disjoint_and_their_groups_are_the_digits():
    digits, labels = sklearn_digits()
    rows = split_digits(labels, seed=3).val
    data = load_dataset("cluttered-digits", part="val", options=LoadOptions(seed=3, count=30))
    expected = make_clutter(digits[rows], labels[rows], count=30, spec=ClutterSpec(48, 3), seed=32)
    np.testing.assert_array_equal(data.pixels[:, 0].numpy(), expected.images)
    assert data.groups is not None
    np.testing.assert_array_equal(data.groups.numpy(), expected.sources)


def test_background_is_clutter_that_no_picture_with_a_digit_shares():
    options = LoadOptions(count=100, background=True)
    data = load_dataset("cluttered-digits", part="test", options=options)
    assert data.background_count == 10
    assert data.labels[100:].tolist() == [10] * 10
    assert data.boxes is not None
    assert data.groups is not None
    assert all(len(boxes) == 0 for boxes in data.boxes[100:])
    assert len(set(data.groups[100:].tolist()) - set(data.groups[:100].tolist())) == 10
    grounds = load_dataset("cluttered-digits", part="test", options=LoadOptions(count=100)).pixels
    for empty in data.pixels[100:]:
        # a ground with its digit differs from it where the digit is only
        assert ((grounds < empty).flatten(1).any(dim=1)).all()
