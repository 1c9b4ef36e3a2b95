"""Matrices, convolutions, pools and averages walked back, by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from figureground.base.seeds import generator


def last(x):
    """Each element its own logit."""
    return F.linear(x.flatten(1), torch.eye(x[0].numel()))


def test_fully_connected_layers_keep_every_positive_contribution(walked, seeded):
    net = seeded(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    net[1].weight.data = torch.tensor([[1.0, 2, -1, 0], [0, -1, 3, 0], [5, 5, 5, 5]])
    net[3].weight.data = torch.tensor([[1.0, 1, -1], [0, 0, 1]])
    for layer in (net[1], net[3]):
        layer.bias.data.zero_()
    images = torch.tensor([1.0, 1, 2, 0]).view(1, 4, 1, 1)
    # class 0: hidden 0 (1+2-2 = 1) and 1 (-1+6 = 5); back from them: inputs 0, 1 and 2
    assert walked(net, images, torch.tensor([[0]])) == [[{(0, 0, 0), (1, 0, 0), (2, 0, 0)}]]
    assert walked(net, -images, torch.tensor([[0]])) == [[set()]]


def test_from_a_matrix_to_a_map_only_the_largest_contribution_is_kept(walked, seeded):
    net = seeded(nn.Sequential(nn.Flatten(), nn.Linear(6, 1)))
    net[1].weight.data = torch.tensor([[1.0, 2, 3, -9, 5, 6]])
    images = torch.tensor([[1.0, 1, 3], [9, 1, 1]]).view(1, 1, 2, 3)
    assert walked(net, images, torch.tensor([[0]])) == [[{(0, 0, 2)}]]


def test_identity_convolution_maps_a_point_to_itself(walked):
    net = nn.Sequential(
        nn.Conv2d(3, 3, 1, bias=False), nn.Flatten(), nn.Linear(3 * 4 * 5, 60, bias=False)
    ).eval()
    net[0].weight.data = torch.eye(3).view(3, 3, 1, 1)
    net[2].weight.data = torch.eye(60)
    images = torch.rand(1, 3, 4, 5, generator=generator(0)) + 0.1
    labels = torch.tensor([[0, 7, 26, 59]])
    expected = [[{tuple(int(i) for i in np.unravel_index(k, (3, 4, 5)))} for k in (0, 7, 26, 59)]]
    assert walked(net, images, labels) == expected


@pytest.mark.parametrize("pool", [nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1)])
def test_pools_lead_to_the_largest_value_of_the_window(walked, pool):
    images = torch.rand(1, 2, 7, 9, generator=generator(1))
    _, places = F.max_pool2d(images, 3, 2, 1, return_indices=True)
    h, w = places.shape[2:]
    net = nn.Sequential(pool, nn.Flatten(), nn.Linear(2 * h * w, 2 * h * w, bias=False))
    net[2].weight.data = torch.eye(2 * h * w)
    found = walked(net, images, torch.arange(2 * h * w)[None])[0]
    expected = [(k // (h * w), *divmod(int(p), 9)) for k, p in enumerate(places.flatten())]
    assert found == [{point} for point in expected]


def test_adaptive_pool_looks_only_into_each_results_own_window(walked):
    images = torch.rand(1, 1, 5, 7, generator=generator(1))
    net = nn.Sequential(nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(6, 6, bias=False))
    net[2].weight.data = torch.eye(6)
    found = walked(net, images, torch.arange(6)[None])[0]
    biggest, places = F.adaptive_max_pool2d(images, (2, 3), return_indices=True)
    assert found == [{(0, *divmod(int(p), 7))} for p in places.flatten()]
    assert all(
        images[0][min(one)] == value for one, value in zip(found, biggest.flatten(), strict=True)
    )


def test_every_fixation_is_the_planted_bright_pixel(walked):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ).eval()
    for parameter in net.parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator(2)) + 0.1
    images = torch.zeros(2, 3, 12, 20)
    images[0, 1, 7, 13] = images[1, 0, 2, 4] = 1.0
    found = walked(net, images, torch.tensor([[0, 1, 2]] * 2), position="argmax")
    assert found == [[{(1, 7, 13)}] * 3, [{(0, 2, 4)}] * 3]


def test_average_of_class_maps_starts_a_path_at_every_positive_position(walked):
    net = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    net[0].weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    images = torch.tensor([[0.0, 2, -1], [3, 0, 0]]).view(1, 1, 2, 3)
    found = walked(net, images, torch.tensor([[0, 1]]))
    assert found == [[{(0, 0, 1), (0, 1, 0)}, {(0, 0, 2)}]]


def test_convolution_over_one_position_that_classifies_is_a_matrix(walked):
    net = nn.Sequential(nn.Conv2d(4, 2, 1, bias=False), nn.Flatten())
    net[0].weight.data = torch.tensor([[1.0, -1, 2, 1], [1, 1, 1, 1]]).view(2, 4, 1, 1)
    images = torch.tensor([1.0, 1, 1, -1]).view(1, 4, 1, 1)
    found = walked(net, images, torch.tensor([[0, 1]]))
    assert found == [[{(0, 0, 0), (2, 0, 0)}, {(0, 0, 0), (1, 0, 0), (2, 0, 0)}]]


def test_paths_through_a_dead_channel_do_not_drift(walked):
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(4)])
    for weight in net.parameters():
        weight.data.fill_(1.0)
    images = torch.zeros(1, 1, 12, 14)
    found = walked(lambda x: last(net(x) + 1.0), images, torch.tensor([[6 * 14 + 7]]), "argmax")
    assert found == [[{(0, 6, 7)}]]
