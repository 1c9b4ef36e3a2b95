"""The students and teachers of the distillation benchmark: sizes as published, structure as described."""

import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.models import CifarMobileNetV2, CifarShuffleNetV2, CifarVGG, CifarWideResNet
from figureground.models.cifar_mobile import _shuffled
from figureground.models.cifar_wide_resnet import _Block
from figureground.models.from_figureground import build
from figureground.models.source import Wanted


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("resnet8x4", 1.23),
        ("resnet32x4", 7.43),
        ("wrn-16-2", 0.70),
        ("wrn-40-1", 0.57),
        ("wrn-40-2", 2.26),
        ("vgg8", 3.97),
        ("vgg13", 9.46),
        ("mobilenetv2", 0.81),
        ("shufflenetv1", 0.95),
        ("shufflenetv2", 1.36),
    ],
)
def test_parameters_for_a_hundred_classes_are_as_many_as_published(name, millions):
    found = build(f"cifar-{name}", Wanted(trained=False, arguments={"num_classes": 100}))
    count = sum(parameter.numel() for parameter in found.network.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.0051)


def sizes(network: nn.Module) -> list[tuple[int, ...]]:
    """Shapes of what the children give for one image, in order, by running them one after the other."""
    features, found = torch.zeros(2, 3, 32, 32), []
    for name, child in network.named_children():
        if name.startswith(("stem", "layer")):
            features = child(features)
            found.append(tuple(features.shape[1:]))
    return found


def test_resolutions_fall_where_the_benchmark_has_them():
    assert [size[1] for size in sizes(CifarMobileNetV2())] == [16, 16, 16, 8, 4, 4, 2, 2, 2]
    assert sizes(CifarShuffleNetV2()) == [
        *((24, 32, 32), (116, 16, 16), (232, 8, 8), (464, 4, 4), (1024, 4, 4)),
    ]


def test_a_wide_block_adds_what_it_computes_to_its_input_or_to_its_activation():
    network = CifarWideResNet(10, 2).eval()
    images = torch.rand(2, 16, 4, 6)
    block = network.get_submodule("layer2.0")
    assert isinstance(block, _Block)
    assert block.shortcut is not None
    features = torch.rand(2, 32, 4, 6)
    ready = block.bn1(features).relu()
    inner = block.conv2(block.bn2(block.conv1(ready)).relu())
    torch.testing.assert_close(block(features), inner + block.shortcut(ready))
    same = CifarWideResNet(10, 1).eval().get_submodule("layer1.0")
    assert isinstance(same, _Block)
    assert same.shortcut is None
    inner = same.conv2(same.bn2(same.conv1(same.bn1(images).relu())).relu())
    torch.testing.assert_close(same(images), inner + images)


def test_channels_of_two_groups_come_in_turn():
    maps = torch.arange(6.0).view(1, 6, 1, 1)
    assert _shuffled(maps, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert _shuffled(maps, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]


def test_the_kept_half_of_a_split_block_passes_unchanged():
    block = CifarShuffleNetV2().get_submodule("layer1.1").eval()
    maps = torch.rand(2, 116, 4, 6)
    assert torch.equal(block(maps)[:, ::2], maps[:, :58])


@pytest.mark.parametrize("depth", [8, 11, 13])
def test_a_vgg_network_has_as_many_layers_with_weights_as_its_name(depth):
    network = CifarVGG(depth)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    # the name counts the three linear layers of the large network, of which one is left
    assert len(layers) == depth - 2
    assert network(torch.rand(2, 3, 16, 24)).shape == (2, 10)


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(OptionError, match=r"6 n \+ 4"):
        CifarWideResNet(18, 2)
    with pytest.raises(OptionError, match="width must be at least 1"):
        CifarWideResNet(16, 0)
    with pytest.raises(OptionError, match="no depth of a VGG network '9'"):
        CifarVGG(9)
