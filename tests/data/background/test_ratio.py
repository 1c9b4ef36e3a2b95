"""How much background: the paper's shares."""

import pytest

from figureground.base.errors import OptionError, ShapeError
from figureground.data.background import choose_ratio

# training images, classes, and what the paper's 3,001 come to: times a class, share in per cent
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
        OptionError, match=r"asks for 40 background images, there are 30: at most ratio 1.5"
    ):
        choose_ratio([20, 20], 30, ratio=2.0)
    with pytest.raises(OptionError, match="above 0"):
        choose_ratio([20], 30, ratio=0.0)
    with pytest.raises(ShapeError, match="no images"):
        choose_ratio([0, 0], 30)
