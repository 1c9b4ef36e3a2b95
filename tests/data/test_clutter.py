"""The generator obeys its law: pieces first, then one digit, all places uniform."""

import random

import numpy as np
import pytest

from figureground.base.errors import OptionError, ShapeError
from figureground.data import (
    ClutterSpec,
    clutter_only,
    load_mnist,
    make_clutter,
    shared_folder,
    sklearn_digits,
)


def coded_digits():
    """Two 5x4 digits whose every pixel tells the digit, row and column."""
    return np.arange(1, 41, dtype=np.uint8).reshape(2, 5, 4)


def random_digits(count=7, seed=0):
    made = np.random.default_rng(seed).integers(0, 256, (count, 12, 10), dtype=np.uint8)
    made[:, :2] = 0
    made[:, :, -3:] = 0
    made[made < 150] = 0
    made[:, 6, 5] = 255
    return made


def twin(digits, *, count, spec, seed):
    """The law in loops, with its own random numbers and fractions of 1."""
    draw = random.Random(seed)
    images = np.zeros((count, spec.size, spec.size))
    height, width = digits.shape[1:]
    for image in images:
        for _ in range(spec.distractors):
            digit = digits[draw.randrange(len(digits))] / 255
            sy, sx = draw.randint(0, height - spec.patch), draw.randint(0, width - spec.patch)
            ty, tx = (draw.randint(0, spec.size - spec.patch) for _ in range(2))
            piece = digit[sy : sy + spec.patch, sx : sx + spec.patch]
            image[ty : ty + spec.patch, tx : tx + spec.patch] += piece
        image[image > 1] = 1
        digit = digits[draw.randrange(len(digits))] / 255
        y = draw.randint(spec.border, spec.size - height - spec.border)
        x = draw.randint(spec.border, spec.size - width - spec.border)
        image[y : y + height, x : x + width] += digit
        image[image > 1] = 1
    return np.rint(images * 255).astype(np.uint8)


def test_statistics_equal_those_of_the_slow_twin():
    digits, labels = random_digits(), np.arange(7)
    spec = ClutterSpec(size=30, distractors=5, patch=6, border=2)
    ours = make_clutter(digits, labels, count=3000, spec=spec, seed=0).images
    twins = twin(digits, count=600, spec=spec, seed=0)
    for measure in (lambda x: x / 255, lambda x: x > 0, lambda x: x == 255):
        a, b = (measure(images).mean(axis=(1, 2)) for images in (ours, twins))
        error = np.hypot(a.std() / len(a) ** 0.5, b.std() / len(b) ** 0.5)
        assert abs(a.mean() - b.mean()) < 4 * error
    # where the digits lie: brightness over the canvas
    np.testing.assert_allclose(ours.mean(axis=(0, 1)), twins.mean(axis=(0, 1)), atol=6)
    np.testing.assert_allclose(ours.mean(axis=(0, 2)), twins.mean(axis=(0, 2)), atol=6)


def test_digit_is_added_to_the_ground_in_its_window_and_clipped():
    digits, labels = random_digits(), np.arange(10, 17)
    spec = ClutterSpec(size=20, distractors=6, patch=8)
    made = make_clutter(digits, labels, count=40, spec=spec, seed=3)
    ground = clutter_only(digits, background=99, count=40, spec=spec, seed=3)
    for at in range(40):
        x, y = made.origins[at]
        expected = ground.images[at].astype(int)
        expected[y : y + 12, x : x + 10] += digits[made.sources[at]]
        np.testing.assert_array_equal(made.images[at], np.minimum(expected, 255))
        assert made.labels[at] == labels[made.sources[at]]
    np.testing.assert_array_equal(made.distractors, ground.distractors)


def test_each_piece_is_a_window_of_a_digit_and_every_window_occurs():
    digits, spec = coded_digits(), ClutterSpec(size=9, distractors=1, patch=3)
    ground = clutter_only(digits, background=2, count=400, spec=spec, seed=0)
    seen = set()
    for image, box in zip(ground.images, ground.distractors[:, 0].astype(int), strict=True):
        x0, y0, x1, y1 = box
        piece = image[y0:y1, x0:x1].copy()
        which, row, column = np.argwhere(digits == piece[0, 0])[0]
        np.testing.assert_array_equal(piece, digits[which, row : row + 3, column : column + 3])
        image[y0:y1, x0:x1] = 0
        assert not image.any()
        seen.add((which, row, column))
    assert len(seen) == 2 * 3 * 2  # windows of 3x3 in two 5x4 digits


def test_overlapping_pieces_add_up_and_are_clipped():
    ones = np.full((1, 4, 4), 100, np.uint8)
    for pieces, level in ((2, 200), (3, 255)):
        spec = ClutterSpec(size=4, distractors=pieces, patch=4)
        ground = clutter_only(ones, background=1, count=3, spec=spec, seed=0)
        assert (ground.images == level).all()


def test_places_are_uniform_over_all_that_fit():
    spec = ClutterSpec(size=16, distractors=2, patch=4, border=1)
    made = make_clutter(coded_digits(), np.array([0, 1]), count=20000, spec=spec, seed=0)
    for places, first, last in (
        (made.origins[:, 0], 1, 11),
        (made.origins[:, 1], 1, 10),
        (made.distractors[..., 0].ravel(), 0, 12),
        (made.distractors[..., 1].ravel(), 0, 12),
    ):
        values, counts = np.unique(places, return_counts=True)
        assert values.tolist() == list(range(first, last + 1))
        expected = len(places) / len(values)
        chi_square = ((counts - expected) ** 2 / expected).sum()
        assert chi_square < 35  # 99.9 % point for 12 degrees of freedom: 32.9


def test_box_is_tight_around_the_digit():
    digits = random_digits()
    spec = ClutterSpec(size=25, distractors=0, patch=1)
    made = make_clutter(digits, np.arange(7), count=30, spec=spec, seed=1)
    for image, box in zip(made.images, made.boxes, strict=True):
        rows, columns = np.nonzero(image)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == expected


def test_each_digit_is_used_once_per_pass():
    made = make_clutter(coded_digits().repeat(3, axis=0), np.arange(6), count=20, seed=0,
                        spec=ClutterSpec(10, 1, patch=2))  # fmt: skip
    for start in (0, 6, 12):
        assert sorted(made.sources[start : start + 6].tolist()) == list(range(6))
    assert made.sources[:6].tolist() != made.sources[6:12].tolist()


def test_longer_set_begins_with_the_shorter_one():
    digits, labels, spec = random_digits(), np.arange(7), ClutterSpec(30, 3, patch=5)
    short = make_clutter(digits, labels, count=9, spec=spec, seed=5)
    long = make_clutter(digits, labels, count=1500, spec=spec, seed=5)
    for name in ("images", "labels", "boxes", "origins", "distractors", "sources"):
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[:9])


def test_other_seed_gives_other_pictures():
    digits, spec = random_digits(), ClutterSpec(30, 3, patch=5)
    first, second = (clutter_only(digits, background=7, count=5, spec=spec, seed=s) for s in (0, 1))
    assert (first.images != second.images).any(axis=(1, 2)).all()


def test_clutter_only_has_the_background_label_and_no_box():
    ground = clutter_only(random_digits(), background=7, count=4, seed=0)
    assert ground.images.shape == (4, 100, 100)
    assert ground.labels.tolist() == [7] * 4
    assert not ground.boxes.any()
    assert (ground.origins == -1).all()
    assert (ground.sources == -1).all()


def test_no_pictures_are_an_empty_set():
    made = make_clutter(random_digits(), np.arange(7), count=0, seed=0)
    assert len(made) == 0
    assert made.boxes.shape == (0, 4)


def test_digits_are_not_changed():
    digits = random_digits()
    make_clutter(digits, np.arange(7), count=50, seed=0)
    np.testing.assert_array_equal(digits, random_digits())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"size": 0}, "size is 0; at least 1"),
        ({"distractors": -1}, "distractors is -1"),
        ({"patch": 0}, "patch is 0"),
        ({"border": -2}, "border is -2"),
        ({"size": 5, "patch": 6}, "a patch of 6 pixels does not fit a canvas of 5"),
    ],
)
def test_impossible_layout_is_refused(spec, message):
    with pytest.raises(OptionError, match=message):
        ClutterSpec(**spec)


def test_layout_that_does_not_fit_the_digits_is_refused():
    digits, labels = random_digits(), np.arange(7)
    with pytest.raises(OptionError, match="12x10 digits with a border of 45 do not fit"):
        make_clutter(digits, labels, count=1, spec=ClutterSpec(border=45), seed=0)
    with pytest.raises(OptionError, match="a patch of 11 pixels does not fit 12x10 digits"):
        make_clutter(digits, labels, count=1, spec=ClutterSpec(patch=11), seed=0)
    with pytest.raises(OptionError, match="seed is -1"):
        make_clutter(digits, labels, count=1, seed=-1)


def test_blank_missing_or_unlabelled_digits_are_refused():
    digits = random_digits()
    digits[4] = 0
    with pytest.raises(ShapeError, match="digit 4 is blank"):
        make_clutter(digits, np.arange(7), count=1, seed=0)
    with pytest.raises(ShapeError, match="7 digits but 6 labels"):
        make_clutter(random_digits(), np.arange(6), count=1, seed=0)
    with pytest.raises(ShapeError, match="no digits"):
        clutter_only(random_digits(0), background=1, count=1, seed=0)


def test_the_embedded_digits_fit_the_default_layout():
    digits, labels = sklearn_digits()
    made = make_clutter(digits, labels, count=100, seed=0)
    sides = made.boxes[:, 2:] - made.boxes[:, :2]
    np.testing.assert_allclose(sides.mean(axis=0), [14.9, 20], atol=0.6)


@pytest.mark.skipif(shared_folder() is None, reason="no shared folder with real data")
def test_mnist_clutter_has_the_published_statistics():
    mnist = load_mnist()
    made = make_clutter(mnist.images[:50000], mnist.labels[:50000], count=3000, seed=0)
    assert made.images.mean() / 255 == pytest.approx(0.0212, abs=0.0004)
    assert (made.images > 0).mean() == pytest.approx(0.0306, abs=0.0005)
    sides = made.boxes[:, 2:] - made.boxes[:, :2]
    np.testing.assert_allclose(sides.mean(axis=0), [15.8, 19.8], atol=0.3)
