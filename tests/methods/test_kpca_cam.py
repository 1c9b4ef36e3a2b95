"""KPCA-CAM against loops and numpy, laws of it, and what it refuses."""

import numpy as np
import pytest
import torch

from figureground.base.errors import LayerError
from figureground.methods import KPCACAM
from figureground.methods.kpca_cam import kpca_cam


def features(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def looped(activations: np.ndarray) -> np.ndarray:
    """One image's component up to sign, from a kernel matrix filled cell by cell."""
    vectors = activations.reshape(len(activations), -1).T
    vectors = vectors - vectors.mean(0)
    count = len(vectors)
    kernel = np.array([[np.tanh(x @ y / len(x) + 1) for y in vectors] for x in vectors])
    middle = np.eye(count) - np.ones((count, count)) / count
    values, directions = np.linalg.eigh(middle @ kernel @ middle)
    return (np.sqrt(values[-1]) * directions[:, -1]).reshape(activations.shape[1:])


def test_equals_the_loops_up_to_sign():
    activations = features(3, 6, 5, 4)
    for one, found in zip(activations, kpca_cam(activations).numpy(), strict=True):
        expected = looped(one.double().numpy())
        sign = np.sign((expected * found).sum())
        np.testing.assert_allclose(found, sign * expected, atol=1e-5)


def test_sums_to_zero_and_its_largest_value_is_positive():
    maps = kpca_cam(features(20, 6, 4, 3))
    assert maps.sum((1, 2)).abs().max() < 1e-4
    assert (maps.amax((1, 2)) >= maps.amin((1, 2)).abs() - 1e-6).all()


def test_ignores_what_is_added_to_a_channel():
    activations = features(2, 6, 4, 3)
    shifted = activations + features(6, 1, 1)
    torch.testing.assert_close(kpca_cam(shifted), kpca_cam(activations), rtol=1e-4, atol=1e-5)


def test_an_image_that_is_not_finite_is_nan_and_the_others_are_not():
    activations = features(2, 6, 4, 3)
    sick = activations.clone()
    sick[0, 1, 2, 0] = torch.inf
    assert kpca_cam(sick)[0].isnan().all()
    torch.testing.assert_close(kpca_cam(sick)[1], kpca_cam(activations)[1])


def test_a_layer_with_many_positions_is_refused():
    with pytest.raises(LayerError, match="this layer has 4160 and 4096 are the most"):
        kpca_cam(torch.zeros(1, 2, 65, 64))


def test_facts():
    assert not KPCACAM.class_specific
    assert KPCACAM().needs == frozenset()
