"""Planted sets by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from figureground.base.errors import DataError, OptionError
from figureground.data.loaders import LoadOptions, load_dataset, planted_sets
from figureground.data.loaders.planted_sets import planted_images
from figureground.data.planted import Planted, make_planted

FEW = LoadOptions(count=40)


@pytest.mark.parametrize(("name", "side"), [("photos", 64), ("tints", 32), ("patch", 32)])
def test_sets_have_boxes_and_groups(name: str, side: int):
    data = load_dataset(f"planted-{name}", part="train", options=FEW)
    assert tuple(data.pixels.shape) == (40, 3, side, side)
    assert data.class_names == tuple("0123456789")
    assert data.boxes is not None
    assert all(len(one) == 1 for one in data.boxes)


def test_parts_share_no_digit(monkeypatch: pytest.MonkeyPatch):
    """What images are made of, byte for byte."""
    given: list[set[bytes]] = []

    def made(objects: np.ndarray, *others: Any, **named: Any) -> Planted:
        given.append({one.tobytes() for one in objects})
        return make_planted(objects, *others, **named)

    monkeypatch.setattr(planted_sets, "make_planted", made)
    for part in ("train", "val", "test"):
        data = load_dataset("planted-tints", part=part, options=FEW)
        assert data.groups is not None
        assert int(data.groups.max()) < len(given[-1])
    train, val, test = given
    assert len(train) > len(val) > 100
    assert not train & val
    assert not train & test
    assert not val & test


@pytest.mark.parametrize("name", ["tints", "photos"])
def test_contexts_are_what_the_backgrounds_speak_for(name: str):
    options = LoadOptions(count=40, background=True, rho=0.5)
    data = load_dataset(f"planted-{name}", part="train", options=options)
    assert data.contexts is not None
    made = planted_images(name, None, part="train", options=LoadOptions(count=40, rho=0.5))
    assert torch.equal(data.contexts[:40], made.grounds)
    assert 0 < int((data.contexts[:40] == data.labels[:40]).sum()) < 40
    assert len(data.contexts) == 44
    if name == "tints":  # the bare grounds, too, have the colour of their class
        reds = data.pixels[:, :].float().mean((2, 3))[40:, 0]
        colours = torch.tensor([0.9, 0.1, 0.1, 0.9, 0.9, 0.1, 0.95, 0.55, 0.98, 0.05])
        assert float(torch.corrcoef(torch.stack([reds, colours[data.contexts[40:]]]))[0, 1]) > 0.8


def test_rho_arrives():
    sure = planted_images("tints", None, part="test", options=LoadOptions(count=50, rho=1.0))
    assert torch.equal(sure.grounds, sure.labels)
    usual = planted_images("tints", None, part="test", options=LoadOptions(count=1000))
    assert float((usual.grounds == usual.labels).float().mean()) == pytest.approx(0.955, abs=0.02)


def test_each_class_may_have_its_own_rho():
    rhos = (1.0, 1.0, 1.0, *(0.0,) * 7)
    made = planted_images("tints", None, part="test", options=LoadOptions(count=1000, rho=rhos))
    own = made.grounds == made.labels
    planted = made.labels < 3
    assert bool(own[planted].all())
    assert float(own[~planted].float().mean()) == pytest.approx(0.1, abs=0.04)
    with pytest.raises(OptionError, match="ten of them"):
        LoadOptions(rho=(0.5, 0.5))


def test_other_sets_have_no_rho():
    with pytest.raises(
        OptionError,
        match=r"no option 'rho', which is 0\.5 .* by data\.rho=null",
    ):
        load_dataset("cluttered-digits", part="val", options=LoadOptions(rho=0.5))
    with pytest.raises(OptionError, match="rho is a number in"):
        LoadOptions(rho=2.0)


def test_pictures_need_a_folder_with_the_pack(tmp_path):
    for root in (None, tmp_path):
        with pytest.raises(DataError, match=r"cifar10_jpeg\.npz"):
            load_dataset("planted-pictures", root, part="val", options=FEW)


def test_textures_of_one_kind_a_class(shared_data: Path):
    """Backgrounds of a class are crops of its own texture's photographs; each part has other photographs."""
    packs, options = shared_data / "packs", LoadOptions(count=30, rho=1.0)
    seen = {}
    for part in ("train", "test"):
        made = planted_images("textures", packs, part=part, options=options)
        assert tuple(made.images.shape) == (30, 3, 64, 64)
        assert torch.equal(made.grounds, made.labels)
        seen[part] = {one.numpy().tobytes() for one in made.clean}
    assert not seen["train"] & seen["test"]
    data = load_dataset("planted-textures", packs, part="val", options=options)
    assert data.class_names[0] == "airplane"
