"""Planted sets by name."""

import pytest
import torch

from figureground.base.errors import DataError, OptionError
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.data.loaders.planted_sets import planted_images

FEW = LoadOptions(count=40)


@pytest.mark.parametrize(("name", "side"), [("photos", 64), ("tints", 32), ("patch", 32)])
def test_sets_have_boxes_and_groups(name: str, side: int):
    data = load_dataset(f"planted-{name}", part="train", options=FEW)
    assert tuple(data.pixels.shape) == (40, 3, side, side)
    assert data.class_names == tuple("0123456789")
    assert data.boxes is not None
    assert all(len(one) == 1 for one in data.boxes)


def test_parts_share_no_digit():
    found = {}
    for part in ("train", "val", "test"):
        data = load_dataset("planted-tints", part=part, options=LoadOptions(count=3000))
        assert data.groups is not None
        found[part] = data.groups
    from figureground.data import sklearn_digits, split_digits  # noqa: PLC0415 - here alone

    _, labels = sklearn_digits()
    split = split_digits(labels, seed=0)
    for part, rows in zip(("train", "val", "test"), split, strict=True):
        assert set(found[part].tolist()) <= set(range(len(rows)))
    assert len(set(map(len, split))) > 1


def test_rho_arrives():
    sure = planted_images("tints", None, part="test", options=LoadOptions(count=50, rho=1.0))
    assert torch.equal(sure.grounds, sure.labels)
    usual = planted_images("tints", None, part="test", options=LoadOptions(count=1000))
    assert float((usual.grounds == usual.labels).float().mean()) == pytest.approx(0.955, abs=0.02)


def test_other_sets_have_no_rho():
    with pytest.raises(OptionError, match="'cluttered-digits' has no option 'rho'"):
        load_dataset("cluttered-digits", part="val", options=LoadOptions(rho=0.5))
    with pytest.raises(OptionError, match="rho lies between 0 and 1"):
        LoadOptions(rho=2.0)


def test_pictures_need_a_folder_with_the_pack(tmp_path):
    for root in (None, tmp_path):
        with pytest.raises(DataError, match=r"cifar10_jpeg\.npz"):
            load_dataset("planted-pictures", root, part="val", options=FEW)
