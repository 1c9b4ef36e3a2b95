"""Gradient-weighted attention: the numbers of an independent program, and the product written out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from figureground.base.seeds import generator
from figureground.methods import AttentionGradient, Explainer

FORMULA = {
    0: [[0.00291, 0.00000, 0.00000], [0.00271, 0.03620, 0.00569]],
    2: [[0.00152, 0.00541, 0.00374], [0.05860, 0.00000, 0.00005]],
}


def test_maps_are_those_of_the_formula(formula_vit: VisionTransformer, formula_image: Tensor):
    result = Explainer(formula_vit)(formula_image, classes=[0, 2], methods=AttentionGradient())
    wanted = torch.tensor(list(FORMULA.values()))
    found = result.map_of("attention-gradient")[0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_beside_methods_of_a_layer_the_maps_are_the_same(vit: Callable[..., Any]):
    explainer = Explainer(vit(reg_tokens=1))
    images = torch.rand(2, 3, 24, 32, generator=generator(0))
    names = ["hires-cam", "attention-gradient", "eigen-cam", "le-grad", "cls-attention"]
    together = explainer(images, classes=[1, 2], methods=names)
    for name in names:
        alone = explainer(images, classes=[1, 2], methods=name).map_of(name)
        torch.testing.assert_close(together.map_of(name), alone, atol=1e-6, rtol=1e-4)


def test_a_function_of_the_logits_is_a_target(vit: Callable[..., Any]):
    explainer = Explainer(vit())
    images = torch.rand(2, 3, 24, 32, generator=generator(0))
    for name in ("attention-gradient", "le-grad"):
        plain = explainer(images, classes=[3], methods=name).map_of(name)
        same = explainer(images, classes=lambda logits: logits[:, 3], methods=name).map_of(name)
        torch.testing.assert_close(same, plain)
        between = explainer(images, lambda y: y[:, 3] - y[:, 1], name).map_of(name)
        assert not torch.allclose(between, plain)


class Normalising(nn.Module):
    """Normalises inside, as a classifier does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.network((pixels - 0.4) / 0.3)
        return logits


def test_a_classifier_has_the_maps_of_its_network(vit: Callable[..., Any]):
    net = vit()
    images = torch.rand(2, 3, 24, 32, generator=generator(0))
    for name in ("attention-rollout", "attention-gradient", "le-grad"):
        inside = Explainer(Normalising(net))(images, classes=[2], methods=name).map_of(name)
        outside = Explainer(net)((images - 0.4) / 0.3, classes=[2], methods=name).map_of(name)
        torch.testing.assert_close(inside, outside)


def test_images_of_another_size_are_looked_at_anew(vit: Callable[..., Any]):
    explainer = Explainer(vit(dynamic_img_size=True))
    for size, grid in (((24, 32), (3, 4)), ((32, 24), (4, 3)), ((48, 48), (6, 6))):
        images = torch.rand(2, 3, *size, generator=generator(0))
        maps = explainer(images, methods="attention-gradient").map_of("attention-gradient")
        assert maps.shape[-2:] == grid


def test_after_an_exception_in_the_middle_all_is_as_found(vit: Callable[..., Any]):
    net = vit().train()
    explainer = Explainer(net)
    images = torch.rand(2, 3, 24, 32, generator=generator(0))
    names = ["attention-gradient", "le-grad"]
    wanted = explainer(images, classes=[1], methods=names).map_of("le-grad")
    handle = net.blocks[1].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explainer(images, classes=[1], methods=names)
    handle.remove()
    assert torch._C._len_torch_function_stack() == 0
    assert torch.is_grad_enabled()
    assert all(module.training for module in net.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    again = explainer(images, classes=[1], methods=names).map_of("le-grad")
    torch.testing.assert_close(again, wanted)


def test_threads_do_not_disturb_one_another(vit: Callable[..., Any]):
    net = vit()
    batches = [torch.rand(2, 3, 24, 32, generator=generator(seed)) for seed in range(4)]
    names = ["attention-gradient", "le-grad", "attention-rollout"]

    def maps(images: Tensor) -> Tensor:
        result = Explainer(net)(images, classes=[1], methods=names)
        return torch.cat([result.map_of(name) for name in names], 1)

    wanted = [maps(images) for images in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(maps, batches), wanted, strict=True):
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


class Kept(nn.Module):
    """Keeps the weights that pass, in the graph."""

    weights: Tensor

    def forward(self, weights: Tensor) -> Tensor:
        self.weights = weights
        return weights


@pytest.mark.parametrize(
    "options",
    [
        {"reg_tokens": 2},
        {"class_token": False, "global_pool": "avg"},
        {"class_token": True, "global_pool": "avg"},
    ],
)
def test_maps_are_those_of_the_product_written_out(
    vit: Callable[..., Any], options: dict[str, Any]
):
    net = vit(**options)
    images = torch.rand(2, 3, 24, 32, generator=generator(0))
    classes = torch.tensor([[1, 4], [0, 3]])
    found = Explainer(net)(images, classes=classes, methods="attention-gradient")
    for block in net.blocks:
        block.attn.fused_attn, block.attn.attn_drop = False, Kept()
    logits = net(images)
    kept = [block.attn.attn_drop.weights for block in net.blocks]
    prefix = net.num_prefix_tokens
    for image in range(2):
        for position in range(2):
            score = logits[image, classes[image, position]]
            gradients = torch.autograd.grad(score, kept, retain_graph=True)
            product = torch.eye(prefix + 12)
            for weights, gradient in zip(kept, gradients, strict=True):
                step = (weights[image] * gradient[image]).relu().mean(0).detach()
                product = product + step @ product
            averaged = options.get("global_pool") == "avg"
            row = product[prefix:].mean(0) - 1 / 12 if averaged else product[0]
            maps = found.map_of("attention-gradient")[image, position]
            torch.testing.assert_close(maps.flatten(), row[prefix:], atol=1e-7, rtol=1e-4)
