"""Eigen-Grad-CAM against numpy's singular value decomposition of gradient times activation."""

import numpy as np
import torch

from figureground.methods.eigen_grad_cam import EigenGradCAM, eigen_grad_cam


def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    channels, height, width = a.shape
    matrix = np.zeros((height * width, channels))
    for y in range(height):
        for x in range(width):
            for k in range(channels):
                matrix[y * width + x, k] = a[k, y, x] * g[k, y, x]
    evidence = matrix.sum(1).reshape(height, width)
    matrix = matrix - matrix.mean(0)
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    out = (values[0] * left[:, 0]).reshape(height, width)
    return -out if (out * evidence).sum() < 0 else out


def test_equals_its_slow_twin(case):
    maps = eigen_grad_cam(case.activations, case.gradients)
    torch.testing.assert_close(maps, case.looped(twin), rtol=1e-4, atol=1e-4)


def test_high_values_speak_for_the_class_also_where_most_speaks_against_it():
    evidence = torch.tensor([[-9.0, -8.0, 0.0, 1.0]])  # what varies most speaks against the class
    activations = torch.ones(3, 1, 4)
    maps = eigen_grad_cam(activations, evidence.expand(3, -1, -1))
    assert maps.argmax() == 3
    assert maps.argmin() == 0
    # the rule of the largest value would have turned it over
    assert maps.abs().argmax() != maps.argmax()
    assert EigenGradCAM.class_specific
