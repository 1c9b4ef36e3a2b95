"""A map moves exactly as its image: every crop, flipped or not."""

import torch

from figureground.training.algorithms.cam_erasing import warp_maps
from figureground.training.crops import CropParameters, apply_crops

PAD, HEIGHT, WIDTH = 4, 5, 7


def all_crops():
    side = torch.arange(2 * PAD + 1)
    top, left, mirrored = torch.cartesian_prod(side, side, torch.arange(2)).T
    return CropParameters(top, left, mirrored.bool(), PAD)


def test_each_position_of_the_map_lies_over_its_pixel_in_every_crop():
    crops = all_crops()
    count = len(crops.top)
    assert count == 81 * 2
    numbered = 1.0 + torch.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    maps = warp_maps(numbered.expand(count, -1, -1), crops, (HEIGHT, WIDTH))
    images = apply_crops(numbered.expand(count, 1, -1, -1), crops)
    assert torch.equal(maps, images[:, 0])
    for n in range(count):
        top, left = int(crops.top[n]), int(crops.left[n])
        for y in range(HEIGHT):
            for x in range(WIDTH):
                across = (WIDTH - 1 - x if crops.flipped[n] else x) + left - PAD
                down = y + top - PAD
                inside = 0 <= down < HEIGHT and 0 <= across < WIDTH
                wanted = float(numbered[down, across]) if inside else 0.0
                assert float(maps[n, y, x]) == wanted


def test_a_small_map_is_resized_before_it_is_cropped():
    small = torch.rand(6, 2, 3, generator=torch.Generator().manual_seed(0))
    part = CropParameters(torch.arange(6), torch.arange(6).flip(0), torch.arange(6) % 2 == 0, PAD)
    large = torch.nn.functional.interpolate(
        small[:, None], (HEIGHT, WIDTH), mode="bilinear", align_corners=False
    )
    assert torch.equal(warp_maps(small, part, (HEIGHT, WIDTH)), apply_crops(large, part)[:, 0])
    assert torch.equal(warp_maps(small, None, (HEIGHT, WIDTH)), large[:, 0])
