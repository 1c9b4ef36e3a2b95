"""Erasing of a batch against a loop over images; fills; cells; options."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.training.algorithms.cam_erasing import (
    PRESETS,
    ErasingOptions,
    erase_regions,
)
from figureground.training.algorithms.cam_erasing.cells import grid_mask, hide_and_seek
from figureground.training.algorithms.cam_erasing.erasing import draw_regions
from figureground.training.algorithms.cam_erasing.fills import filled

COUNT, SIZE = 40, (12, 10)


def numbers(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.rand(COUNT, 3, *SIZE, generator=numbers(5))


@pytest.fixture
def maps():
    return torch.rand(COUNT, *SIZE, generator=numbers(6))


@pytest.mark.parametrize("region", ["object", "away", "uniform"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_erasing_equals_a_loop_over_images_bit_for_bit(images, maps, region, channels_last):
    options = ErasingOptions(region=region, p=0.7)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = images.contiguous(memory_format=layout)
    before = images.clone()
    got = erase_regions(images, maps, options, generator=numbers())
    again = numbers()
    regions = draw_regions(COUNT, SIZE, options, generator=again, maps=maps)
    noise = torch.empty_like(images).uniform_(generator=again)
    wanted = before.clone()
    for n, (top, left, h, w) in enumerate(regions.T.tolist()):
        assert top + h <= SIZE[0]
        assert left + w <= SIZE[1]
        wanted[n, :, top : top + h, left : left + w] = noise[n, :, top : top + h, left : left + w]
        assert int(got.mask[n].sum()) == h * w
    assert torch.equal(got.images, wanted)
    assert torch.equal(images, before)
    assert 0.4 < float((regions[2] > 0).float().mean()) < 0.95


def test_p_0_changes_nothing_and_p_1_changes_every_image(images, maps):
    never = erase_regions(images, maps, ErasingOptions(p=0.0), generator=numbers())
    assert torch.equal(never.images, images)
    always = erase_regions(images, maps, ErasingOptions(p=1.0), generator=numbers())
    assert (always.images != images).flatten(1).any(1).all()


def test_the_erased_area_does_not_depend_on_the_region(images, maps):
    areas = [
        erase_regions(images, maps, ErasingOptions(region=region), generator=numbers())
        .mask.flatten(1)
        .sum(1)
        for region in ("object", "away", "uniform")
    ]
    assert torch.equal(areas[0], areas[1])
    assert torch.equal(areas[0], areas[2])


def test_the_object_is_covered_in_the_order_object_uniform_away():
    maps = torch.zeros(2000, 16, 16)
    maps[:, 2:8, 3:9] = 1
    blank = torch.zeros(2000, 1, 16, 16)
    covered = [
        float(
            (erase_regions(
                blank, maps, ErasingOptions(region=region, p=1.0), generator=numbers()
            ).mask * maps).sum() / maps.sum()
        )
        for region in ("object", "uniform", "away")
    ]  # fmt: skip
    assert covered[0] > covered[1] + 0.1
    assert covered[1] > covered[2] + 0.05


def test_fills_have_their_colours(images):
    mask = torch.zeros(COUNT, *SIZE, dtype=torch.bool)
    mask[:, 2:5, 3:9] = True
    mean = torch.tensor([0.1, 0.2, 0.3])
    inside = {
        fill: filled(images, mask, fill, generator=numbers(), mean=mean)[:, :, 2:5, 3:9]
        for fill in ("zero", "mean", "random", "pixel")
    }
    assert not inside["zero"].any()
    assert (inside["mean"] == mean[:, None, None]).all()
    assert (inside["random"] == inside["random"][:, :, :1, :1]).all()
    assert len(inside["random"][:, :, 0, 0].unique()) == COUNT * 3
    assert len(inside["pixel"].unique()) > 0.99 * inside["pixel"].numel()
    for colours in (inside["random"], inside["pixel"]):
        assert float(colours.amin()) >= 0
        assert float(colours.amax()) <= 1
        assert float(colours.mean()) == pytest.approx(0.5, abs=0.06)
    outside = filled(images, mask, "pixel", generator=numbers())
    assert torch.equal(outside[:, :, 5:], images[:, :, 5:])


def test_hide_and_seek_hides_whole_cells():
    options = ErasingOptions(sampler="hide-and-seek", p=1.0, cell=(3, 3), hidden=0.3)
    mask = hide_and_seek(3000, (7, 9), options, generator=numbers())
    for top in (0, 3, 6):
        for left in (0, 3, 6):
            cell = mask[:, top : top + 3, left : left + 3].flatten(1)
            assert torch.equal(cell.any(1), cell.all(1))
    assert float(mask.float().mean()) == pytest.approx(0.3, abs=0.02)
    assert not torch.equal(mask[:, 0, 0], mask[:, 3, 0])


def test_grid_mask_hides_a_square_of_each_cell():
    options = ErasingOptions(sampler="grid-mask", p=1.0, cell=(4, 4), hidden=0.5)
    mask = grid_mask(500, (8, 12), options, generator=numbers())
    assert (mask.flatten(1).sum(1) == 8 * 12 // 4).all()
    assert torch.equal(mask[:, :4], mask[:, 4:])
    assert torch.equal(mask[:, :, :4], mask[:, :, 8:])
    assert len({tuple(m.flatten().tolist()) for m in mask}) == 16


@pytest.mark.parametrize("sampler", ["hide-and-seek", "grid-mask"])
def test_cells_are_hidden_in_a_share_p_of_the_images(sampler):
    options = ErasingOptions(sampler=sampler, p=0.25, cell=(2, 3))
    images = torch.ones(2000, 1, 12, 12)
    got = erase_regions(
        images, None, options.model_copy(update={"fill": "zero"}), generator=numbers()
    )
    touched = got.mask.flatten(1).any(1)
    assert float(touched.float().mean()) == pytest.approx(0.25, abs=0.04)
    assert torch.equal(got.images[:, 0] == 0, got.mask)


def test_a_preset_fills_what_is_left_open():
    one = ErasingOptions(preset="torchvision", p=0.9)
    assert (one.p, one.area, one.aspect_law, one.region) == (0.9, (0.02, 0.33), "log", "uniform")
    assert ErasingOptions.model_validate(one.model_dump(mode="json")) == one
    assert ErasingOptions(preset="oh-lee-reconstructed").region == "object"
    for name in PRESETS:
        assert ErasingOptions.model_validate({"preset": name}).attempts in {10, 100}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"area": (0.4, 0.2)}, "area runs from a positive number"),
        ({"aspect": (0.0, 1.0)}, "aspect runs"),
        ({"area": (0.5, 1.5)}, "at most 1"),
        ({"rule": "overlap", "threshold_mode": "quantile"}, "thresholds of its own"),
        ({"sampler": "grid-mask", "region": "object"}, "knows no region"),
        ({"preset": "zong"}, "preset"),
    ],
)
def test_options_that_do_not_fit_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        ErasingOptions(**words)


def test_maps_must_be_there_and_fit(images, maps):
    with pytest.raises(OptionError, match="'object' needs maps"):
        erase_regions(images, None, ErasingOptions(), generator=numbers())
    with pytest.raises(ShapeError, match=r"40 images of \(12, 10\)"):
        erase_regions(images, maps[:, :5], ErasingOptions(), generator=numbers())
    with pytest.raises(OptionError, match="'mean' needs the mean colour"):
        erase_regions(images, maps, ErasingOptions(fill="mean"), generator=numbers())


@pytest.mark.gpu
@pytest.mark.parametrize("region", ["object", "away", "uniform"])
@pytest.mark.parametrize("mode", ["abs", "quantile"])
@pytest.mark.parametrize("fill", ["zero", "mean", "random", "pixel"])
def test_nothing_waits_for_the_device(region, mode, fill):
    from figureground.training.algorithms.cam_erasing import CamCache, warp_maps  # noqa: PLC0415
    from figureground.training.crops import draw_crops  # noqa: PLC0415

    device = torch.device("cuda")
    drawn = torch.Generator(device).manual_seed(0)
    images = torch.rand(COUNT, 3, 32, 32, device=device)
    cache = CamCache(100, (8, 8), device)
    cache.put(torch.arange(100, device=device), torch.rand(100, 8, 8, device=device))
    rows = torch.arange(-1, COUNT - 1, device=device)
    cuts = draw_crops(COUNT, padding=4, flip=True, generator=drawn)
    options = ErasingOptions(region=region, threshold_mode=mode, fill=fill, p=1.0)
    mean = torch.zeros(3, device=device)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        maps = warp_maps(cache.get(rows), cuts, (32, 32))
        erased = erase_regions(images, maps, options, generator=drawn, mean=mean)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert erased.mask.flatten(1).any(1).all()
