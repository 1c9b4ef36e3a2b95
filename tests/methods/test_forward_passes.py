"""How often the network runs, and on how many images: one for a look, seven for the check of a layer, N for maps."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

from figureground.methods import Explainer
from figureground.models import LeNetGAP


class Counted:
    """Notes the number of images of every forward pass of a network."""

    def __init__(self, model: nn.Module) -> None:
        self.images: list[int] = []
        self.forward, self.model = model.forward, model
        model.forward = self

    def __call__(self, images: Tensor) -> Tensor:
        self.images.append(len(images))
        return self.forward(images)


@pytest.fixture
def resnet() -> nn.Module:
    torch.random.manual_seed(0)
    return torchvision.models.resnet18(weights=None)


IMAGES = torch.rand(3, 3, 64, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("method", ["grad-cam", "eigen-cam", "cam"])
def test_the_first_call_looks_and_checks_and_later_calls_do_not(resnet: nn.Module, method: str):
    explainer = Explainer(resnet)
    seen = Counted(resnet)
    explainer(IMAGES, methods=method)
    assert seen.images == [1, 7, 3]
    explainer(IMAGES[:2], classes=[0, 1, 2], methods=method)
    assert seen.images == [1, 7, 3, 2]


def test_all_methods_together_run_once(resnet: nn.Module):
    explainer = Explainer(resnet, layer="layer4")
    seen = Counted(resnet)
    names = ["cam", "grad-cam", "grad-cam++", "eigen-cam", "eigen-grad-cam", "cnn-fixations", "dff"]
    explainer(IMAGES, classes="top3", methods=names)
    assert seen.images == [7, 3]


def test_a_named_layer_is_checked_once_for_each_network(resnet: nn.Module):
    seen = Counted(resnet)
    Explainer(resnet, layer="layer3")(IMAGES)
    assert seen.images == [7, 3]
    Explainer(resnet, layer="layer3")(IMAGES, methods="eigen-cam")
    assert seen.images == [7, 3, 3]


def test_several_layers_are_checked_together_and_those_that_are_known_not_again(resnet: nn.Module):
    seen = Counted(resnet)
    for _ in range(2):
        Explainer(resnet, layer=["layer2", "layer3"])(IMAGES)
    assert seen.images == [7, 3, 3]
    Explainer(resnet, layer=["layer4", "layer3", "layer2"])(IMAGES)
    assert seen.images == [7, 3, 3, 7, 3]


def test_another_size_of_image_is_not_checked_again(resnet: nn.Module):
    seen = Counted(resnet)
    explainer = Explainer(resnet, layer="layer3")
    explainer(IMAGES)
    explainer(torch.rand(2, 3, 96, 64))
    assert seen.images == [7, 3, 2]


def test_an_averaged_pool_is_recognised_in_the_same_look():
    net = LeNetGAP()
    seen = Counted(net)
    explainer = Explainer(net)
    explainer(torch.rand(2, 3, 100, 100), methods="cam")
    assert "average is all that the linear head sees" in explainer.layer.reason
    assert seen.images == [1, 7, 2]


def test_smoothing_runs_its_views_in_one_pass(resnet: nn.Module):
    seen = Counted(resnet)
    Explainer(resnet, layer="layer4", smooth=True)(IMAGES)
    assert seen.images == [7, 18]


class ClassToken(nn.Module):
    """Only the class token reaches the logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.embed = nn.Conv2d(3, 6, 16, stride=16)
        self.norm1 = nn.LayerNorm(6)
        self.attn = nn.MultiheadAttention(6, 1, batch_first=True)
        self.norm2 = nn.LayerNorm(6)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).mT
        tokens = self.norm1(torch.cat([tokens.mean(1, keepdim=True), tokens], 1))
        return self.head(self.norm2(tokens + self.attn(tokens, tokens, tokens)[0])[:, 0])


def test_a_class_token_takes_no_further_pass():
    net = ClassToken()
    seen = Counted(net)
    explainer = Explainer(net)
    explainer(IMAGES)
    assert explainer.layer.name == "norm1"
    assert seen.images == [1, 7, 3]
    explainer(IMAGES)
    assert seen.images == [1, 7, 3, 3]


class FrozenBelow(nn.Module):
    """Runs its features without gradients."""

    def __init__(self) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.low = nn.Conv2d(3, 4, 3)
        self.head = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            low = self.low(x)
        return self.head(low).amax((2, 3))


def test_a_network_that_switches_gradients_off_inside_runs_again_where_they_are_needed():
    net = FrozenBelow()
    seen = Counted(net)
    explainer = Explainer(net, layer="low")
    assert explainer(IMAGES, methods="grad-cam").map_of("grad-cam").any()
    assert seen.images == [7, 7, 3, 3]
    explainer(IMAGES, methods="eigen-cam")
    assert seen.images == [7, 7, 3, 3, 3]
