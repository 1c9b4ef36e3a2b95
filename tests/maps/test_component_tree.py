"""The leaves and saddles of a component tree, by their definition."""

import numpy as np
import pytest
from scipy import ndimage

from figureground.base.errors import OptionError
from figureground.maps.component_tree import build_component_tree, sort_by_level


def summit_above(heights, place, connectivity):
    """Step to the highest neighbour until there is none that is higher; all heights differ."""
    y, x = place
    near = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if connectivity == 8 or a == 0 or b == 0]
    inside = [
        (y + a, x + b)
        for a, b in near
        if 0 <= y + a < heights.shape[0] and 0 <= x + b < heights.shape[1]
    ]
    best = max(inside, key=lambda at: heights[at])
    return place if best == place else summit_above(heights, best, connectivity)


def as_map(tree):
    """The leaf of each pixel."""
    cells = tree.leaf[:-1].reshape(-1, tree.row)
    assert not cells[0].any()
    assert not cells[-1].any()
    assert not cells[:, 0].any()
    return cells[1:-1, 1:]


@pytest.mark.parametrize("connectivity", [4, 8])
def test_pixels_of_a_hill_climb_to_the_same_summit(connectivity):
    rng = np.random.default_rng(connectivity)
    for height, width in ((1, 1), (1, 9), (8, 1), (12, 17), (15, 11)):
        heights = rng.permutation(height * width).reshape(height, width)
        tree = build_component_tree(heights, heights, connectivity=connectivity)
        number_of: dict[tuple[int, ...], int] = {}  # summits are numbered in reading order
        for place in np.ndindex(height, width):
            if summit_above(heights, place, connectivity) == place:
                number_of[place] = len(number_of) + 1
        expected = [
            number_of[summit_above(heights, place, connectivity)]
            for place in np.ndindex(height, width)
        ]
        assert as_map(tree).ravel().tolist() == expected
        assert tree.number == len(number_of)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_saddles_are_the_pixels_whose_higher_neighbours_are_in_several_pieces(connectivity):
    heights = np.random.default_rng(5).permutation(19 * 14).reshape(19, 14)
    tree = build_component_tree(heights, heights, connectivity=connectivity)
    padded = np.pad(heights, 1, constant_values=-1)
    cross = ndimage.generate_binary_structure(2, 1)
    near = np.ones((3, 3), dtype=bool) if connectivity == 8 else cross
    expected = []
    for y, x in np.ndindex(19, 14):
        window = padded[y : y + 3, x : x + 3]
        pieces, _ = ndimage.label(window > window[1, 1], structure=near)
        touched = set(pieces[near].tolist()) - {0}  # a lone corner touches nothing by 4 neighbours
        if len(touched) > 1:
            expected.append((y + 1, x + 1))
    assert [divmod(cell, tree.row) for cell in tree.saddles.tolist()] == expected
    assert len(expected) > 10


def test_a_hill_above_any_threshold_is_connected_also_where_heights_are_equal():
    counts = np.random.default_rng(6).integers(0, 5, (23, 31))
    leaf = as_map(build_component_tree(counts, counts))
    for threshold in range(5):
        for one in np.unique(leaf[counts > threshold]):
            part = (leaf == one) & (counts > threshold)
            assert ndimage.label(part, structure=np.ones((3, 3)))[1] == 1


def test_heights_that_leave_no_room_for_the_position_give_the_same_hills():
    heights = np.random.default_rng(7).permutation(300 * 280).reshape(300, 280)
    narrow = build_component_tree(heights // 16, heights // 16)
    wide = build_component_tree(heights // 16, heights // 16 * (1 << 14))
    np.testing.assert_array_equal(narrow.leaf, wide.leaf)
    np.testing.assert_array_equal(narrow.saddles, wide.saddles)


def test_what_falls_comes_up_from_the_highest_level_and_of_equals_the_first_first():
    levels = np.random.default_rng(8).integers(0, 9, 200)
    order, until = sort_by_level(levels, 8)
    assert order.tolist() == [
        at for at in np.argsort(-levels, kind="stable").tolist() if levels[at] > 0
    ]
    assert until.tolist() == [int((levels >= max(level, 1)).sum()) for level in range(9)]


def test_neighbours_are_four_or_eight():
    counts = np.ones((3, 3), dtype=np.int64)
    with pytest.raises(OptionError, match="no connectivity '6'"):
        build_component_tree(counts, counts, connectivity=6)
