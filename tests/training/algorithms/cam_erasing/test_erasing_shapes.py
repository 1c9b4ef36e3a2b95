"""The shape laws against scalar loops written from their sources."""

import math
import random

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, ks_2samp
from torchvision.transforms import RandomErasing

from figureground.training.algorithms.cam_erasing import ErasingOptions
from figureground.training.algorithms.cam_erasing.erasing import draw_regions
from figureground.training.algorithms.cam_erasing.shapes import draw_shapes

SIZE = (32, 24)
ZHONG = ErasingOptions(preset="zhong", p=1.0)


def zhong(numbers, size, *, attempts=100):
    """Top, left, height, width by the loop of Zhong et al., one image at a time."""
    for _ in range(attempts):
        target = numbers.uniform(0.02, 0.4) * size[0] * size[1]
        aspect = numbers.uniform(0.3, 1 / 0.3)
        h, w = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
        if w < size[1] and h < size[0]:
            return numbers.randint(0, size[0] - h), numbers.randint(0, size[1] - w), h, w
    return None


def vectorised(count, size, options, seed=0):
    numbers = torch.Generator().manual_seed(seed)
    return draw_regions(count, size, options, generator=numbers).T.numpy()


def test_rectangles_follow_the_scalar_loop_of_zhong():
    numbers = random.Random(0)
    wanted = np.array([zhong(numbers, SIZE) for _ in range(20_000)])
    got = vectorised(100_000, SIZE, ZHONG)
    for column in (0, 1, 2, 3):
        assert ks_2samp(got[:, column], wanted[:, column]).pvalue > 1e-3
    areas, aspects = got[:, 2] * got[:, 3], got[:, 2] / got[:, 3]
    assert ks_2samp(areas, wanted[:, 2] * wanted[:, 3]).pvalue > 1e-3
    assert ks_2samp(aspects, wanted[:, 2] / wanted[:, 3]).pvalue > 1e-3
    share = areas.mean() / (SIZE[0] * SIZE[1])
    assert share == pytest.approx((wanted[:, 2] * wanted[:, 3]).mean() / 768, abs=0.003)


def test_a_law_with_another_aspect_is_told_apart():
    other = ErasingOptions(preset="zhong", p=1.0, aspect_law="log")
    numbers = random.Random(0)
    wanted = np.array([zhong(numbers, SIZE) for _ in range(5_000)])
    assert ks_2samp(vectorised(5_000, SIZE, other)[:, 2], wanted[:, 2]).pvalue < 1e-6


def test_the_log_law_is_that_of_torchvision():
    image = torch.zeros(3, *SIZE)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        wanted = np.array(
            [
                RandomErasing.get_params(image, (0.02, 0.33), (0.3, 3.3), [0.0])[:4]
                for _ in range(4000)
            ]
        )
    got = vectorised(40_000, SIZE, ErasingOptions(preset="torchvision", p=1.0))
    for column in (0, 1, 2, 3):
        assert ks_2samp(got[:, column], wanted[:, column]).pvalue > 1e-3


def test_a_small_image_has_exactly_the_rectangles_of_the_law():
    options = ErasingOptions(preset="zhong", p=1.0, area=(0.3, 0.3), aspect=(1.0, 2.0))
    size = (4, 5)
    got = {tuple(row) for row in vectorised(4000, size, options).tolist()}
    fractions = np.linspace(1, 2, 10_001)
    shapes = {
        (round(math.sqrt(6 * a)), round(math.sqrt(6 / a))) for a in fractions
    }  # area 0.3 of 20 pixels
    wanted = {
        (top, left, h, w)
        for h, w in shapes
        if h < 4 and w < 5
        for top in range(4 - h + 1)
        for left in range(5 - w + 1)
    }
    assert got == wanted


def test_every_corner_of_a_shape_is_equally_likely():
    options = ErasingOptions(preset="zhong", p=1.0, area=(0.25, 0.25), aspect=(1.0, 1.0))
    got = vectorised(20_000, (8, 8), options)
    assert (got[:, 2:] == 4).all()
    counts = np.bincount(got[:, 0] * 5 + got[:, 1], minlength=25)
    assert len(counts) == 25
    assert chisquare(counts).pvalue > 1e-3


def test_p_is_the_share_of_images_that_are_erased():
    numbers = torch.Generator().manual_seed(0)
    heights, widths = draw_shapes(20_000, (32, 32), ErasingOptions(p=0.3), generator=numbers)
    assert torch.equal(heights == 0, widths == 0)
    assert float((heights > 0).float().mean()) == pytest.approx(0.3, abs=0.015)


def test_nothing_is_erased_where_no_attempt_fits():
    whole = ErasingOptions(p=1.0, area=(1.0, 1.0), aspect=(1.0, 1.0))
    assert not draw_shapes(5, (6, 6), whole, generator=torch.Generator()).any()
    # 70 of 100 pixels: both sides are below 10 for aspects from 0.78 to 1.29 only, 17 % of the proposals
    rare = ErasingOptions(p=1.0, area=(0.7, 0.7), aspect=(0.3, 1 / 0.3), attempts=1)
    often = rare.model_copy(update={"attempts": 100})
    shares = [
        float((draw_shapes(2000, (10, 10), o, generator=torch.Generator())[0] > 0).float().mean())
        for o in (rare, often)
    ]
    assert shares[0] == pytest.approx(0.17, abs=0.03)
    assert shares[1] > 0.99
