"""Layer-CAM against a loop written from equations 4 to 6."""

import numpy as np
import torch

from figureground.methods.layer_cam import LayerCAM, layer_cam


def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    channels, height, width = a.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            value = 0.0
            for k in range(channels):
                if g[k, y, x] > 0:
                    value += g[k, y, x] * a[k, y, x]
            out[y, x] = max(value, 0.0)
    return out


def test_equals_its_slow_twin(case):
    torch.testing.assert_close(layer_cam(case.activations, case.gradients), case.looped(twin))


def test_a_place_without_positive_gradient_is_zero(case):
    gradients = case.gradients.expand(2, 3, 5, 4, 3).clone()
    gradients[..., 3, 0] = -1
    maps = layer_cam(case.activations, gradients)
    assert (maps[..., 3, 0] == 0).all()
    assert maps.any()


def test_facts():
    assert LayerCAM.name == "layer-cam"
    assert not LayerCAM.signed
