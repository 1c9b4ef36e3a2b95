"""Cached maps: rounding, indices, and what survives."""

import torch

from figureground.training.algorithms.cam_erasing import CamCache


def test_a_map_comes_back_to_half_a_255th():
    maps = torch.rand(50, 3, 4, generator=torch.Generator().manual_seed(0))
    cache = CamCache(50, (3, 4))
    rows = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    for part in rows.split(7):
        cache.put(part, maps[part])
    assert float((cache.get(torch.arange(50)) - maps).abs().amax()) <= 1 / 510 + 1e-6
    assert cache.levels.dtype == torch.uint8


def test_rows_may_come_in_any_order_and_more_than_once():
    cache = CamCache(4, (1, 1))
    cache.put(torch.tensor([3, 1]), torch.tensor([[[0.2]], [[0.6]]]))
    found = cache.get(torch.tensor([1, 3, 1, 0, -1]))[:, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.6, 0.2, 0.6, 0.0, 0.0]))
    cache.put(torch.tensor([3]), torch.tensor([[[1.0]]]))
    assert float(cache.get(torch.tensor([3]))) == 1


def test_the_last_row_is_not_taken_for_images_from_elsewhere():
    cache = CamCache(2, (1, 1))
    cache.put(torch.tensor([0, 1]), torch.ones(2, 1, 1))
    assert cache.get(torch.tensor([-1])).tolist() == [[[0.0]]]


def test_the_mean_map_is_of_what_was_put_and_stretched():
    cache = CamCache(3, (1, 3))
    cache.put(torch.tensor([0, 2]), torch.tensor([[[0.2, 0.4, 1.0]], [[0.2, 0.8, 1.0]]]))
    torch.testing.assert_close(cache.mean(), torch.tensor([[[0.0, 0.5, 1.0]]]), atol=1e-6, rtol=0)
    assert not CamCache(3, (2, 2)).mean().any()


def test_a_cache_comes_back_from_its_state():
    cache = CamCache(4, (2, 3))
    cache.put(torch.tensor([1, 2]), torch.rand(2, 2, 3))
    again = CamCache.of_state(cache.state())
    every = torch.arange(4)
    assert torch.equal(again.get(every), cache.get(every))
    assert torch.equal(again.covered, cache.covered)
