"""Eigen-CAM against numpy's singular value decomposition, and laws of it."""

import numpy as np
import pytest
import torch

from figureground.methods import EigenCAM
from figureground.methods.eigen_cam import eigen_cam

SHAPES = [(2, 7, 4, 3), (2, 3, 5, 4), (1, 1, 3, 2)]  # fewer positions than channels, more, one


def decomposition(features: torch.Tensor, *, center: bool) -> tuple[np.ndarray, float]:
    """First left singular vector times its value, of one image, computed by numpy; its sign is numpy's."""
    matrix = features.double().numpy().reshape(features.shape[0], -1).T
    if center:
        matrix = matrix - matrix.mean(0)
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    return (left[:, 0] * values[0]).reshape(features.shape[1:]), float(values[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("center", [False, True])
def test_equals_numpys_svd_up_to_sign(shape, center):
    features = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for one, projection in zip(features, eigen_cam(features, center=center), strict=True):
        expected, value = decomposition(one, center=center)
        sign = np.sign((expected * projection.numpy()).sum())
        np.testing.assert_allclose(projection.numpy(), sign * expected, atol=1e-4)
        assert float(projection.norm()) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_raw_sign_is_numpys_own(shape):
    features = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    for one, projection in zip(features, eigen_cam(features, sign="raw"), strict=True):
        matrix = one.double().numpy().reshape(shape[1], -1).T
        _, _, right = np.linalg.svd(matrix, full_matrices=False)
        expected = (matrix @ right[0]).reshape(shape[2:])
        np.testing.assert_allclose(projection.numpy(), expected, atol=1e-4)


def test_is_the_same_when_the_decomposition_flips_its_sign(monkeypatch):
    features = torch.rand(2, 7, 4, 3, generator=torch.Generator().manual_seed(0))
    maps = {center: eigen_cam(features, center=center) for center in (False, True)}
    solve = torch.linalg.eigh

    def flipped(matrix):
        values, vectors = solve(matrix)
        return values, -vectors

    monkeypatch.setattr(torch.linalg, "eigh", flipped)
    for center, expected in maps.items():
        torch.testing.assert_close(eigen_cam(features, center=center), expected)


def test_is_not_negative_for_activations_that_are_not():
    features = torch.rand(20, 6, 4, 3, generator=torch.Generator().manual_seed(0))
    assert (eigen_cam(features) >= -1e-6).all()


def test_centred_largest_value_is_positive():
    features = torch.rand(20, 6, 4, 3, generator=torch.Generator().manual_seed(0))
    maps = eigen_cam(features, center=True)
    assert (maps.amax((-2, -1)) >= maps.amin((-2, -1)).abs()).all()


def test_does_not_change_when_channels_are_rotated():
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(2, 6, 4, 3, generator=generator)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator))
    turned = torch.einsum("dc,nchw->ndhw", rotation, features)
    torch.testing.assert_close(eigen_cam(turned), eigen_cam(features), rtol=1e-4, atol=1e-5)


def test_centred_ignores_a_constant_per_channel_and_uncentred_does_not():
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(2, 6, 4, 3, generator=generator)
    shifted = features + torch.rand(6, 1, 1, generator=generator) * 3
    centred = [eigen_cam(f, center=True) for f in (features, shifted)]
    torch.testing.assert_close(centred[0], centred[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(eigen_cam(features), eigen_cam(shifted), atol=0.1)


def test_one_channel_gives_back_itself_and_zeros_give_zeros():
    feature = torch.rand(1, 1, 3, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(eigen_cam(feature), feature[:, 0])
    assert eigen_cam(torch.zeros(2, 3, 4, 5)).tolist() == torch.zeros(2, 4, 5).tolist()


def test_facts():
    assert not EigenCAM.class_specific
    assert EigenCAM().needs == frozenset()
