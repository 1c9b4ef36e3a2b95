import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from figureground.base.errors import OptionError
from figureground.methods import Explainer
from figureground.models import SmallResNet


@pytest.mark.parametrize(("side", "positions", "millions"), [(64, 8, 17.0), (96, 12, 38.3)])
def test_it_is_small_and_its_maps_are_an_eighth_of_the_side(
    side: int, positions: int, millions: float
):
    with torch.device("meta"):
        network, image = SmallResNet(), torch.zeros(1, 3, side, side)
        features = network.layer3(network.layer2(network.layer1(network.stem(image))))
        assert features.shape == (1, 96, positions, positions)
        with FlopCounterMode(display=False) as counter:
            network(image)
    assert counter.get_total_flops() / 2e6 == pytest.approx(millions, abs=0.05)


def test_cam_means_are_the_logits_less_the_bias():
    network = SmallResNet(num_classes=4, width=3, blocks=2).eval()
    images = torch.rand(2, 3, 24, 40)
    maps = Explainer(network)(images, [0, 1, 2, 3], methods="cam").maps["cam"]
    assert isinstance(maps, torch.Tensor)
    with torch.no_grad():
        expected = network(images) - network.fc.bias
    torch.testing.assert_close(maps.mean((-2, -1)), expected, rtol=1e-4, atol=1e-5)


def test_a_block_whose_branch_is_zero_passes_its_positive_input_on():
    network = SmallResNet(width=2, blocks=2)
    block = network.get_submodule("layer1.1").eval()
    nn.init.zeros_(network.get_parameter("layer1.1.branch.4.weight"))
    features = torch.rand(1, 4, 3, 5)
    assert torch.equal(block(features), features)


def test_it_learns():
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        network = SmallResNet(num_classes=2, channels=1, width=2)
    images = torch.zeros(8, 1, 16, 16)
    images[::2, :, :8] = 1
    labels = torch.arange(8) % 2
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()
    assert (network(images).argmax(1) == labels).all()


def test_sizes_below_one_are_refused():
    with pytest.raises(OptionError, match="width and blocks must be at least 1, got 16 and 0"):
        SmallResNet(blocks=0)
