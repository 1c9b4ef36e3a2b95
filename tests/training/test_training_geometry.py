"""Cuts and mirror images against a loop over pictures."""

import torch

from figureground.training.geometry import apply_geometry, draw_geometry


def test_cuts_equal_a_loop_over_pictures():
    numbers = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (9, 2, 5, 7), generator=numbers, dtype=torch.uint8)
    drawn = draw_geometry(9, pad=2, mirror=True, generator=numbers)
    got = apply_geometry(images, drawn)
    for n in range(9):
        canvas = torch.zeros(2, 9, 11, dtype=torch.uint8)
        canvas[:, 2:7, 2:9] = images[n]
        top, left = int(drawn.top[n]), int(drawn.left[n])
        cut = canvas[:, top : top + 5, left : left + 7]
        assert torch.equal(got[n], cut.flip(-1) if drawn.mirrored[n] else cut)
    assert drawn.mirrored.any()
    assert not drawn.mirrored.all()


def test_offsets_reach_from_zero_to_twice_the_padding():
    drawn = draw_geometry(500, pad=2, mirror=False, generator=torch.Generator().manual_seed(0))
    assert sorted(set(drawn.top.tolist())) == sorted(set(drawn.left.tolist())) == [0, 1, 2, 3, 4]
    assert not drawn.mirrored.any()


def test_the_middle_cut_is_the_picture():
    images = torch.arange(12.0).reshape(1, 1, 3, 4)
    drawn = draw_geometry(1, pad=0, mirror=False, generator=torch.Generator())
    assert torch.equal(apply_geometry(images, drawn), images)
