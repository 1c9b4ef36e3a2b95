"""Pointing games and the maps that know nothing, against counts of pixels."""

import pytest
import torch

from figureground.base.errors import MapError, OptionError, ShapeError
from figureground.metrics.localisation.baselines import (
    BASELINES,
    brightness,
    centre_box,
    centre_gaussian,
    whole_image,
)
from figureground.metrics.localisation.pointing import (
    energy_pointing_game,
    mask_pointing_game,
    pointing_game,
)


def setting(seed=0, count=20):
    source = torch.Generator().manual_seed(seed)
    maps = torch.rand(count, 11, 17, generator=source)
    low = torch.randint(0, 8, (count, 2, 2), generator=source)
    boxes = torch.cat([low, low + torch.randint(1, 5, low.shape, generator=source)], -1).float()
    return maps, [boxes[i, : 1 + i % 2] for i in range(count)]


def pixels_of(boxes):
    return {
        (x, y)
        for x0, y0, x1, y1 in boxes.int().tolist()
        for x in range(x0, x1)
        for y in range(y0, y1)
    }


@pytest.mark.parametrize("tolerance", [0.0, 1.5, 4.0])
def test_pointing_equals_the_nearest_object_pixel(tolerance):
    maps, truth = setting(count=60)
    expected = []
    for one_map, boxes in zip(maps, truth, strict=True):
        row, column = divmod(int(one_map.argmax()), one_map.shape[1])
        squares = [(x - column) ** 2 + (y - row) ** 2 for x, y in pixels_of(boxes)]
        expected.append(min(squares) ** 0.5 <= tolerance)
    assert pointing_game(maps, truth, tolerance=tolerance).tolist() == expected
    assert 0 < sum(expected) < len(expected)


@pytest.mark.parametrize("tolerance", [0.0, 1.5, 4.0])
def test_pointing_in_masks_of_boxes_is_pointing_in_the_boxes(tolerance):
    maps, truth = setting(count=60)
    masks = torch.zeros(maps.shape, dtype=torch.bool)
    for mask, boxes in zip(masks, truth, strict=True):
        for x, y in pixels_of(boxes):
            mask[y : y + 1, x : x + 1] = True
    keep = masks.flatten(1).any(1)
    cut = [boxes.clamp(max=torch.tensor([17, 11, 17, 11])) for boxes in truth]
    expected = pointing_game(maps, cut, tolerance=tolerance)
    assert torch.equal(
        mask_pointing_game(maps[keep], masks[keep], tolerance=tolerance), expected[keep]
    )
    assert 0 < int(expected.sum()) < len(expected)


def test_pointing_in_masks_refuses_what_points_nowhere():
    maps, masks = torch.rand(2, 4, 5), torch.ones(2, 4, 5, dtype=torch.bool)
    with pytest.raises(ShapeError, match=r"the masks \[1\] are empty"):
        mask_pointing_game(maps, masks & torch.tensor([True, False])[:, None, None])
    with pytest.raises(MapError, match=r"maps \[0\] are constant or not finite"):
        mask_pointing_game(maps * torch.tensor([0.0, 1.0])[:, None, None], masks)
    with pytest.raises(OptionError, match="tolerance must not be negative"):
        mask_pointing_game(maps, masks, tolerance=-1.0)


def test_energy_is_the_mass_on_the_union_of_boxes():
    maps, truth = setting(1)
    maps = maps - 0.3
    found = energy_pointing_game(maps, truth)
    for one_map, boxes, share in zip(maps.clamp_min(0), truth, found, strict=True):
        inside = sum(one_map[y, x].item() for x, y in pixels_of(boxes) if y < 11 and x < 17)
        assert share.item() == pytest.approx(inside / one_map.sum().item(), rel=1e-5)


def test_pointing_is_unchanged_by_monotone_changes_of_a_map():
    maps, truth = setting(2)
    assert torch.equal(pointing_game(maps, truth), pointing_game((maps * 3).exp(), truth))


def test_blank_maps_missing_boxes_and_negative_tolerances_are_refused():
    maps, truth = setting()
    blank = maps.clone()
    blank[3], blank[5, 0, 0] = 0.2, torch.inf
    for game in (pointing_game, energy_pointing_game):
        with pytest.raises(MapError, match=r"\[3, 5\]"):
            game(blank, truth)
        with pytest.raises(ShapeError, match=r"images \[0\]"):
            game(maps, [truth[0][:0], *truth[1:]])
        with pytest.raises(ShapeError, match="20 maps but 19"):
            game(maps, truth[1:])
    with pytest.raises(MapError, match="no positive value"):
        energy_pointing_game(-maps, truth)
    with pytest.raises(OptionError, match="tolerance"):
        pointing_game(maps, truth, tolerance=-1.0)


def test_every_baseline_makes_finite_maps_of_the_images_size():
    images = torch.rand(2, 3, 10, 14, generator=torch.Generator().manual_seed(4))
    for name, make in BASELINES.items():
        maps = make(images)
        assert maps.shape == (2, 10, 14), name
        assert (maps >= 0).all(), name
        assert (maps <= 1).all(), name


def test_baselines_are_what_their_names_say():
    images = torch.rand(2, 3, 40, 60, generator=torch.Generator().manual_seed(5))
    box = centre_box(images, 0.25)[0]
    assert torch.equal(box, box.flip(0))
    assert torch.equal(box, box.flip(1))
    assert box.mean().item() == pytest.approx(0.25, abs=0.02)
    assert whole_image(images).min() == 1
    bell = centre_gaussian(images)[0]
    assert bell.argmax().item() in {19 * 60 + 29, 19 * 60 + 30, 20 * 60 + 29, 20 * 60 + 30}
    assert torch.allclose(bell, bell.flip(0).flip(1))
    # one standard deviation (a quarter of the width) right of the middle
    assert (bell[20, 45] / bell[20, 30]).item() == pytest.approx(
        2.718281828 ** (-0.5 * (15.5**2 - 0.5**2) / 15**2), rel=1e-5
    )
    assert torch.allclose(brightness(images), images.sum(1) / 3)
    with pytest.raises(OptionError, match="area_fraction"):
        centre_box(images, 0.0)
    with pytest.raises(OptionError, match="sigma_fraction"):
        centre_gaussian(images, 0.0)
