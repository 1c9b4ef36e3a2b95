"""XGrad-CAM against a loop written from equation 8."""

import numpy as np
import torch

from figureground.methods.xgrad_cam import XGradCAM, xgrad_cam


def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    channels, height, width = a.shape
    out = np.zeros((height, width))
    for k in range(channels):
        weight = 0.0
        for y in range(height):
            for x in range(width):
                weight += a[k, y, x] * g[k, y, x] / a[k].sum()
        out += weight * a[k]
    return np.maximum(out, 0)


def test_equals_its_slow_twin(case):
    maps = xgrad_cam(case.activations, case.gradients)
    torch.testing.assert_close(maps, case.looped(twin), rtol=1e-4, atol=1e-5)


def test_a_channel_without_activation_has_no_weight():
    activations = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    activations[1] = 0
    gradients = torch.ones(2, 3, 4)
    torch.testing.assert_close(xgrad_cam(activations, gradients), activations[0])


def test_a_constant_gradient_is_its_own_weight(case):
    constant = case.gradients.mean((-2, -1), keepdim=True)
    spread = constant.expand(*constant.shape[:-2], 4, 3).contiguous()
    one, other = xgrad_cam(case.activations, constant), xgrad_cam(case.activations, spread)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_is_not_negative(case):
    assert (xgrad_cam(case.activations, case.gradients) >= 0).all()
    assert not XGradCAM.signed
