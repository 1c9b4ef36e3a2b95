"""CAM against a loop written from equation 2, and its refusals."""

import pytest
import torch
from torch import nn

from figureground.base.errors import HeadError
from figureground.methods import Explainer
from figureground.methods.cam import CAM, cam


def test_equals_its_slow_twin():
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(2, 1, 5, 4, 3, generator=generator)
    weights = torch.randn(2, 3, 5, generator=generator)
    maps = cam(activations, weights)
    for n in range(2):
        for k in range(3):
            for y in range(4):
                for x in range(3):
                    value = sum(
                        float(weights[n, k, c]) * float(activations[n, 0, c, y, x])
                        for c in range(5)
                    )
                    assert float(maps[n, k, y, x]) == pytest.approx(value, abs=1e-5)


def test_mean_of_the_map_is_the_logit_less_the_bias():
    head = nn.Linear(5, 7)
    activations = torch.randn(2, 1, 5, 4, 3, generator=torch.Generator().manual_seed(1))
    maps = cam(activations, head.weight)
    logits = head(activations[:, 0].mean((-2, -1))) - head.bias
    torch.testing.assert_close(maps.mean((-2, -1)), logits)


def test_two_linear_layers_are_refused_with_what_would_work():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 6),
        nn.ReLU(),
        nn.Linear(6, 5),
    )
    with pytest.raises(HeadError, match=r"layer '1'.*use hires-cam or grad-cam"):
        Explainer(net)(torch.rand(2, 3, 8, 6), methods="cam")


def test_the_classifier_s_own_maps_of_a_convolutional_head_are_averaged_into_the_logit():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 5, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    result = Explainer(net)(torch.rand(2, 3, 8, 6), classes=[0, 1, 2, 3, 4], methods="cam")
    torch.testing.assert_close(result.map_of("cam").mean((-2, -1)), result.logits)
    assert result.layers[0].name == "1"
    assert CAM.signed
