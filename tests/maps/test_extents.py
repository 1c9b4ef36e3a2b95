"""How far leaves reach at each threshold."""

import numpy as np
import pytest

from figureground.maps.component_tree import build_component_tree
from figureground.maps.threshold_boxes import advances


@pytest.mark.parametrize("connectivity", [4, 8])
def test_advances_down_to_a_threshold_give_each_hills_box_above_it(connectivity):
    counts = np.random.default_rng(0).integers(0, 9, (14, 19))
    tree = build_component_tree(counts, counts, connectivity=connectivity)
    leaf = tree.leaf[:-1].reshape(-1, tree.row)[1:-1, 1:]
    rows = advances(tree)
    for level in range(1, 9):
        reached = np.full((tree.number + 1, 4), -99)
        came = rows[rows[:, 0] >= level]
        np.maximum.at(reached, (came[:, 1], came[:, 2]), came[:, 3])
        for one in range(1, tree.number + 1):
            y, x = np.nonzero((leaf == one) & (counts >= level))
            expected = [-x.min(), -y.min(), x.max(), y.max()] if len(x) else [-99] * 4
            assert reached[one].tolist() == expected


def test_each_advance_goes_further_than_those_above_it():
    counts = np.random.default_rng(1).integers(0, 50, (30, 20))
    rows = advances(build_component_tree(counts, counts))
    order = np.lexsort((-rows[:, 0], rows[:, 2], rows[:, 1]))
    level, leaf, side, reached = rows[order].T
    same = (leaf[1:] == leaf[:-1]) & (side[1:] == side[:-1])
    assert same.any()
    assert (level[1:][same] < level[:-1][same]).all()
    assert (reached[1:][same] > reached[:-1][same]).all()
