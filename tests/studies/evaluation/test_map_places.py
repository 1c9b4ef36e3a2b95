"""Boxes, peaks and masses of maps against true boxes."""

import numpy as np
import torch

from figureground.studies.evaluation.map_places import PlaceRule, map_places
from figureground.studies.evaluation.post_processing import PostProcessing

SIZE = (40, 60)
BOX = torch.tensor([[10.0, 5, 30, 25]])
RULE = PlaceRule(PostProcessing(relu=False), step=0.25, tolerance=0.0)


def one_map(x0: int, y0: int, x1: int, y1: int, value: float = 1.0) -> torch.Tensor:
    found = torch.zeros(1, *SIZE)
    found[0, y0:y1, x0:x1] = value
    return found


def places(maps: torch.Tensor, boxes: list[torch.Tensor], rule: PlaceRule = RULE):
    return map_places(maps, boxes, size=SIZE, rule=rule)


def test_overlap_is_that_of_the_map_s_box_in_half_open_pixels():
    found = places(one_map(20, 5, 40, 25), [BOX])
    assert np.allclose(found.overlaps, 10 / 30)


def test_best_of_several_true_boxes_counts():
    two = torch.cat([BOX, torch.tensor([[20.0, 5, 40, 25]])])
    assert np.allclose(places(one_map(20, 5, 40, 25), [two]).overlaps, 1)


def test_scale_and_offset_of_a_map_do_not_matter():
    one = one_map(12, 8, 28, 20) + 0.5 * one_map(0, 0, 60, 12)
    first, second = places(one, [BOX]), places(3 * one - 7, [BOX])
    assert np.allclose(first.overlaps, second.overlaps)
    assert first.pointing == second.pointing
    assert np.allclose(first.energy, second.energy)


def test_a_blank_map_is_a_miss_with_its_mass_undefined():
    maps = torch.cat([torch.ones(1, *SIZE), torch.full((1, *SIZE), torch.nan)])
    found = places(maps, [BOX, BOX])
    assert found.blank.tolist() == [1, 1]
    assert (found.overlaps == 0).all()
    assert found.pointing.tolist() == [0, 0]
    assert np.isnan(found.energy).all()


def test_a_picture_without_boxes_is_a_gap_and_no_miss():
    found = places(torch.cat([one_map(10, 5, 30, 25)] * 2), [torch.zeros(0, 4), BOX])
    assert np.isnan(found.overlaps[0]).all()
    assert np.isnan(found.pointing[0])
    assert found.pointing[1] == 1
    assert found.overlaps[1].min() == 1


def test_relu_changes_what_is_boxed():
    signed = one_map(10, 5, 30, 25) - one_map(40, 30, 45, 35)
    plain = places(signed, [BOX], PlaceRule(PostProcessing(relu=False), step=0.25))
    clamped = places(signed, [BOX], PlaceRule(PostProcessing(relu=True), step=0.25))
    # without ReLU zero is half way up: at 0.25 the whole picture but the dark patch is inside
    assert plain.overlaps[0, 1] < 0.2
    assert clamped.overlaps[0, 1] == 1
