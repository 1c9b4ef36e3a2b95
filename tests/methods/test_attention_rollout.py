"""Attention rollout: the numbers of an independent program, the whole product, and what it sums to."""

from collections.abc import Callable
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from figureground.base.seeds import generator
from figureground.capture.attention import Attention, find_attention
from figureground.capture.attention_tape import AttentionTape
from figureground.methods import AttentionRollout, Explainer
from figureground.methods.attention_rollout import attention_rollout


def test_map_is_that_of_the_formula(formula_vit: VisionTransformer, formula_image: Tensor):
    maps = Explainer(formula_vit)(formula_image, methods=AttentionRollout())
    wanted = [[0.07135, 0.08376, 0.08361], [0.17570, 0.12694, 0.09416]]
    found = maps.map_of("attention-rollout")[0, 0]
    torch.testing.assert_close(found, torch.tensor(wanted), atol=1e-5, rtol=0)


def test_row_is_that_of_the_whole_product_and_sums_to_one(vit: Callable[..., Any]):
    net = vit(reg_tokens=3)
    images = torch.rand(2, 3, 24, 32, generator=generator(0))
    with torch.no_grad(), AttentionTape() as tape:
        logits = net(images)
    attention = Attention.of(tape, find_attention(net, images), logits)
    row = attention_rollout(attention)
    torch.testing.assert_close(row.sum(1), torch.ones(2))
    for image in range(2):
        product = torch.eye(16)
        for call in attention.calls:
            step = torch.eye(16)
            for head in call.weights()[image]:
                step = step + head / 4
            product = step / step.sum(1, keepdim=True) @ product
        torch.testing.assert_close(row[image], product[0])
    maps = Explainer(net)(images, methods="attention-rollout").map_of("attention-rollout")
    torch.testing.assert_close(maps.flatten(1), row[:, 4:])
