import cv2
import numpy as np
import pytest
import torch

from figureground.metrics.faithfulness.sweep import Sweep, blurred


@pytest.mark.parametrize(("side", "sigma"), [(11, 5.0), (5, 1.5), (1, 1.0)])
def test_blur_equals_opencv(side, sigma):
    images = torch.rand(2, 3, 14, 9, generator=torch.Generator().manual_seed(10))
    found = blurred(images, sweep=Sweep(blur_side=side, blur_sigma=sigma))
    for one, expected in zip(found.flatten(0, 1), images.flatten(0, 1), strict=True):
        oracle = cv2.GaussianBlur(
            expected.numpy(), (side, side), sigma, borderType=cv2.BORDER_REPLICATE
        )
        assert np.allclose(one, oracle, atol=1e-5)


def test_blur_keeps_an_even_image():
    assert torch.allclose(blurred(torch.full((1, 2, 6, 4), 0.3)), torch.tensor(0.3))
