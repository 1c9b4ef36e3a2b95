"""Baselines that know no network, and maps that somebody else made."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError
from figureground.metrics.localisation.baselines import BASELINES
from figureground.studies.evaluation.engine import run_evaluation
from figureground.studies.evaluation.image_set import open_images
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.evaluation.subject import (
    baseline_maps,
    folder_description,
    folder_maps,
    refuse_shared_maps,
)


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


def image_at(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 16), "red").save(path)
    return path


def map_at(path: Path, row: int) -> None:
    """A map whose peak is in one row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((4, 5), np.float32)
    values[row, 2] = 1
    np.save(path, values)


def peaks(folder: Path, names: tuple[str, ...]) -> list[int]:
    maps, problems = folder_maps(folder, names, (4, 5))
    assert problems == []
    return [int(one.flatten().argmax()) // 5 for one in maps]


def test_images_of_one_name_in_two_folders_have_maps_of_their_own(tmp_path: Path):
    for name in ("a/p0.png", "b/p0.png", "b/p1.png"):
        image_at(tmp_path / "images" / name)
    found = open_images(tmp_path / "images", None)
    assert found.names == ("a/p0.png", "b/p0.png", "p1.png")
    maps = tmp_path / "maps"
    for row, name in enumerate(("a/p0.npy", "b/p0.npy", "p1.npy")):
        map_at(maps / name, row)
    assert peaks(maps, found.names) == [0, 1, 2]
    before = folder_description(maps)
    map_at(maps / "b" / "p0.npy", 3)
    assert folder_description(maps) != before


def test_one_map_is_not_taken_for_two_images(tmp_path: Path):
    for name in ("p0.png", "p0.jpg"):
        image_at(tmp_path / "images" / name)
    found, maps = open_images(tmp_path / "images", None), tmp_path / "maps"
    map_at(maps / "p0.npy", 0)
    evaluation = Localisation(methods=(), maps=(maps,))
    with pytest.raises(DataError, match=r"p0\.npy would be the map of both p0\.\w+ and p0\.\w+"):
        run_evaluation(evaluation, None, found, out=tmp_path / "out")
    map_at(maps / "p0.png.npy", 1)
    map_at(maps / "p0.jpg.npy", 2)
    refuse_shared_maps(maps, found.names)
    assert peaks(maps, ("p0.png", "p0.jpg")) == [1, 2]
