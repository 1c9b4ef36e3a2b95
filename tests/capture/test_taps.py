"""Layers kept while a network runs in somebody else's loop."""

import pytest
import torch
from torch import nn

from figureground.base.errors import LayerError
from figureground.capture.taps import output_and_features, stage_layers, tap_shapes, tapped


class Halving(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 3 * channels, 1)  # wide, still of the old size
        self.second = nn.Conv2d(3 * channels, 2 * channels, 2, stride=2)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(maps))


@pytest.fixture
def network() -> nn.Sequential:
    made = nn.Sequential(
        nn.Conv2d(1, 2, 1),
        nn.ReLU(inplace=True),
        Halving(2),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(4, 3),
    )
    with torch.no_grad():
        made.get_parameter("0.weight").copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1))
        made.get_parameter("0.bias").zero_()
    return made


def test_outputs_are_kept_with_their_graph_and_the_pass_is_the_same(network):
    images = torch.linspace(-1, 1, 48).view(2, 1, 4, 6)
    network[6].p = 0.0
    plain = network(images)
    with tapped(network, ["0", "2"]) as kept:
        outputs = network(images)
    torch.testing.assert_close(outputs, plain)
    torch.testing.assert_close(
        kept["0"], network[0](images)
    )  # the ReLU in place has not touched it
    assert (kept["0"] < 0).any()
    kept["2"].sum().backward()
    assert network[0].weight.grad.abs().sum() > 0
    assert network[7].weight.grad is None


def test_the_mode_of_the_network_and_its_hooks_stay_as_they_were(network):
    network.train()
    with tapped(network, ["2"]):
        assert network[2]._forward_hooks
        with pytest.raises(RuntimeError):
            network(torch.rand(2, 5, 4, 6))
    assert not network[2]._forward_hooks
    state = {name: value.clone() for name, value in network.state_dict().items()}
    assert tap_shapes(network, ["2", "5"], torch.rand(2, 1, 4, 6)) == ((4, 2, 3), (4,))
    assert network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_nothing_has_a_graph_where_none_is_recorded(network):
    with torch.no_grad(), tapped(network, ["2"]) as kept:
        network(torch.rand(2, 1, 4, 6))
    assert not kept["2"].requires_grad


def test_stages_are_the_last_maps_of_each_size_outside_of_blocks_that_change_it(network):
    assert stage_layers(network, torch.rand(2, 1, 4, 6)) == ("1", "3")


def test_layers_that_do_not_exist_or_run_are_refused(network):
    images = torch.rand(2, 1, 4, 6)
    with (
        pytest.raises(LayerError, match=r"no layer '2.frist' in Sequential; closest: '2.first'"),
        tapped(network, ["2.frist"]),
    ):
        pass
    network[2].idle = nn.Linear(1, 1)
    with pytest.raises(LayerError, match=r"'2.idle' was not reached"):
        tap_shapes(network, ["2.idle"], images)
    with pytest.raises(LayerError, match=r"gives maps \(N, C, h, w\)"):
        stage_layers(nn.Flatten(), images)


def test_features_are_what_the_last_linear_layer_was_given(network):
    network.eval()
    images = torch.rand(3, 1, 4, 6)
    output, features = output_and_features(network, images)
    with torch.no_grad():
        wanted = network[:-1](images)
    torch.testing.assert_close(features, wanted)
    torch.testing.assert_close(output, network(images))
    assert features is not None
    assert not features.requires_grad
    assert not any(module._forward_hooks for module in network.modules())


class Tokens(nn.Module):
    """A linear layer over tokens, whose outputs are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(images.flatten(2).mT).relu()).mean(1)


def test_features_are_averaged_over_positions():
    images = torch.rand(2, 3, 4, 6)
    tokens = Tokens()
    wanted = tokens.embed(images.flatten(2).mT).relu().mean(1)
    torch.testing.assert_close(output_and_features(tokens, images)[1], wanted.detach())
    convolution = nn.Sequential(
        nn.ReLU(), nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    torch.testing.assert_close(output_and_features(convolution, images)[1], images.mean((2, 3)))


def test_a_network_without_a_linear_layer_or_with_rows_of_its_own_has_no_features():
    images = torch.rand(2, 3, 4, 6)
    assert output_and_features(nn.Flatten(), images)[1] is None
    folded = nn.Sequential(
        nn.Flatten(0, 1), nn.Flatten(), nn.Linear(24, 1), nn.Unflatten(0, (2, 3))
    )
    assert output_and_features(folded, images)[1] is None
