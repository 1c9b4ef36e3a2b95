from functools import partial
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from figureground.base.errors import HeadError, OptionError
from figureground.methods import Explainer
from figureground.models import (
    CifarResNet,
    LeNetGAP,
    SmallResNet,
    SpinalHead,
    load_classifier,
    replace_head,
)

SPINAL = partial(SpinalHead, width=4, style="resnet")


def _torchvision_vit() -> nn.Module:
    sizes: dict[str, Any] = {"hidden_dim": 12, "mlp_dim": 8, "num_layers": 1, "num_heads": 2}
    return torchvision.models.VisionTransformer(image_size=32, patch_size=16, **sizes)


def _torchvision_convnext() -> nn.Module:
    setting = torchvision.models.convnext.CNBlockConfig(8, None, 2)
    return torchvision.models.ConvNeXt([setting])


def _timm_vit() -> nn.Module:
    sizes: dict[str, Any] = {"embed_dim": 12, "depth": 1, "num_heads": 2}
    return timm.create_model("vit_tiny_patch16_224", img_size=32, **sizes)


SMALL = [
    ("fc", torchvision.models.resnet18, 64),
    ("heads.head", _torchvision_vit, 32),
    ("classifier.3", torchvision.models.mobilenet_v3_small, 64),
    ("classifier.2", _torchvision_convnext, 32),
    ("classifier", lambda: timm.create_model("mobilenetv3_small_050"), 64),
    ("head", _timm_vit, 32),
    ("head.fc", lambda: timm.create_model("convnext_atto", depths=(1, 1, 1, 1)), 32),
    ("head.fc", lambda: timm.create_model("regnetx_002"), 32),
    ("linear", lambda: CifarResNet(8), 16),
    ("classifier", LeNetGAP, 16),
    ("fc", SmallResNet, 16),
]


@pytest.mark.parametrize("head", ["linear", SPINAL])
@pytest.mark.parametrize(("name", "build", "side"), SMALL)
def test_the_head_of_many_networks_is_found_and_replaced(
    name: str, build: Any, side: int, head: Any
):
    network = build().eval()
    before = [key for key in network.state_dict() if not key.startswith(f"{name}.")]
    images = torch.rand(2, 3, side, side)
    changed, features = replace_head(network, 7, head=head)
    assert changed is network
    new = network.get_submodule(name)
    assert (new.in_features, type(new)) == (features, nn.Linear if head == "linear" else SpinalHead)
    assert [key for key in network.state_dict() if not key.startswith(f"{name}.")] == before
    with torch.no_grad():
        assert network(images).shape == (2, 7)
    assert getattr(network, "num_classes", 7) == 7


def test_the_features_are_those_that_the_old_head_got():
    network = SmallResNet(num_classes=3, width=2).eval()
    images = torch.rand(2, 3, 16, 24)
    old = network.fc
    replace_head(network, 5)
    with torch.no_grad():
        network.fc.weight[:3].copy_(old.weight)
        network.fc.bias[:3].copy_(old.bias)
        new = network(images)[:, :3]
        network.fc = old
        torch.testing.assert_close(network(images), new)


def test_a_convolution_that_classifies_is_replaced_by_another():
    network, features = replace_head(torchvision.models.squeezenet1_1(), 5)
    assert features == 512
    with torch.no_grad():
        assert network.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 5)
    with pytest.raises(HeadError, match="can only be replaced by head='linear'"):
        replace_head(network, 5, head="spinal")


def test_a_network_built_without_a_head_gets_one():
    network, features = replace_head(timm.create_model("resnet10t", num_classes=0), 4)
    assert features == 512
    with torch.no_grad():
        assert network.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 4)


def test_a_head_of_ours_is_replaced_as_a_whole():
    network, _ = replace_head(SmallResNet(width=2), 3, head=SPINAL)
    replace_head(network, 4)
    assert isinstance(network.fc, nn.Linear)
    assert network.fc.in_features == 12


def test_the_new_head_has_the_old_ones_type_and_mode():
    network, _ = replace_head(SmallResNet(width=2).double().eval(), 3, head=SPINAL)
    assert not network.fc.training
    assert {weight.dtype for weight in network.fc.parameters()} == {torch.float64}
    assert network.eval()(torch.rand(1, 3, 16, 16, dtype=torch.float64)).shape == (1, 3)


def test_a_classifier_keeps_its_names_and_calls_the_new_output_background():
    digits = load_classifier("figureground:lenet-gap", random=True)
    changed, features = replace_head(digits, 11)
    assert features == 64
    assert changed.num_classes == 11
    assert changed.class_name(10) == "background"
    assert changed(torch.rand(1, 3, 20, 20)).shape == (1, 11)
    replace_head(digits, 4)
    assert (digits.class_names, digits.num_classes) == (None, 4)


def test_plain_cam_says_that_it_is_undefined_for_a_spinal_head_and_grad_cam_works():
    network, _ = replace_head(SmallResNet(width=2), 3, head=SPINAL)
    images = torch.rand(2, 3, 16, 24)
    explainer = Explainer(network, layer="layer3")
    with pytest.raises(HeadError, match="use hires-cam or grad-cam"):
        explainer(images, methods="cam")
    maps = explainer(images, methods="grad-cam").maps["grad-cam"]
    assert isinstance(maps, torch.Tensor)
    assert maps.isfinite().all()


def test_what_cannot_be_replaced_says_why():
    with pytest.raises(OptionError, match="closest: 'linear'"):
        replace_head(SmallResNet(), 3, head="lineal")
    with pytest.raises(OptionError, match="num_outputs must be at least 1"):
        replace_head(SmallResNet(), 0)
    with pytest.raises(HeadError, match="no head found in Sequential; say which layer"):
        replace_head(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), 3)
    with pytest.raises(OptionError, match="no module of SmallResNet 'fcc'; closest: 'fc'"):
        replace_head(SmallResNet(), 3, at="fcc")
    with pytest.raises(HeadError, match="'stem' is a Sequential: it cannot be replaced"):
        replace_head(SmallResNet(), 3, at="stem")


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "levit_128s"])
def test_a_network_with_two_heads_is_refused(name: str):
    with torch.device("meta"):
        network = timm.create_model(name)
    with pytest.raises(HeadError, match="has 2 heads"):
        replace_head(network, 3)


def test_a_head_can_be_named_where_it_cannot_be_found():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    changed, features = replace_head(network, 3, at="1")
    assert features == 12
    assert changed(torch.rand(2, 3, 2, 2)).shape == (2, 3)
