from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from figureground.base.errors import ModelError, OptionError
from figureground.methods import Explainer
from figureground.models.from_figureground import NETWORKS, build
from figureground.models.gap_networks import GapNetwork, alexnet_gap, googlenet_gap, vgg16_gap
from figureground.models.source import Wanted

SMALL: dict[str, Any] = {"num_classes": 3, "width": 16}
BUILDERS = [
    (alexnet_gap, "alexnet", 13),
    (vgg16_gap, "vgg16", 14),
    (googlenet_gap, "googlenet", 14),
]
each = pytest.mark.parametrize(("make", "trunk", "positions"), BUILDERS)
Make = Callable[..., GapNetwork]


def _named_weights(trunk: str) -> dict[str, Tensor]:
    """Weights by the names that torchvision gives them, without making its large linear layers."""
    arguments = {"init_weights": False} if trunk == "googlenet" else {}
    with torch.device("meta"):
        network = torchvision.models.get_model(trunk, **arguments)
    kept = [key for key in network.state_dict() if not key.startswith(("classifier", "aux", "fc"))]
    state = network.state_dict()
    return {
        key: torch.rand(state[key].shape) * 0.1
        if state[key].is_floating_point()
        else torch.tensor(1)
        for key in kept
    }


@each
def test_the_last_maps_have_as_many_positions_as_in_the_paper(
    make: Make, trunk: str, positions: int
):
    with torch.device("meta"):
        features = make(**SMALL).features
        assert features(torch.zeros(1, 3, 224, 224)).shape[2:] == (positions, positions)


@each
def test_cam_is_exact_on_it_and_its_mean_is_the_logit_less_the_bias(
    make: Make, trunk: str, positions: int
):
    network = make(**SMALL).eval()
    nn.init.normal_(network.fc.bias)
    nn.init.normal_(network.fc.weight)
    images = torch.rand(2, 3, 64, 96)
    found = Explainer(network)(images, [0, 1, 2], methods="cam")
    with torch.no_grad():
        maps = network.gap_relu(network.gap_conv(network.features(images)))
        expected = torch.einsum("kc,nchw->nkhw", network.fc.weight, maps)
        logits = network(images)
    torch.testing.assert_close(found.maps["cam"], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        expected.mean((2, 3)) + network.fc.bias, logits, rtol=1e-4, atol=1e-4
    )


@each
def test_torchvisions_weights_fill_the_trunk(make: Make, trunk: str, positions: int):
    given = _named_weights(trunk)
    network = make(**SMALL, trunk=given)
    for key, value in network.features.state_dict().items():
        source = key if trunk == "googlenet" else f"features.{key}"
        assert torch.equal(value, given[source]), key


def test_the_trunk_computes_what_torchvisions_does():
    whole = torchvision.models.googlenet(init_weights=False, aux_logits=False, num_classes=2).eval()
    network = googlenet_gap(**SMALL, trunk=whole.state_dict()).eval()
    images = torch.rand(1, 3, 64, 64)
    hidden = images
    with torch.no_grad():
        for name, module in whole.named_children():
            hidden = module(hidden)
            if name == "inception4e":
                break
        torch.testing.assert_close(network.features(images), hidden)


def test_the_trunk_can_come_from_a_file_by_the_networks_name(tmp_path: Path):
    given = _named_weights("alexnet")
    torch.save(given, tmp_path / "alexnet.pth")
    arguments = {"trunk": str(tmp_path / "alexnet.pth"), **SMALL}
    found = build("alexnet-gap", Wanted(trained=False, arguments=arguments))
    state = found.network.state_dict()
    assert torch.equal(state["features.0.weight"], given["features.0.weight"])


def test_the_added_layers_start_as_in_the_released_files():
    network = alexnet_gap()
    assert network.gap_conv.weight.shape == (1024, 256, 3, 3)
    assert network.gap_conv.weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert network.state_dict()["gap_conv.bias"].unique().tolist() == [1.0]
    assert network.fc.weight.shape == (1000, 1024)
    assert network.dropout.p == vgg16_gap(**SMALL).dropout.p == 0.5
    assert googlenet_gap(**SMALL).dropout.p == 0
    assert alexnet_gap(groups=2).gap_conv.weight.shape == (1024, 128, 3, 3)


def test_other_weights_groups_and_channels():
    with pytest.raises(ModelError, match=r"not the trunk's: 10 missing, 0 of another shape"):
        alexnet_gap(**SMALL, trunk={})
    with pytest.raises(ModelError, match=r"0 missing, 1 of another shape \(0\.weight"):
        alexnet_gap(**SMALL, trunk=_named_weights("alexnet"), channels=1)
    with pytest.raises(OptionError, match="256 and 16 channels cannot be cut into 3 groups"):
        alexnet_gap(**SMALL, groups=3)
    assert alexnet_gap(**SMALL, channels=1)(torch.rand(1, 1, 64, 64)).shape == (1, 3)


def test_googlenet_wants_what_torchvision_makes_of_imagenets_normalisation():
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixel = torch.rand(1, 3, 1, 1)
    with torch.device("meta"):
        theirs = torchvision.models.GoogLeNet(transform_input=True, init_weights=False)
    usual = (pixel - mean[:, None, None]) / std[:, None, None]
    wanted = NETWORKS["googlenet-gap"].preprocessing
    assert (wanted.mean, wanted.std) == ((0.5,) * 3, (0.5,) * 3)
    torch.testing.assert_close(theirs._transform_input(usual), (pixel - 0.5) / 0.5)
