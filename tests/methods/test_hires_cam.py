"""HiRes-CAM against a loop written from equation 6."""

import numpy as np
import torch
from torch import nn

from figureground.methods.hires_cam import HiResCAM, hires_cam


def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    channels, height, width = a.shape
    out = np.zeros((height, width))
    for k in range(channels):
        for y in range(height):
            for x in range(width):
                out[y, x] += g[k, y, x] * a[k, y, x]
    return out


def test_equals_its_slow_twin(case):
    torch.testing.assert_close(hires_cam(case.activations, case.gradients), case.looped(twin))


def test_sums_to_the_logit_less_the_bias_of_a_flattened_linear_head():
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(2, 3, 4, 5, generator=generator)
    head = nn.Linear(60, 7)
    gradients = head.weight.unflatten(1, (3, 4, 5))[None]  # (1, K, C, h, w)
    maps = hires_cam(activations[:, None], gradients)
    logits = head(activations.flatten(1)) - head.bias
    torch.testing.assert_close(maps.sum((-2, -1)), logits)


def test_keeps_evidence_against(case):
    assert (hires_cam(case.activations, -case.gradients.abs()) < 0).any()
    assert HiResCAM.signed


def test_is_odd_in_the_gradient(case):
    maps = hires_cam(case.activations, case.gradients)
    torch.testing.assert_close(hires_cam(case.activations, -case.gradients), -maps)
