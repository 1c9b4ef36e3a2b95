"""Integrated HiRes-CAM: complete, HiRes-CAM on a linear head, and equal to a loop over the steps."""

import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.methods import Explainer, HiResCAM, LayerIntegrated


@pytest.fixture
def bent_head() -> nn.Sequential:
    """A network that is smooth and far from linear above the layer ``1``."""
    torch.random.manual_seed(0)
    below = [nn.Conv2d(3, 6, 3, stride=2), nn.ReLU()]
    above = [nn.Conv2d(6, 8, 2), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)]
    net = nn.Sequential(*below, *above).eval()
    with torch.no_grad():
        for weight in net[2:].parameters():
            weight.mul_(6)
    return net


def integrated(
    net: nn.Sequential, images: torch.Tensor, classes: list[int], steps: int
) -> torch.Tensor:
    """A gradient for each image, class and step."""
    below, above = net[:2], net[2:]
    found = torch.zeros(len(images), len(classes), 5, 4)
    for n, image in enumerate(images):
        own = below(image[None]).detach()
        for k, number in enumerate(classes):
            for step in range(steps):
                maps = ((step + 0.5) / steps * own).requires_grad_()
                (slope,) = torch.autograd.grad(above(maps)[0, number], maps)
                found[n, k] += (slope * own)[0].sum(0) / steps
    return found


def test_equals_a_loop_over_the_steps(bent_head, two_images):
    result = Explainer(bent_head, layer="1")(two_images, [1, 4], LayerIntegrated(steps=3))
    expected = integrated(bent_head, two_images, [1, 4], 3)
    torch.testing.assert_close(result.map_of("layer-integrated"), expected, rtol=1e-4, atol=1e-6)


def test_a_map_sums_to_what_the_features_add_to_the_score(bent_head, two_images):
    def asked(logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(1)[:, 2]

    result = Explainer(bent_head, layer="1")(two_images, asked, LayerIntegrated(steps=200))
    with torch.no_grad():
        empty = torch.zeros_like(bent_head[:2](two_images))
        gained = asked(bent_head(two_images)) - asked(bent_head[2:](empty))
    found = result.map_of("layer-integrated")
    torch.testing.assert_close(found.sum((1, 2, 3)), gained, rtol=1e-3, atol=1e-5)
    hires = Explainer(bent_head, layer="1")(two_images, asked, "hires-cam").map_of("hires-cam")
    assert ((hires.sum((1, 2, 3)) - gained).abs() > 0.2 * gained.abs()).all()


def test_on_a_linear_head_it_is_hires_cam(digit_network, digit_image):
    methods = [LayerIntegrated(steps=2), HiResCAM()]
    result = Explainer(digit_network, layer="pool")(digit_image, [8, 3], methods)
    torch.testing.assert_close(
        result.map_of("layer-integrated"), result.map_of("hires-cam"), rtol=1e-4, atol=1e-5
    )


def test_tokens_of_a_transformer(vit):
    net = vit()
    images = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    result = Explainer(net, layer="blocks.1")(images, [0, 3], LayerIntegrated(steps=2))
    with torch.no_grad():
        tokens = net.blocks[:2](net.norm_pre(net._pos_embed(net.patch_embed(images))))
    expected = torch.zeros(2, 2, 3, 4)
    for step in (0.25, 0.75):
        given = tokens.clone()
        given[:, 1:] *= step
        given.requires_grad_()
        logits = net.forward_head(net.norm(net.blocks[2](given)))
        for at, number in enumerate((0, 3)):
            (slope,) = torch.autograd.grad(logits[:, number].sum(), given, retain_graph=True)
            expected[:, at] += (slope * tokens)[:, 1:].sum(2).view(2, 3, 4) / 2
    torch.testing.assert_close(result.map_of("layer-integrated"), expected, rtol=1e-3, atol=1e-6)
    assert all(one.grad is None for one in net.parameters())


def test_no_step_is_refused():
    with pytest.raises(OptionError, match="at least 1 step, not 0"):
        LayerIntegrated(steps=0)
