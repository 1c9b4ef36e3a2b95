"""Grad-CAM++ against a loop written from equations 10 and 19."""

import numpy as np
import torch

from figureground.methods.grad_cam_plus_plus import GradCAMPlusPlus, grad_cam_plus_plus


def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    channels, height, width = a.shape
    out = np.zeros((height, width))
    for k in range(channels):
        total = a[k].sum()
        weight = 0.0
        for y in range(height):
            for x in range(width):
                slope = g[k, y, x]
                if slope > 0:
                    weight += slope**2 / (2 * slope**2 + total * slope**3) * slope
        out += weight * a[k]
    return np.maximum(out, 0)


def test_equals_its_slow_twin(case):
    maps = grad_cam_plus_plus(case.activations, case.gradients)
    torch.testing.assert_close(maps, case.looped(twin), rtol=1e-4, atol=1e-4)


def test_tiny_gradients_are_not_lost_in_a_stabiliser():
    activations = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    gradients = torch.full((3, 4, 5), 1e-6)
    expected = torch.from_numpy(twin(activations.double().numpy(), gradients.double().numpy()))
    maps = grad_cam_plus_plus(activations, gradients)
    torch.testing.assert_close(maps, expected.float(), rtol=1e-4, atol=0)


def test_negative_gradients_do_not_count(case):
    only = grad_cam_plus_plus(case.activations, -case.gradients.abs())
    assert not only.any()


def test_is_finite_where_the_denominator_vanishes():
    activations = torch.full((1, 1, 2), -1.0)  # sums to -2, times a gradient of 1 leaves 2 - 2
    assert grad_cam_plus_plus(activations, torch.ones(1, 1, 2)).tolist() == [[0.0, 0.0]]


def test_two_equal_instances_get_equal_values():
    activations = torch.zeros(1, 1, 5)
    activations[..., [0, 4]] = 1
    maps = grad_cam_plus_plus(activations, torch.ones(1, 1, 5))
    assert maps[0, 0] == maps[0, 4] > 0
    assert GradCAMPlusPlus.class_specific
