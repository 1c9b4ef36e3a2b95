"""FEM against loops, and laws of it."""

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError
from figureground.methods import FEM
from figureground.methods.fem import fem


def looped(activations: torch.Tensor, k: float) -> torch.Tensor:
    """The formula, a channel and a position at a time."""
    numbers = activations.double().numpy()
    found = np.zeros((len(numbers), *numbers.shape[2:]))
    for image, channels in enumerate(numbers):
        for channel in channels:
            for place in np.ndindex(*channel.shape):
                if channel[place] >= channel.mean() + k * channel.std():
                    found[image][place] += channel.mean()
    return torch.from_numpy(found).float()


@pytest.mark.parametrize("k", [0.0, 1.0, 2.0])
def test_equals_the_loops(k):
    activations = torch.randn(2, 7, 5, 4, generator=torch.Generator().manual_seed(0))
    maps = fem(activations, k=k)
    assert maps.any()
    torch.testing.assert_close(maps, looped(activations, k))


def test_a_constant_channel_adds_nothing():
    activations = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    with_constant = torch.cat([activations, torch.full((2, 1, 5, 4), 0.1)], 1)
    torch.testing.assert_close(fem(with_constant, k=1.0), fem(activations, k=1.0))
    assert not fem(torch.full((2, 3, 5, 4), 0.1)).any()


def test_a_negative_k_is_refused():
    with pytest.raises(OptionError, match="k of fem is 0 or more standard deviations, not -1"):
        FEM(k=-1.0)
