"""Maps of several layers joined into one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.base.seeds import generator
from figureground.maps.fuse import FUSIONS, fuse_maps
from figureground.maps.post_processing import resize


def stacks() -> list[torch.Tensor]:
    numbers = generator(3)
    return [torch.randn(2, 3, h, w, generator=numbers) for h, w in ((2, 3), (5, 4), (4, 4))]


def prepared(stack: torch.Tensor, lift: Callable[..., Any] | None = None) -> torch.Tensor:
    scaled = torch.zeros_like(stack)
    for n in range(stack.shape[0]):
        for k in range(stack.shape[1]):
            cut = stack[n, k].clamp(min=0)
            scaled[n, k] = (cut - cut.min()) / (cut.max() - cut.min())
            if lift is not None:
                scaled[n, k] = torch.from_numpy(lift(2 * scaled[n, k].numpy()))
    return resize(scaled, (5, 4))


@pytest.mark.parametrize("how", FUSIONS)
def test_fusion_equals_its_slow_twin(how):
    first, second, third = (prepared(stack) for stack in stacks())
    tanh = torch.stack([prepared(stack, lift=np.tanh) for stack in stacks()])
    expected = {
        "mean": (first + second + third) / 3,
        "max": torch.maximum(torch.maximum(first, second), third),
        "product": first * second * third,
        "tanh-max": tanh.amax(0),
    }[how]
    torch.testing.assert_close(fuse_maps(stacks(), how=how), expected)


@pytest.mark.parametrize("how", FUSIONS)
def test_order_of_the_layers_does_not_matter(how):
    given = stacks()
    torch.testing.assert_close(fuse_maps(given[::-1], how=how), fuse_maps(given, how=how))


def test_layer_with_larger_scores_counts_no_more_than_another():
    first, second, third = stacks()
    torch.testing.assert_close(
        fuse_maps([first * 1000, second, third]), fuse_maps([first, second, third])
    )


def test_product_is_at_most_the_mean_and_the_mean_at_most_the_max():
    product, mean, highest = (fuse_maps(stacks(), how=how) for how in ("product", "mean", "max"))
    assert bool((product <= mean + 1e-6).all())
    assert bool((mean <= highest + 1e-6).all())


def test_unknown_fusion_is_refused():
    with pytest.raises(OptionError, match="no way to fuse 'meen'; closest: 'mean'"):
        fuse_maps(stacks(), how="meen")


def test_no_stacks_are_refused():
    with pytest.raises(ShapeError, match="no maps to fuse"):
        fuse_maps([])


def test_stacks_of_different_batches_are_refused():
    with pytest.raises(ShapeError, match="differ in their leading axes"):
        fuse_maps([torch.rand(2, 3, 3), torch.rand(1, 3, 3)])


def test_a_broken_map_spoils_its_own_image_and_no_other():
    good = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0))
    broken = good.clone()
    broken[0, 1, 1] = float("nan")
    fused = fuse_maps([good, broken])
    assert fused[0].isnan().all()
    torch.testing.assert_close(fused[1], fuse_maps([good, good])[1])
