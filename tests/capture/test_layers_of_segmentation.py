"""The layer that is found for a network that gives a map of classes."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import segmentation as networks

from figureground.capture import choose_layer
from figureground.models import segmentation


class UNet(nn.Module):
    """Down twice and up again, without a part that is called anything."""

    def __init__(self) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        widths = ((3, 4, 1), (4, 8, 2), (8, 16, 2), (16, 8, 1), (8, 4, 1))
        self.first, self.down, self.bottom, self.up, self.last = (
            nn.Sequential(nn.Conv2d(a, b, 3, stride, 1), nn.ReLU()) for a, b, stride in widths
        )
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        first = self.first(images)
        second = self.down(first)
        enlarged = nn.functional.interpolate(self.bottom(second), scale_factor=2)
        again = nn.functional.interpolate(self.up(enlarged) + second, scale_factor=2)
        return self.head(self.last(again) + first)


class Fully(nn.Module):
    """A classifier whose maps of classes are averaged by a function."""

    def __init__(self) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.trunk = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU())
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(images)).mean((2, 3))


@pytest.mark.parametrize(
    ("name", "layer"),
    [("lraspp_mobilenet_v3_large", "backbone.16"), ("deeplabv3_mobilenet_v3_large", "backbone")],
)
def test_of_torchvision_it_is_the_backbones_last(name: str, layer: str):
    torch.random.manual_seed(0)
    network = getattr(networks, name)(weights=None, weights_backbone=None, num_classes=4).eval()
    image = torch.rand(1, 3, 64, 96)
    found = choose_layer(network, image, segmentation())
    assert found.name == layer
    assert "backbone, before anything is enlarged" in found.reason
    assert found.grid is not None
    assert (found.grid.size, found.grid.channels) == ((4, 6), 960)


def test_of_a_network_without_a_backbone_it_is_the_smallest_map():
    found = choose_layer(UNet().eval(), torch.rand(1, 3, 32, 48), segmentation())
    assert found.name == "bottom"
    assert found.grid is not None
    assert found.grid.size == (8, 12)


def test_averaged_maps_of_classes_are_those_of_a_classifier():
    found = choose_layer(Fully().eval(), torch.rand(1, 3, 32, 48))
    assert found.name == "trunk"
    assert "before pooling" in found.reason
