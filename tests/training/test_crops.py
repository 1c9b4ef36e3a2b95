"""Random crops and flips against a loop over images."""

import torch

from figureground.training.crops import apply_crops, draw_crops


def test_crops_equal_a_loop_over_images():
    numbers = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (9, 2, 5, 7), generator=numbers, dtype=torch.uint8)
    drawn = draw_crops(9, padding=2, flip=True, generator=numbers)
    got = apply_crops(images, drawn)
    for n in range(9):
        canvas = torch.zeros(2, 9, 11, dtype=torch.uint8)
        canvas[:, 2:7, 2:9] = images[n]
        top, left = int(drawn.top[n]), int(drawn.left[n])
        cut = canvas[:, top : top + 5, left : left + 7]
        assert torch.equal(got[n], cut.flip(-1) if drawn.flipped[n] else cut)
    assert drawn.flipped.any()
    assert not drawn.flipped.all()


def test_offsets_reach_from_zero_to_twice_the_padding():
    drawn = draw_crops(500, padding=2, flip=False, generator=torch.Generator().manual_seed(0))
    assert sorted(set(drawn.top.tolist())) == sorted(set(drawn.left.tolist())) == [0, 1, 2, 3, 4]
    assert not drawn.flipped.any()
    # up and down does not depend on left and right
    assert len(set(zip(drawn.top.tolist(), drawn.left.tolist(), strict=True))) == 25


def test_the_middle_crop_is_the_image():
    images = torch.arange(12.0).reshape(1, 1, 3, 4)
    drawn = draw_crops(1, padding=0, flip=False, generator=torch.Generator())
    assert torch.equal(apply_crops(images, drawn), images)
