"""LeGrad: the numbers of an independent program, and block by block written out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from figureground.base.errors import LayerError
from figureground.base.seeds import generator
from figureground.methods import Explainer, LeGrad
from figureground.models import Classifier, Preprocessing

FORMULA = {
    0: [[0.00636, 0.00094, 0.00026], [0.01516, 0.01985, 0.01700]],
    2: [[0.07780, 0.07743, 0.08066], [0.01843, 0.00225, 0.06380]],
}


def images() -> Tensor:
    return torch.rand(2, 3, 24, 32, generator=generator(0))


def test_maps_are_those_of_the_formula(formula_vit: VisionTransformer, formula_image: Tensor):
    result = Explainer(formula_vit)(formula_image, classes=[0, 2], methods=LeGrad())
    wanted = torch.tensor(list(FORMULA.values()))
    torch.testing.assert_close(result.map_of("le-grad")[0], wanted, atol=1e-5, rtol=0)


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
        {"class_token": True, "global_pool": "avg", "fc_norm": True},
        {"class_token": False, "global_pool": "map"},
    ],
)
def test_maps_are_those_written_out_block_by_block(
    vit: Callable[..., Any], options: dict[str, Any]
):
    net = vit(**options)
    classes = torch.tensor([[1, 4], [0, 3]])
    found = Explainer(net)(images(), classes=classes, methods="le-grad").map_of("le-grad")
    for block in net.blocks:
        block.attn.fused_attn, block.attn.attn_drop = False, Kept()
    tokens = net._pos_embed(net.patch_embed(images()))
    prefix, rows = net.num_prefix_tokens, []
    for block in net.blocks:
        tokens = block(tokens)
        mean = tokens.mean(1, keepdim=True).expand(-1, tokens.shape[1], -1)
        scores = net.forward_head(net.norm(mean)).gather(1, classes)
        weights = block.attn.attn_drop.weights
        grads = [torch.autograd.grad(one.sum(), weights, retain_graph=True)[0] for one in scores.T]
        rows.append(torch.stack([grad.relu().mean((1, 2))[:, prefix:] for grad in grads], 1))
    assert found.any()
    torch.testing.assert_close(found.flatten(2), torch.stack(rows).mean(0), atol=1e-7, rtol=1e-4)


class Encoder(nn.Module):
    """PyTorch's own transformer on patches, of which all tokens are averaged."""

    def __init__(self, *, batch_first: bool = True) -> None:
        super().__init__()
        self.axis = 1 if batch_first else 0
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 5)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.patches(pixels).flatten(2).mT
        tokens = tokens if self.axis else tokens.transpose(0, 1)
        logits: Tensor = self.head(self.encoder(tokens).mean(self.axis))
        return logits


def test_pytorch_s_own_encoder_is_left_as_found():
    net = Encoder()
    before = [set(vars(module)) for module in net.modules()]
    maps = Explainer(net)(images(), classes=[0, 1], methods="le-grad").map_of("le-grad")
    assert maps.shape == (2, 2, 3, 4)
    assert (maps.amax((2, 3)) > 0).all()
    assert before == [set(vars(module)) for module in net.modules()]
    assert net.encoder.layers[0].training


def test_the_network_runs_once_and_a_hook_on_a_block_acts_once(vit: Callable[..., Any]):
    net, runs = vit(), []

    def doubled(_module: nn.Module, _inputs: Any, tokens: Tensor) -> Tensor:
        runs.append(len(tokens))
        return tokens * 2

    net.blocks[2].register_forward_hook(doubled)
    explainer = Explainer(net)
    first = explainer(images(), classes=[1], methods="le-grad").map_of("le-grad")
    runs.clear()
    again = explainer(images(), classes=[1], methods=["le-grad", "attention-gradient"])
    assert len(runs) == 1
    torch.testing.assert_close(again.map_of("le-grad"), first)


@pytest.mark.parametrize("count", [2, 12])  # 12 images of 12 tokens
def test_tokens_first_are_as_batch_first(count: int):
    net, turned = Encoder().eval(), Encoder(batch_first=False).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator(1)) * 0.2)
    turned.load_state_dict(net.state_dict())
    pixels = torch.rand(count, 3, 24, 32, generator=generator(0))
    maps = [
        Explainer(one, layer="patches")(pixels, classes=[0, 3], methods="le-grad")
        for one in (net, turned)
    ]
    expected, found = (one.map_of("le-grad") for one in maps)
    assert (expected.amax((2, 3)) > 0).all()
    torch.testing.assert_close(found, expected)


class Inline(Encoder):
    """Attention twice, without a module around each."""

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.patches(pixels).flatten(2).mT[:, None]
        for _ in range(2):
            tokens = tokens + nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        logits: Tensor = self.head(tokens[:, 0].mean(1))
        return logits


def test_blocks_that_cannot_be_told_apart_are_refused():
    net = Inline()
    with pytest.raises(LayerError, match=r"cannot be told apart .*use attention-gradient"):
        Explainer(net, layer="patches")(images(), methods="le-grad")
    maps = Explainer(net, layer="patches")(images(), methods="attention-gradient")
    assert maps.map_of("attention-gradient").any()


class SeesTwo(nn.Module):
    """A head that looks at the tokens of the first block, too."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        net = self.net
        first = net.blocks[0](net._pos_embed(net.patch_embed(pixels)))
        last = net.blocks[2](net.blocks[1](first))
        logits: Tensor = net.forward_head(net.norm(last)) + first.mean((1, 2))[:, None]
        return logits


def test_a_head_that_sees_more_than_the_last_block_is_refused(vit: Callable[..., Any]):
    with pytest.raises(LayerError, match="use attention-gradient"):
        Explainer(SeesTwo(vit()))(images(), methods="le-grad")


class Counting(nn.Module):
    """A wrapper that counts on as many rows as images."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.net(pixels)
        return logits.view(len(pixels), -1)


def test_wrappers_that_count_images_get_the_same_maps(vit: Callable[..., Any]):
    net = vit()
    plain = Explainer(net)(images(), classes=[1, 4], methods="le-grad").map_of("le-grad")
    as_they_are = Preprocessing((24, 32), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    for wrapped in (Counting(net).eval(), Classifier(net, as_they_are, name="vit")):
        found = Explainer(wrapped)(images(), classes=[1, 4], methods="le-grad")
        torch.testing.assert_close(found.map_of("le-grad"), plain)
