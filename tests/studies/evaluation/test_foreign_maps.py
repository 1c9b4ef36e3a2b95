"""Baselines that know no network."""

import pytest
import torch

from figureground.metrics.localisation.baselines import BASELINES
from figureground.studies.evaluation.subject import baseline_maps


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_lie_between_zero_and_one(name: str):
    images = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    maps = baseline_maps(name, images)
    assert len(maps) == 2
    assert 0 <= maps.min() < maps.max() <= 1 or name == "whole-image"


def test_brightness_of_a_large_view_is_averaged_to_28_cells():
    blob = torch.zeros(1, 3, 112, 84)
    blob[:, :, 40:48, 30:33] = 1
    bright = baseline_maps("brightness", blob)
    assert bright.shape == (1, 28, 28)
    assert bright[0, 10, 10] == 1
    assert bright.sum() == 2
