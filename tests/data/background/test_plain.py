"""One colour each, and inverses."""

from itertools import product

import numpy as np

from figureground.data.background import Invert, Monochrome


def test_monochromes_are_the_216_colours_of_the_paper():
    source = Monochrome()
    assert len(source) == 216
    seen = {tuple(picture[0, 0].tolist()) for picture in source}
    assert seen == set(product((0, 50, 100, 150, 200, 250), repeat=3))
    assert all((picture == picture[0, 0]).all() for picture in source)
    assert source[0].shape == (50, 50, 3)
    assert len({source.group(row) for row in range(216)}) == 216


def test_inverting_twice_changes_nothing(given, scenes):
    source = given(scenes(range(3)))
    for row in range(3):
        once, twice = Invert(source)[row], Invert(Invert(source))[row]
        np.testing.assert_array_equal(once.astype(int) + source[row], 255)
        np.testing.assert_array_equal(twice, source[row])
        assert Invert(source).group(row) == source.group(row)
