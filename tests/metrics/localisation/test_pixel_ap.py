"""PxAP against a loop over thresholds, numpy's histogram and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from figureground.base.errors import DataError, MapError, ShapeError
from figureground.metrics.localisation.pixel_ap import (
    pixel_average_precision,
    pixel_histograms,
)

SHARES = np.arange(0, 1, 0.01)


def setting(seed=0):
    rng = np.random.default_rng(seed)
    maps = rng.random((3, 9, 13)).astype(np.float32)
    masks = torch.from_numpy(rng.choice([0, 0, 1, 255], (3, 9, 13)))
    return maps, masks


def published_rule(maps, masks, shares):
    """Histograms with right edges 1, 2, 3; area under precision over recall."""
    edges = np.append(shares, [1.0, 2.0, 3.0])
    masks = masks.numpy()
    found = [np.histogram(maps[masks == value], bins=edges)[0] for value in (1, 0)]
    true, false = (counts[::-1].cumsum() for counts in found)
    some = (true + false) != 0
    precision = true[some] / (true + false)[some]
    recall = true[some] / true[-1]
    first = precision[0] * recall[0]
    return (precision[1:] * np.diff(recall)).sum() + first


def test_a_value_on_a_threshold_is_counted_above_it():
    one_map = torch.tensor([[[0.0, 0.25, 0.5, 0.49]]])
    found = pixel_histograms(one_map, torch.tensor([[[1, 0, 1, 0]]]), thresholds=[0.0, 0.25, 0.5])
    assert found.tolist() == [[[1, 0, 1, 0], [0, 2, 0, 0]]]


def test_scores_of_exactly_one_have_a_bin_of_their_own():
    one_map, mask = torch.tensor([[[1.0, 0.995, 0.2]]]), torch.tensor([[[1, 0, 0]]])
    total = pixel_histograms(one_map, mask, thresholds=SHARES).sum(0)
    assert (
        pixel_average_precision(total) == 1
    )  # as scikit-learn says; one bin for both would give 0.5


def test_pixel_ap_equals_the_published_histograms():
    maps, masks = setting()
    total = pixel_histograms(maps, masks, thresholds=SHARES).sum(0)
    expected = published_rule(maps, masks, SHARES)
    assert pixel_average_precision(total) == pytest.approx(expected, rel=1e-12)


def test_pixel_ap_tends_to_scikit_learns_average_precision_with_fine_thresholds():
    maps, masks = setting(1)
    judged = masks.numpy() != 255
    expected = average_precision_score(masks.numpy()[judged], maps[judged])
    fine = pixel_histograms(maps, masks, thresholds=np.linspace(0, 1, 200_001)[:-1]).sum(0)
    assert pixel_average_precision(fine) == pytest.approx(expected, abs=1e-6)


def test_perfect_map_has_average_precision_one():
    masks = torch.zeros(2, 6, 7, dtype=torch.long)
    masks[:, 2:4, 1:5] = 1
    total = pixel_histograms(masks.float(), masks, thresholds=SHARES).sum(0)
    assert pixel_average_precision(total) == 1


def test_constant_map_has_the_objects_share_of_the_judged_pixels():
    _, masks = setting()
    total = pixel_histograms(torch.full(masks.shape, 0.4), masks, thresholds=SHARES).sum(0)
    share = (masks == 1).sum() / (masks != 255).sum()
    assert pixel_average_precision(total) == pytest.approx(share.item(), rel=1e-6)


def test_monotone_changes_that_keep_the_bins_leave_it_unchanged():
    _, masks = setting()
    steps = torch.randint(0, 10, masks.shape, generator=torch.Generator().manual_seed(0))
    shares = np.arange(0, 1, 0.001)
    maps = (steps / 10 + 0.0005, (steps / 10).sqrt() + 0.0005)
    found = [
        pixel_average_precision(pixel_histograms(m, masks, thresholds=shares).sum(0)) for m in maps
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_ignored_pixels_count_nowhere():
    maps, masks = setting()
    other = maps.copy()
    other[masks.numpy() == 255] = 0.77
    first, second = (pixel_histograms(m, masks, thresholds=SHARES) for m in (maps, other))
    assert torch.equal(first, second)
    assert first.sum().item() == (masks != 255).sum().item()


def test_bad_maps_masks_and_thresholds_are_refused():
    maps, masks = setting()
    bad = maps.copy()
    bad[1, 0, 0] = np.nan
    with pytest.raises(MapError, match=r"\[1\]"):
        pixel_histograms(bad, masks, thresholds=SHARES)
    with pytest.raises(MapError, match=r"\[0, 1, 2\]"):
        pixel_histograms(maps + 1, masks, thresholds=SHARES)
    with pytest.raises(ShapeError, match="0, 1 and 255"):
        pixel_histograms(maps, masks * 2, thresholds=SHARES)
    with pytest.raises(ShapeError, match="rise"):
        pixel_histograms(maps, masks, thresholds=[0.5, 0.2])
    with pytest.raises(DataError, match="no object pixel"):
        pixel_average_precision(torch.tensor([[0, 0], [3, 4]]))
