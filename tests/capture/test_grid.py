"""How a layer's output lies over the image."""

import pytest
import torch
from torch import nn

from figureground.capture.grid import Grid, find_grid

NET = nn.Identity()


def found(shape: tuple[int, ...], image: tuple[int, int], layer: nn.Module = NET) -> Grid | None:
    return find_grid(torch.zeros(shape), image, model=NET, layer=layer)


@pytest.mark.parametrize(
    ("shape", "image", "expected"),
    [
        ((2, 8, 4, 3), (64, 48), Grid("nchw", (4, 3), 8)),
        ((2, 4, 3, 96), (64, 48), Grid("nhwc", (4, 3), 96)),
        ((2, 4, 4, 4), (64, 64), Grid("nchw", (4, 4), 4)),
        ((2, 12, 16), (64, 48), Grid("tokens", (4, 3), 16)),
        ((2, 13, 16), (64, 48), Grid("tokens", (4, 3), 16, prefix=1)),
        ((2, 17, 16), (64, 48), Grid("tokens", (4, 3), 16, prefix=5)),
        ((2, 197, 16), (224, 224), Grid("tokens", (14, 14), 16, prefix=1)),
        ((2, 16), (64, 48), None),
        ((2, 1, 16), (64, 48), None),
    ],
)
def test_layout_is_read_from_shapes(shape, image, expected):
    assert found(shape, image) == expected


def test_a_layer_norm_says_where_the_channels_are():
    norm = nn.LayerNorm(6)
    assert found((2, 8, 8, 6), (64, 48), norm) == Grid("nhwc", (8, 8), 6)


def test_whole_numbers_are_no_tokens():
    assert find_grid(torch.zeros(2, 12, 16).long(), (64, 48), model=NET, layer=NET) is None


@pytest.mark.parametrize(
    "grid",
    [Grid("nchw", (4, 3), 5), Grid("nhwc", (4, 3), 5), Grid("tokens", (4, 3), 5, prefix=2)],
)
def test_there_and_back_is_nothing(grid):
    shapes = {"nchw": (2, 5, 4, 3), "nhwc": (2, 4, 3, 5), "tokens": (2, 14, 5)}
    raw = torch.rand(shapes[grid.layout])
    maps = grid.to_grid(raw)
    assert maps.shape == (2, 5, 4, 3)
    assert torch.equal(grid.from_grid(maps, raw), raw)
    if grid.layout == "tokens":
        assert torch.equal(maps[1, :, 2, 1], raw[1, 2 + 2 * 3 + 1])


def test_prefix_tokens_are_lent_and_the_lender_is_not_changed():
    grid, raw = Grid("tokens", (2, 3), 4, prefix=1), torch.rand(2, 7, 4)
    kept = raw.clone()
    back = grid.from_grid(torch.zeros(2, 4, 2, 3), raw)
    assert torch.equal(raw, kept)
    assert torch.equal(back[:, 0], raw[:, 0])
    assert not back[:, 1:].any()
