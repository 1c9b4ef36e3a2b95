"""Element-wise Grad-CAM against a loop."""

import numpy as np
import torch

from figureground.methods.grad_cam_elementwise import GradCAMElementwise, grad_cam_elementwise
from figureground.methods.layer_cam import layer_cam


def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    channels, height, width = a.shape
    out = np.zeros((height, width))
    for k in range(channels):
        for y in range(height):
            for x in range(width):
                out[y, x] += max(g[k, y, x] * a[k, y, x], 0.0)
    return out


def test_equals_its_slow_twin(case):
    maps = grad_cam_elementwise(case.activations, case.gradients)
    torch.testing.assert_close(maps, case.looped(twin))


def test_equals_layer_cam_without_negative_activations(case):
    activations = case.activations.abs()
    maps = grad_cam_elementwise(activations, case.gradients)
    torch.testing.assert_close(maps, layer_cam(activations, case.gradients))


def test_two_negatives_count_as_evidence():
    maps = grad_cam_elementwise(-torch.ones(1, 1, 2), -torch.ones(1, 1, 2))
    assert maps.tolist() == [[1.0, 1.0]]
    assert GradCAMElementwise.needs == {"gradients"}
