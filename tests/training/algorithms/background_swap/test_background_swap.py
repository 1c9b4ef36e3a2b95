"""Foregrounds stay where they are, backgrounds come from others, and the loop sees what the plain object makes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.data.labeled import LabeledImages
from figureground.training.algorithms.background_swap import (
    BackgroundSwap,
    BackgroundSwapOptions,
    BackgroundSwapping,
)
from figureground.training.crops import CropParameters, apply_crops
from figureground.training.run import Run


@pytest.fixture
def world() -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Eight images of one level each, with a bright square of 3 x 4 pixels at a place of its own."""
    images = (10 * torch.arange(8, dtype=torch.uint8))[:, None, None, None].repeat(1, 3, 16, 18)
    boxes = []
    for row in range(8):
        y, x = 1 + row, 2 + row
        images[row, :, y : y + 3, x : x + 4] = 200 + row
        boxes.append(torch.tensor([[x, y, x + 4, y + 3]], dtype=torch.float32))
    return images, boxes


def test_a_swap_is_the_square_on_the_donors_level(world):
    images, boxes = world
    swap = BackgroundSwap(images, boxes, mask="given")
    rows, donors = torch.tensor([0, 5, 2]), torch.tensor([7, 1, 2])
    found = swap(rows, donors)
    for one, row, donor in zip(found, rows.tolist(), donors.tolist(), strict=True):
        wanted = torch.full((3, 16, 18), 10 * donor, dtype=torch.uint8)
        y, x = 1 + row, 2 + row
        wanted[:, y : y + 3, x : x + 4] = 200 + row
        assert torch.equal(one, wanted)


def test_a_tighter_mask_leaves_what_looks_like_the_background(world):
    images, boxes = world
    wide = [one + torch.tensor([-2.0, -1, 1, 2]) for one in boxes]
    inner = BackgroundSwap(images, [one.clamp(min=0) for one in wide], mask="inner")
    given = BackgroundSwap(images, boxes, mask="given")
    assert torch.equal(inner.foregrounds, given.foregrounds)


def test_images_without_boxes_stay_and_lend_nothing(world):
    images, boxes = world
    boxes = [one if row % 2 else one[:0] for row, one in enumerate(boxes)]
    swap = BackgroundSwap(images, boxes, mask="given")
    assert swap.usable.tolist() == [False, True] * 4
    everyone = torch.arange(8)
    donors = swap.donors(8, torch.Generator().manual_seed(0))
    assert set((donors % 2).tolist()) == {1}
    found = swap(everyone, donors)
    assert torch.equal(found[::2], images[::2])


def test_what_cannot_be_is_refused(world):
    images, boxes = world
    with pytest.raises(OptionError, match="no mask 'tight'"):
        BackgroundSwap(images, boxes, mask="tight")
    with pytest.raises(ShapeError, match="7 masks"):
        BackgroundSwap(images, boxes[1:])
    with pytest.raises(OptionError, match="needs boxes or masks"):
        BackgroundSwap(images, [one[:0] for one in boxes])


@pytest.fixture
def begin(world, start, recipe, network, tmp_path) -> Callable[..., tuple[Run, BackgroundSwapping]]:
    """A run on the world's images, in grey, with the algorithm."""
    images, boxes = world

    def make(**options: Any) -> tuple[Run, BackgroundSwapping]:
        algorithm = BackgroundSwapping(BackgroundSwapOptions(mask="given", **options), 3)
        held: dict[str, object] = {
            "boxes": boxes,
            "images": images[:, :1],
            "labels": torch.arange(8) % 3,
        }
        run = start(recipe(), network(), tmp_path / "run", algorithms=[algorithm], size=4, **held)
        return run, algorithm

    return make


def moved(batch, crops):
    """The batch cropped as it would come from the data."""
    return replace(batch, images=apply_crops(batch.images, crops), crops=crops)


def test_the_loop_sees_the_plain_object_cropped_and_flipped(begin, world):
    images, boxes = world
    run, algorithm = begin()
    crops = CropParameters(
        torch.tensor([0, 1, 2, 1]), torch.tensor([2, 0, 1, 1]), torch.tensor([True, False] * 2), 1
    )
    batch = moved(run.batches.make(torch.tensor([3, 1, 6, 0])), crops)
    found = algorithm.change_batch(batch, run)
    swap = BackgroundSwap(images[:, :1], boxes, mask="given")
    inside = apply_crops(torch.ones_like(batch.images), crops).bool()
    donors = [
        int((one[where] * 255).round().int().mode().values) // 10
        for one, where in zip(found.images, inside, strict=True)
    ]
    whole = swap(torch.tensor([3, 1, 6, 0]), torch.tensor(donors))
    wanted = apply_crops(whole, crops).float() / 255
    torch.testing.assert_close(found.images[inside], wanted[inside])
    assert torch.equal(found.labels, batch.labels)


@pytest.mark.parametrize("donors", ["images", "colours"])
def test_without_probability_nothing_changes(begin, donors):
    run, algorithm = begin(p=0.0, donors=donors)
    batch = run.batches.make(torch.arange(4))
    assert torch.equal(algorithm.change_batch(batch, run).images, batch.images)


def test_a_painted_image_is_the_square_on_one_colour(world):
    images, boxes = world
    swap = BackgroundSwap(images, [boxes[0], *boxes[1:7], boxes[7][:0]], mask="given")
    colours = torch.tensor([[1, 2, 3], [250, 0, 9], [5, 5, 5]], dtype=torch.uint8)
    found = swap.painted(torch.tensor([0, 5, 7]), colours)
    for one, row, colour in zip(found[:2], (0, 5), colours, strict=False):
        wanted = colour[:, None, None].repeat(1, 16, 18)
        wanted[:, 1 + row : 4 + row, 2 + row : 6 + row] = 200 + row
        assert torch.equal(one, wanted)
    assert torch.equal(found[2], images[7])


def test_painted_backgrounds_are_of_a_random_colour_each_and_move_with_the_crop(begin):
    run, algorithm = begin(donors="colours")
    crops = CropParameters(
        torch.tensor([0, 1, 2, 1]), torch.tensor([2, 0, 1, 1]), torch.tensor([True, False] * 2), 1
    )
    rows = torch.tensor([3, 1, 6, 0])
    batch = moved(run.batches.make(rows), crops)
    found, again = (algorithm.change_batch(batch, run).images for _ in range(2))
    assert torch.equal(found, again)
    inside = apply_crops(torch.ones_like(batch.images), crops).bool()
    square = batch.images * 255 > 199
    assert torch.equal(found[square], batch.images[square])
    colours = [one[where].unique() for one, where in zip(found, inside & ~square, strict=True)]
    assert [len(one) for one in colours] == [1] * 4
    assert len({one.item() for one in colours}) == 4
    run.step += 1
    assert not torch.equal(algorithm.change_batch(batch, run).images, found)


def test_before_its_start_nothing_changes(begin):
    run, algorithm = begin(start=0.5)
    batch = run.batches.make(torch.arange(4))
    assert algorithm.change_batch(batch, run) is batch


def test_images_from_elsewhere_stay(begin):
    run, algorithm = begin()
    batch = replace(run.batches.make(torch.arange(4)), indices=torch.tensor([0, -1, 2, -1]))
    found = algorithm.change_batch(batch, run).images
    assert torch.equal(found[1::2], batch.images[1::2])


def test_steps_and_only_they_decide_the_donors(begin):
    run, algorithm = begin()
    batch = run.batches.make(torch.arange(4))
    first, again = (algorithm.change_batch(batch, run).images for _ in range(2))
    run.step += 1
    later = algorithm.change_batch(batch, run).images
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


@pytest.mark.parametrize("donors", ["images", "colours"])
def test_two_processes_together_swap_as_one(begin, donors, monkeypatch: pytest.MonkeyPatch):
    run, algorithm = begin(p=0.5, donors=donors)
    rows = torch.tensor([3, 1, 6, 0])
    whole = algorithm.change_batch(run.batches.make(rows), run).images
    parts = []
    for rank in range(2):
        monkeypatch.setattr(type(run.fabric), "world_size", 2)
        monkeypatch.setattr(type(run.fabric), "global_rank", rank)
        half = run.batches.make(rows[2 * rank : 2 * rank + 2])
        parts.append(algorithm.change_batch(half, run).images)
    assert torch.equal(torch.cat(parts), whole)


def test_validation_images_are_swapped_once_and_for_all(begin, world):
    images, boxes = world
    run, algorithm = begin()
    data = LabeledImages(images[:, :1], torch.arange(8) % 3, ("a", "b", "c"), tuple(boxes))
    found, again = (algorithm.change_validation(data, run) for _ in range(2))
    assert torch.equal(found.pixels, again.pixels)
    assert torch.equal(found.labels, data.labels)
    corners = found.pixels[:, 0, 15, 0]
    assert not torch.equal(corners, images[:, 0, 15, 0])
    assert all(int(found.pixels[row, 0, 2 + row, 3 + row]) == 200 + row for row in range(8))


def test_data_without_boxes_are_refused(start, recipe, network, tmp_path):
    algorithm = BackgroundSwapping(BackgroundSwapOptions(), 3)
    with pytest.raises(OptionError, match="needs boxes: these data have none"):
        start(recipe(), network(), tmp_path / "run", algorithms=[algorithm])


def test_it_must_be_the_first(begin, start, recipe, network, tmp_path, world):
    images, boxes = world
    first, second = (BackgroundSwapping(BackgroundSwapOptions(mask="given"), 3) for _ in range(2))
    held = {"boxes": boxes, "images": images[:, :1], "labels": torch.arange(8) % 3}
    with pytest.raises(OptionError, match="must be the first"):
        start(recipe(), network(), tmp_path / "two", algorithms=[first, second], size=4, **held)


def test_a_swapped_background_tells_nothing_of_the_class():
    """The level of the background is that of the class; swapped, only the square tells it."""
    draws = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 2, (64,), generator=draws)
    images = (60 + 100 * labels).to(torch.uint8)[:, None, None, None].repeat(1, 1, 8, 8)
    images[:, :, 3:5, 3:5] = (250 * labels).to(torch.uint8)[:, None, None, None]
    boxes = [torch.tensor([[3.0, 3, 5, 5]])] * 64
    swap = BackgroundSwap(images, boxes, mask="given")
    rows = torch.arange(64)
    for _ in range(3):
        mixed = swap(rows, swap.donors(64, draws))
        corner = mixed[:, 0, 0, 0].float()
        assert torch.equal(mixed[:, 0, 3, 3], images[:, 0, 3, 3])
        assert abs(float(torch.corrcoef(torch.stack([corner, labels.float()]))[0, 1])) < 0.35


def test_an_image_with_two_classes_lends_a_background_without_both(world):
    """Row 1 is row 0 with a second object: neither shows on the backgrounds that the two lend."""
    images, boxes = world
    images[0, :, 10:12, 12:15] = 250
    images[1] = images[0]
    boxes[1] = torch.tensor([[12.0, 10, 15, 12]])
    swap = BackgroundSwap(images, boxes, mask="given")
    assert (swap.backgrounds[:2] == 0).all()
    assert swap.foregrounds[0].sum() == 12
    assert swap.foregrounds[1].sum() == 6
    found = swap(torch.tensor([5]), torch.tensor([1]))
    wanted = torch.where(swap.foregrounds[5], images[5], torch.zeros_like(images[5]))
    torch.testing.assert_close(found[0], wanted)
