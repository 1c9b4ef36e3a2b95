"""Mean activation, by hand."""

import torch

from figureground.methods import MeanActivation
from figureground.methods.mean_activation import mean_activation


def test_is_the_mean_over_the_channels():
    activations = torch.randn(2, 7, 5, 4, generator=torch.Generator().manual_seed(0))
    for image, found in zip(activations, mean_activation(activations), strict=True):
        torch.testing.assert_close(found, sum(image) / 7)


def test_facts():
    assert not MeanActivation.class_specific
    assert MeanActivation().needs == frozenset()
