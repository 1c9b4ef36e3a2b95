import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from figureground.models import LeNetGAP

Array = NDArray[np.float64]


def _layer(channels: Array, weights: Array, bias: Array) -> Array:
    """Slow twin: zero-padded correlation, ReLU, 2 x 2 maximum, channel by channel."""
    padded = np.pad(channels, ((0, 0), (2, 2), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    rows = []
    for kernel, shift in zip(weights, bias, strict=True):
        summed = (windows * kernel[:, None, None]).sum(axis=(0, 3, 4)) + shift
        height, width = (side // 2 * 2 for side in summed.shape)
        tiles = summed[:height, :width].reshape(height // 2, 2, width // 2, 2)
        rows.append(np.maximum(tiles.max(axis=(1, 3)), 0))
    return np.stack(rows)


def test_logits_equal_the_slow_twin():
    network = LeNetGAP(channels=1, num_classes=3).eval().double()
    assert network.conv1.bias is not None
    torch.nn.init.uniform_(network.conv1.bias)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    images = torch.rand(2, 1, 9, 14, dtype=torch.float64)
    for image, logits in zip(images.numpy(), network(images), strict=True):
        hidden = _layer(image, state["conv1.weight"], state["conv1.bias"])
        features = _layer(hidden, state["conv2.weight"], state["conv2.bias"]).mean(axis=(1, 2))
        expected = state["classifier.weight"] @ features
        np.testing.assert_allclose(logits.detach().numpy(), expected, rtol=1e-9)


def test_fresh_weights_are_drawn_as_stated():
    network = LeNetGAP()
    for conv, fan in ((network.conv1, 3 * 25 + 32 * 25), (network.conv2, 32 * 25 + 64 * 25)):
        bound = (6 / fan) ** 0.5
        assert conv.weight.abs().max() <= bound
        assert conv.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert conv.bias is not None
        assert conv.bias.abs().max() == 0
    assert "classifier.bias" not in network.state_dict()
    assert network.classifier.weight.std().item() == pytest.approx(0.01, rel=0.15)
