"""Where the cells of a layer lie: each must answer to the part of the image that it is drawn over."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from figureground.base.errors import LayerError
from figureground.capture import LayerChoice, check_layers, choose_layer
from figureground.methods import Explainer

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def conv(channels: int = 6) -> nn.Sequential:
    torch.random.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, channels, 8, stride=8), nn.Tanh())


class Shuffled(nn.Module):
    """Tokens in the order of units of 2×2 cells, as in Hiera, then in rows again."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.units, self.rows = conv(), nn.Linear(6, 6), nn.Linear(6, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.embed(x)
        units = maps.reshape(-1, 6, 4, 2, 4, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 64, 6)
        units = self.units(units).tanh()
        rows = units.reshape(-1, 4, 4, 2, 2, 6).transpose(2, 3).reshape(-1, 64, 6)
        return self.head(self.rows(rows).tanh().mean(1))


def test_tokens_in_another_order_are_refused_and_the_right_ones_pass():
    net = Shuffled()
    with pytest.raises(LayerError, match=r"8×8 cells of layer 'units' \(tokens\) do not answer"):
        Explainer(net, layer="units")(IMAGES, methods="eigen-cam")
    layers = [LayerChoice(name, "") for name in ("embed", "units", "rows")]
    found = check_layers(net, IMAGES, layers)
    assert [found[layer.name].placed for layer in layers] == [True, False, True]
    assert choose_layer(net, IMAGES).name == "rows"


class Last(nn.Module):
    """A map with its channels last, before a head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features, self.norm, self.head = conv(channels), nn.Identity(), nn.Linear(channels, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.features(x).permute(0, 2, 3, 1) * 2).mean((1, 2)))


@pytest.mark.parametrize("channels", [8, 7, 6])
def test_channels_that_are_as_many_as_columns_are_told_from_them(channels):
    net = Last(channels)
    result = Explainer(net, layer="norm")(IMAGES, methods="eigen-cam")
    grid = result.layers[0].grid
    assert grid is not None
    assert (grid.layout, grid.size, grid.channels) == ("nhwc", (8, 8), channels)
    expected = Explainer(net, layer="features")(IMAGES, methods="eigen-cam").map_of("eigen-cam")
    torch.testing.assert_close(result.map_of("eigen-cam"), 2 * expected, rtol=1e-4, atol=1e-5)


def test_a_map_that_looks_like_channels_last_is_read_as_what_it_is():
    torch.random.manual_seed(0)
    first = nn.Conv2d(3, 32, 3, stride=(4, 1), padding=1)
    net = nn.Sequential(first, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4))
    images = torch.zeros(2, 3, 128, 128)
    images[:, :, 96:104, 16:24] = 1
    result = Explainer(net)(images, methods="eigen-cam")
    assert result.layers[0].name == "1"
    heat = result.map_of("eigen-cam")[0, 0]
    assert heat.shape == (32, 128)
    y, x = divmod(int((heat - heat.median()).abs().argmax()), 128)
    assert 24 <= y < 26
    assert 15 <= x < 25


class Padded(nn.Module):
    """Brings every image to a multiple of 32 pixels by padding it, or by cutting something off."""

    def __init__(self, sides: tuple[int, int, int, int]) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.sides = sides
        self.features = nn.Conv2d(3, 6, 32, stride=32, bias=False)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(F.pad(x, self.sides)).mean((2, 3)))


@pytest.mark.parametrize("side", [0, 1])
def test_a_map_of_a_network_that_pads_inside_lies_over_the_object(side):
    sides = (0, 28, 28, 0) if side else (0, 28, 0, 28)  # left, right, above, below
    net = Padded(sides)
    images = torch.zeros(1, 3, 100, 100)
    images[:, :, 64:96, 64:96] = 1
    result = Explainer(net)(images, methods="eigen-cam")
    heat = F.interpolate(result.map_of("eigen-cam").abs(), (100, 100), mode="bilinear")[0, 0]
    places = heat / heat.sum()
    middle = (torch.arange(100) + 0.5) @ torch.stack([places.sum(1), places.sum(0)], 1)
    assert (
        middle - 80
    ).abs().max() < 6  # was 62.5 where the padding is below, and 88 where it is above


def test_what_a_network_cuts_off_shows_nothing():
    net = Padded((-64, -64, -64, -64))
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    heat = Explainer(net, layer="features")(images, methods="eigen-cam").map_of("eigen-cam")[0, 0]
    assert heat.shape == (4, 4)
    seen = torch.zeros(4, 4, dtype=torch.bool)
    seen[1:3, 1:3] = True  # centres at 96 and 160 pixels; the network looks at 64 to 192
    assert torch.equal(heat != 0, seen)


def test_a_functional_relu_before_the_pooling_is_applied_for_every_method():
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.random.manual_seed(0)
            self.features, self.classifier = nn.Conv2d(3, 6, 8, stride=8), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.classifier(F.relu(self.features(x), inplace=True).mean((2, 3)))

    net = Dense()
    methods = ["cam", "grad-cam", "hires-cam", "xgrad-cam"]
    result = Explainer(net)(IMAGES, classes=2, methods=methods)
    maps = net.features(IMAGES).detach().relu()
    expected = torch.einsum("c,nchw->nhw", net.classifier.weight[2].detach(), maps)
    torch.testing.assert_close(result.map_of("cam")[:, 0], expected)
    torch.testing.assert_close(result.map_of("hires-cam")[:, 0] * 64, expected)
    for method in ("grad-cam", "xgrad-cam"):  # behind average pooling both are CAM, ReLU applied
        torch.testing.assert_close(result.map_of(method)[:, 0] * 64, expected.relu())


def test_a_network_whose_only_convolution_has_a_channel_for_each_class_is_explained():
    torch.random.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    result = Explainer(net)(IMAGES, classes=1, methods="hires-cam")
    assert result.layers[0].name == "0"
    torch.testing.assert_close(result.map_of("hires-cam")[:, 0] * 64, net[0](IMAGES)[:, 1].detach())
