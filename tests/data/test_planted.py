"""Planted images: what their backgrounds tell, and that everything known of them is true."""

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.data.planted import GROUNDS, PlantedSpec, make_planted, shipped_photographs

DIGITS = np.zeros((20, 28, 28), np.uint8)
DIGITS[:, 6:22, 10:18] = 255
LABELS = np.arange(20) % 10


@pytest.mark.parametrize("grounds", GROUNDS)
def test_at_one_every_background_is_the_classs_own(grounds: str):
    made = make_planted(DIGITS, LABELS, count=30, seed=0, spec=PlantedSpec(1.0, grounds, 32))
    assert torch.equal(made.grounds, made.labels)
    assert torch.equal(made.labels, torch.from_numpy(LABELS)[made.sources])


def test_at_zero_every_background_is_as_likely():
    made = make_planted(DIGITS, LABELS, count=2000, seed=1, spec=PlantedSpec(0.0, "tints", 16))
    assert float((made.grounds == made.labels).float().mean()) == pytest.approx(0.1, abs=0.03)
    assert torch.bincount(made.grounds).min() > 150


@pytest.mark.parametrize("grounds", GROUNDS)
def test_an_image_is_its_object_on_its_clean_background(grounds: str):
    made = make_planted(DIGITS, LABELS, count=12, seed=0, spec=PlantedSpec(0.5, grounds, 32))
    rows = torch.arange(12)
    torch.testing.assert_close(
        made.composite(rows, rows), made.images.float() / 255, atol=0.51 / 255, rtol=0
    )
    outside = made.alpha == 0
    same = (made.images == made.clean).all(1)
    assert bool(same[outside].all())
    assert not bool((made.masks & outside).any())


def test_boxes_are_tight_around_the_masks():
    made = make_planted(DIGITS, LABELS, count=12, seed=0)
    for mask, box in zip(made.masks, made.boxes.int().tolist(), strict=True):
        rows, columns = mask.nonzero().unbind(1)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box == [int(one) for one in found]


def test_parts_are_cut_from_different_columns():
    """A photograph whose pixels say their column."""
    ramp = np.tile(np.arange(250, dtype=np.uint8)[None, :, None], (64, 1, 3))
    ranges = {}
    for part in ("train", "val", "test"):
        made = make_planted(
            DIGITS,
            LABELS,
            count=60,
            seed=0,
            part=part,
            photographs=[[ramp]] * 10,
            spec=PlantedSpec(1.0, "photos", 32),
        )
        ranges[part] = (int(made.clean.min()), int(made.clean.max()))
    assert ranges["train"][1] <= 150 <= ranges["val"][0] + 1
    assert ranges["val"][1] <= 195 <= ranges["test"][0] + 1


def test_a_patch_stands_in_a_corner_and_is_never_covered():
    made = make_planted(DIGITS, LABELS, count=40, seed=0, spec=PlantedSpec(1.0, "patch", 32))
    red = made.labels == 0
    corners = made.images[red].float()[:, :, [2, 2, 29, 29], [2, 29, 2, 29]] / 255
    colour = torch.tensor([0.9, 0.1, 0.1])[None, :, None]
    assert bool(((corners - colour).abs().amax(1) < 0.01).any(1).all())
    assert not bool(made.masks[:, :5, :5].any())


def test_pictures_are_pasted_whole():
    pictures = np.random.default_rng(0).integers(0, 255, (10, 32, 32, 3), dtype=np.uint8)
    made = make_planted(
        pictures, np.arange(10), count=10, seed=0, spec=PlantedSpec(1.0, "tints", 32)
    )
    for mask, box in zip(made.masks, made.boxes, strict=True):
        assert int(mask.sum()) == int((box[2] - box[0]) * (box[3] - box[1]))


def test_seeds_and_parts_have_their_own_images():
    one, same, other = (
        make_planted(DIGITS, LABELS, count=5, seed=seed).images for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, make_planted(DIGITS, LABELS, count=5, seed=0, part="val").images)


def test_photographs_come_with_scikit_image():
    photos = shipped_photographs()
    assert len(photos) == 10
    assert all(one.shape[2] == 3 and one.dtype == np.uint8 for one in photos)
    assert min(min(round(0.22 * one.shape[1]), one.shape[0]) for one in photos) >= 64


def test_what_cannot_be_made_is_refused():
    with pytest.raises(OptionError, match="rho"):
        PlantedSpec(1.5)
    with pytest.raises(OptionError, match="grounds is one of photos, tints, patch"):
        PlantedSpec(grounds="stripes")
    with pytest.raises(OptionError, match="16"):
        PlantedSpec(side=8)
    with pytest.raises(OptionError, match="part"):
        make_planted(DIGITS, LABELS, count=1, seed=0, part="all")
    with pytest.raises(OptionError, match="count"):
        make_planted(DIGITS, LABELS, count=0, seed=0)
    with pytest.raises(ShapeError, match="classes 0 to 9"):
        make_planted(DIGITS, LABELS + 1, count=1, seed=0)
