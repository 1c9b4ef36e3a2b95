"""Attention of the class token: the numbers of an independent program, and laws."""

from collections.abc import Callable
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from figureground.base.seeds import generator
from figureground.methods import ClsAttention, Explainer


def test_heads_of_the_last_block_are_those_of_the_formula(
    formula_vit: VisionTransformer, formula_image: Tensor
):
    result = Explainer(formula_vit)(formula_image, methods=ClsAttention(each_head=True))
    wanted = [
        [[0.09460, 0.25276, 0.24043], [0.28871, 0.05129, 0.04111]],
        [[0.04468, 0.30382, 0.25523], [0.35156, 0.02240, 0.01146]],
    ]
    maps = result.map_of("cls-attention")
    torch.testing.assert_close(maps[0], torch.tensor(wanted), atol=1e-5, rtol=0)
    mean = Explainer(formula_vit)(formula_image, methods="cls-attention").map_of("cls-attention")
    torch.testing.assert_close(mean, maps.mean(1, keepdim=True))


def test_where_all_tokens_are_averaged_all_of_them_ask_alike(vit: Callable[..., Any]):
    net = vit(class_token=False, global_pool="avg")
    images = torch.rand(2, 3, 24, 32, generator=generator(0))
    maps = Explainer(net)(images, methods="cls-attention").map_of("cls-attention")
    kept: list[Tensor] = []
    net.blocks[-1].attn.fused_attn = False
    net.blocks[-1].attn.attn_drop.register_forward_hook(lambda _m, _i, given: kept.append(given))
    net.eval()(images)
    torch.testing.assert_close(maps.flatten(1), kept[0].mean((1, 2)).detach())
    torch.testing.assert_close(maps.sum((1, 2, 3)), torch.ones(2))


def test_a_query_that_pools_is_the_one_that_asks(vit: Callable[..., Any]):
    net = vit(class_token=False, global_pool="map")
    images = torch.rand(2, 3, 24, 32, generator=generator(0))
    maps = Explainer(net)(images, methods=ClsAttention(each_head=True)).map_of("cls-attention")
    tokens, pool = net.forward_features(images), net.attn_pool
    q = pool.q(pool.latent).view(1, 4, 4)[0]
    k = pool.kv(tokens).view(2, 12, 2, 4, 4)[:, :, 0]
    wanted = (torch.einsum("hd,nthd->nht", q, k) / 2).softmax(-1)
    torch.testing.assert_close(maps.flatten(2), wanted.detach(), atol=1e-6, rtol=1e-5)
