"""Grad-CAM against captum's, an independent library."""

from functools import partial

import pytest
import torch
import torchvision
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from figureground.methods import Explainer


def networks() -> dict[str, tuple[nn.Module, str]]:
    """Network and layer."""
    vgg11 = nn.Sequential(
        make_layers(cfgs["A"]),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Linear(3072, 32),
        nn.ReLU(inplace=True),
        nn.Linear(32, 12),
    )
    return {
        "resnet18": (torchvision.models.resnet18(num_classes=12), "layer4"),
        "resnet18-inside": (torchvision.models.resnet18(num_classes=12), "layer2"),
        "vgg11": (vgg11, "0.19"),
        "densenet": (
            torchvision.models.DenseNet(8, (2, 2), 16, num_classes=12),
            "features.denseblock2",
        ),
    }


def signed(logits: Tensor, *, sign: int, index: int) -> Tensor:
    """A logit or its negative."""
    return sign * logits[:, index]


@pytest.mark.parametrize("name", ["resnet18", "resnet18-inside", "vgg11", "densenet"])
@pytest.mark.parametrize("relu", [True, False])
def test_equals_captum(name, relu):
    torch.random.manual_seed(0)
    net, layer = networks()[name]
    net.eval()
    for module in net.modules():  # captum differentiates what the next module may overwrite
        if isinstance(module, nn.ReLU):
            module.inplace = False
    for module in net.modules():
        # as trained: above a fresh norm, which changes nothing, the averaged map would be known for this layer's own
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    images = torch.rand(2, 3, 64, 96)
    oracle = LayerGradCam(net, net.get_submodule(layer))
    explainer = Explainer(net, layer=layer)
    informative = 0
    for index in range(0, 12, 2):
        theirs = oracle.attribute(images, target=index, relu_attributions=relu).detach()[:, 0]
        if relu:
            ours = explainer(images, classes=index, methods="grad-cam").map_of("grad-cam")[:, 0]
        else:  # before its ReLU the map of -y is the negative one, so both halves make the whole
            pair = [partial(signed, sign=sign, index=index) for sign in (1, -1)]
            maps = explainer(images, classes=pair, methods="grad-cam").map_of("grad-cam")
            ours = maps[:, 0] - maps[:, 1]
        scale = theirs.abs().amax().clamp_min(1e-12)
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=1e-4)
        informative += bool(theirs.any())
    assert informative >= 2  # after the ReLU the map of a class may well be blank
