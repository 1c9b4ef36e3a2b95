"""How much background: the paper's shares, and a training set with background last."""

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.data import LabeledImages, LazyPictures
from figureground.data.background import Invert, Monochrome, choose_ratio, with_background

# training pictures, classes, and what the paper's 3,001 come to: times a class, share in per cent
PAPER = [
    (4_500, 10, 6.7, 40),
    (50_000, 10, 0.6, 5.7),
    (6_552, 102, 47, 31),
    (90_000, 10, 0.33, 3.2),
]


@pytest.mark.parametrize(("total", "classes", "ratio", "percent"), PAPER)
def test_all_of_the_papers_pool_gives_the_papers_ratios(total, classes, ratio, percent):
    choice = choose_ratio(
        [total // classes] * (classes - 1) + [total - total // classes * (classes - 1)], 3001
    )
    assert choice.count == 3001
    assert choice.ratio == pytest.approx(ratio, rel=0.02)
    assert 100 * choice.share == pytest.approx(percent, abs=0.5)


def test_ratio_is_times_the_mean_class():
    choice = choose_ratio([10, 30], 100, ratio=1.5)
    assert (choice.count, choice.ratio) == (30, 1.5)
    assert choice.share == pytest.approx(30 / 70)


def test_more_than_there_is_is_refused_with_what_there_is():
    with pytest.raises(
        OptionError, match=r"asks for 40 background pictures, there are 30: at most ratio 1.5"
    ):
        choose_ratio([20, 20], 30, ratio=2.0)
    with pytest.raises(OptionError, match="above 0"):
        choose_ratio([20], 30, ratio=0.0)
    with pytest.raises(ShapeError, match="no pictures"):
        choose_ratio([0, 0], 30)


def data(channels=3):
    pixels = torch.full((8, channels, 6, 5), 7, dtype=torch.uint8)
    return LabeledImages(pixels, torch.tensor([0, 1] * 4), ("a", "b"))


def test_background_comes_after_the_data_with_the_last_label():
    made = with_background(data(), Monochrome())
    assert made.pixels.shape == (224, 3, 6, 5)
    assert made.class_names == ("a", "b")
    assert made.labels.tolist() == [0, 1] * 4 + [2] * 216
    assert made.background_count == 216
    assert (made.pixels[:8] == 7).all()
    assert made.pixels[8 + 7, :, 2, 2].tolist() == [0, 50, 50]


def test_smaller_ratio_takes_some_of_the_larger_ones_pictures():
    def colours(ratio, seed):
        made = with_background(data(), Monochrome(), ratio=ratio, seed=seed)
        return {tuple(pixel) for pixel in made.pixels[8:, :, 0, 0].tolist()}

    assert len(colours(1.0, 0)) == 4
    assert colours(1.0, 0) < colours(5.0, 0)
    assert colours(5.0, 0) != colours(5.0, 1)


def test_grey_data_get_grey_background():
    made = with_background(data(channels=1), Monochrome(levels=(0, 255)))
    assert made.pixels.shape == (16, 1, 6, 5)
    assert made.pixels[8:, 0, 0, 0].tolist() == [0, 29, 150, 179, 76, 105, 226, 255]  # of ITU-R 601


def test_lazy_data_stay_lazy(given, scenes):
    held = data()
    lazy = LabeledImages(LazyPictures(held.picture, 8), held.labels, held.class_names)
    source = Invert(given(scenes([1, 2])))
    made = with_background(lazy, source)
    assert made.is_lazy
    torch.testing.assert_close(made[3][0], held[3][0])
    np.testing.assert_array_equal(made[9][0].permute(1, 2, 0).numpy(), source[1])
    assert made.labels.tolist()[7:] == [1, 2, 2]


def test_background_is_not_added_twice():
    with pytest.raises(OptionError, match="hold 216 background pictures already"):
        with_background(with_background(data(), Monochrome()), Monochrome())
