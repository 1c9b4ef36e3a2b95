"""Grad-CAM against a loop written from equations 1 and 2."""

import numpy as np
import torch

from figureground.methods.grad_cam import GradCAM, grad_cam


def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    channels, height, width = a.shape
    out = np.zeros((height, width))
    for k in range(channels):
        alpha = 0.0
        for y in range(height):
            for x in range(width):
                alpha += g[k, y, x]
        out += alpha / (height * width) * a[k]
    return np.maximum(out, 0)


def test_equals_its_slow_twin(case):
    torch.testing.assert_close(grad_cam(case.activations, case.gradients), case.looped(twin))


def test_map_is_zero_where_activation_is_zero(case):
    activations = case.activations.clone()
    activations[..., 1, 2] = 0
    maps = grad_cam(activations, case.gradients)
    assert (maps[..., 1, 2] == 0).all()
    assert maps.any()


def test_scales_with_the_gradient(case):
    once = grad_cam(case.activations, case.gradients)
    torch.testing.assert_close(grad_cam(case.activations, 3 * case.gradients), 3 * once)


def test_only_the_mean_gradient_counts(case):
    mean = case.gradients.mean((-2, -1), keepdim=True)
    one, other = grad_cam(case.activations, case.gradients), grad_cam(case.activations, mean)
    torch.testing.assert_close(one, other)


def test_needs_gradients_and_nothing_else():
    assert GradCAM.needs == {"gradients"}
    assert not GradCAM.signed
