"""Eigen-Grad-CAM against numpy's singular value decomposition of gradient times activation."""

import numpy as np
import torch

from figureground.methods.eigen_grad_cam import EigenGradCAM, eigen_grad_cam


def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    channels, height, width = a.shape
    rows = []
    for y in range(height):
        for x in range(width):
            rows.append([a[k, y, x] * g[k, y, x] for k in range(channels)])
    matrix = np.array(rows)
    matrix -= matrix.mean(0)
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    out = (values[0] * left[:, 0]).reshape(height, width)
    return -out if abs(out.min()) > out.max() else out


def test_equals_its_slow_twin(case):
    maps = eigen_grad_cam(case.activations, case.gradients)
    torch.testing.assert_close(maps, case.looped(twin), rtol=1e-4, atol=1e-4)


def test_uncentred_sums_to_something_not_negative(case):
    maps = eigen_grad_cam(case.activations, case.gradients, center=False)
    assert (maps.sum((-2, -1)) >= 0).all()
    assert EigenGradCAM.class_specific
