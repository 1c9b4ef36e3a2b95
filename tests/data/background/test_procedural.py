"""Images made by rule look as the rule says."""

import numpy as np
import pytest

from figureground.base.errors import OptionError
from figureground.data import clutter_only, sklearn_digits
from figureground.data.background import PROCEDURES, ClutterOnly, Procedural


def grey(kind, count=8, size=64):
    made = Procedural(count, kinds=[kind], size=size, seed=2)
    return [picture.astype(float) for picture in made]


def test_picture_depends_on_seed_and_number_only():
    short, long = Procedural(7, seed=3), Procedural(30, seed=3)
    for row in range(7):
        np.testing.assert_array_equal(short[row], long[row])
    assert (Procedural(7, seed=4)[0] != short[0]).any()
    assert len({picture.tobytes() for picture in long}) == 30


def test_kinds_take_turns_and_each_lies_between_two_colours():
    for row, picture in enumerate(Procedural(2 * len(PROCEDURES), size=32)):
        alone = Procedural(row + 1, kinds=[tuple(PROCEDURES)[row % len(PROCEDURES)]], size=32)[row]
        np.testing.assert_array_equal(picture, alone)
        flat = picture.reshape(-1, 3).astype(float)
        singular = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False)
        assert singular[1] < 0.05 * singular[0]  # one line in the space of colours


def test_gradient_is_a_plane():
    y, x = np.mgrid[:64, :64]
    plane = np.stack([np.ones(64 * 64), x.ravel(), y.ravel()], axis=1)
    for picture in grey("gradient"):
        left = np.linalg.lstsq(plane, picture.reshape(-1, 3), rcond=None)[1]
        assert (left < 0.1 * 64 * 64).all()  # rounding: 1/12 per pixel


def test_noise_has_no_neighbours_and_fractals_have():
    def neighbours(picture):
        channel = picture[..., picture.std(axis=(0, 1)).argmax()]
        return np.corrcoef(channel[:, 1:].ravel(), channel[:, :-1].ravel())[0, 1]

    assert all(abs(neighbours(picture)) < 0.1 for picture in grey("noise"))
    assert all(neighbours(picture) > 0.6 for picture in grey("fractal"))


def test_stripes_are_one_wave():
    for picture in grey("stripes"):
        channel = picture[..., picture.std(axis=(0, 1)).argmax()]
        window = np.hanning(64)[:, None] * np.hanning(64)
        power = np.abs(np.fft.fft2((channel - channel.mean()) * window)) ** 2
        peak = np.unravel_index(power.argmax(), power.shape)
        around = np.roll(power, (2 - peak[0], 2 - peak[1]), (0, 1))[:5, :5].sum()
        assert 2 * around > 0.9 * power.sum()  # the other half is the mirror image of the peak


def test_blobs_fill_the_range_between_the_colours():
    for picture in grey("blobs"):
        assert np.ptp(picture, axis=(0, 1)).max() > 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["plaid"]}, "no kind of procedural image 'plaid'"),
        ({"kinds": []}, "at least one kind"),
        ({"size": 1}, "cannot be"),
        ({"seed": -1}, "cannot be"),
    ],
)
def test_what_cannot_be_made_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        Procedural(3, **options)


def test_clutter_is_that_of_the_generator_in_three_equal_colours():
    digits = sklearn_digits()[0][:60]
    source = ClutterOnly(digits, count=4, seed=5)
    grounds = clutter_only(digits, background=0, count=4, seed=5).images
    for row in range(4):
        for colour in range(3):
            np.testing.assert_array_equal(source[row][..., colour], grounds[row])
    assert len({source.group(row) for row in range(4)}) == 4
