"""Gradient-weighted attention: the numbers of an independent program, and the product written out."""

from collections.abc import Callable
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
            row = product[prefix:].mean(0) if averaged else product[0]
            maps = found.map_of("attention-gradient")[image, position]
            torch.testing.assert_close(maps.flatten(), row[prefix:], atol=1e-7, rtol=1e-4)
