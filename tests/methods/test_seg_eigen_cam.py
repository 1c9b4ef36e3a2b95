"""Seg-Eigen-CAM against numpy's singular value decomposition, and laws of it."""

import numpy as np
import torch

from figureground.methods import SegEigenCAM
from figureground.methods.seg_eigen_cam import seg_eigen_cam


def decomposed(activations: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Principal component of the centred product, with the sign whose largest value is positive."""
    matrix = (np.abs(gradients) * activations).reshape(len(activations), -1).T
    left, values, _ = np.linalg.svd(matrix - matrix.mean(0), full_matrices=False)
    found = (left[:, 0] * values[0]).reshape(activations.shape[1:])
    return -found if -found.min() > found.max() else found


def test_equals_numpys_svd(case):
    found = seg_eigen_cam(case.activations, case.gradients)
    torch.testing.assert_close(found, case.looped(decomposed), rtol=1e-3, atol=1e-4)


def test_the_sign_of_a_gradient_does_not_matter(case):
    found = seg_eigen_cam(case.activations, case.gradients)
    torch.testing.assert_close(seg_eigen_cam(case.activations, -case.gradients), found)


def test_facts():
    assert SegEigenCAM.class_specific
    assert SegEigenCAM().needs == {"gradients"}
