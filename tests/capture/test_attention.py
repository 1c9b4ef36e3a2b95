"""The attention tape: weights and gradients equal those of a network that computes them by hand."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import timm
import torch
import torchvision
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from figureground.base.errors import LayerError
from figureground.base.seeds import generator
from figureground.capture import Directions
from figureground.capture.attention import Attention, find_attention
from figureground.capture.attention_tape import AttentionTape

SIZE = (24, 32)


def images(count: int = 2, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.rand(count, 3, *size, generator=generator(0))


def made(kind: Callable[..., nn.Module], *args: object, **options: object) -> Any:
    """A network with random weights, the same in every run, in evaluation mode."""
    with torch.random.fork_rng():
        torch.set_rng_state(generator(0).get_state())
        net = kind(*args, **options).eval()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn(parameter.shape) * 0.1)
        return net


vit = partial(
    made,
    VisionTransformer,
    img_size=SIZE,
    patch_size=8,
    embed_dim=16,
    depth=3,
    num_heads=4,
    num_classes=5,
)


def by_hand(net: Any) -> Any:
    """The same network, whose attention is a softmax and two products."""
    for module in net.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    return net


class Encoder(nn.Module):
    """PyTorch's own transformer on patches, of which all tokens are averaged."""

    def __init__(self, *, batch_first: bool = True) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=batch_first, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(16, 5)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.patches(pixels).flatten(2).mT
        tokens = tokens if self.batch_first else tokens.transpose(0, 1)
        logits: Tensor = self.head(self.encoder(tokens).mean(1 if self.batch_first else 0))
        return logits


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "class token": vit,
    "registers": partial(vit, reg_tokens=4),
    "average": partial(vit, class_token=False, global_pool="avg"),
    "pooled by attention": partial(vit, class_token=False, global_pool="map"),
    "by hand": lambda: by_hand(vit()),
    "encoder": partial(made, Encoder),
    "encoder, tokens first": partial(made, Encoder, batch_first=False),
}


def run(net: nn.Module, pixels: Tensor) -> Attention:
    """The attention of one run, with a graph."""
    tape = AttentionTape(gradient=True)
    with torch.no_grad(), tape:
        logits = net(pixels)
    return Attention.of(tape, find_attention(net, pixels), logits)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_times_values_are_the_output_of_every_call(name: str):
    attention = run(NETWORKS[name](), images())
    assert len(attention.calls) == 3
    for call in attention.calls:
        assert call.error() < 1e-5
        assert call.weights().shape == (2, 4, call.queries, call.keys)
        torch.testing.assert_close(call.weights().sum(-1), torch.ones(2, 4, call.queries))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_gives_the_logits_that_it_gives_otherwise(name: str):
    net = NETWORKS[name]()
    with torch.no_grad(), AttentionTape():
        logits = net(images())
    torch.testing.assert_close(logits, net(images()).detach(), atol=1e-6, rtol=1e-5)


class Kept(nn.Dropout):
    """Stands in the place of the dropout on the weights and keeps them in the graph."""

    weights: Tensor

    def forward(self, weights: Tensor) -> Tensor:
        if not weights.requires_grad:
            weights.requires_grad_()
        self.weights = weights
        return weights


def test_weights_and_their_gradient_are_those_of_a_network_that_keeps_them():
    net = vit(reg_tokens=2)
    attention = run(net, images())
    twin = by_hand(vit(reg_tokens=2))
    for block in twin.blocks:
        block.attn.attn_drop = Kept()
    logits = twin(images())
    directions = Directions(indices=torch.tensor([[1, 4], [0, 2]]))
    for k, gradients in enumerate(attention.gradients(directions)):
        kept = [block.attn.attn_drop.weights for block in twin.blocks]
        wanted = torch.autograd.grad(
            logits, kept, directions.cotangent(k, logits), retain_graph=True
        )
        for call, weights, gradient in zip(attention.calls, kept, wanted, strict=True):
            torch.testing.assert_close(call.weights(), weights.detach(), atol=1e-6, rtol=1e-5)
            assert gradient.any()
            torch.testing.assert_close(
                call.weight_gradient(gradients[call]), gradient, atol=1e-6, rtol=1e-4
            )


def nudged(net: Any, pixels: Tensor, *, block: int, at: tuple[int, ...], by: float) -> Tensor:
    """Logits of ``Encoder`` whose attention weights of one block are changed at one place, all written out."""
    tokens = net.patches(pixels).flatten(2).mT
    for number, layer in enumerate(net.encoder.layers):
        attend = layer.self_attn
        q, k, v = attend.in_proj_weight.chunk(3)
        a, b, c = attend.in_proj_bias.chunk(3)
        x = layer.norm1(tokens)
        q, k, v = (
            (x @ w.T + bias).view(len(x), -1, 4, 4).transpose(1, 2)
            for w, bias in ((q, a), (k, b), (v, c))
        )
        weights = (q @ k.mT / 2).softmax(-1)
        if number == block:
            weights[at] += by
        mixed = (weights @ v).transpose(1, 2).flatten(2)
        tokens = tokens + attend.out_proj(mixed)
        tokens = tokens + layer.linear2(layer.linear1(layer.norm2(tokens)).relu())
    logits: Tensor = net.head(tokens.mean(1))
    return logits


def test_gradient_of_the_attention_of_a_module_is_the_slope_of_the_logit():
    net = made(Encoder).double()
    pixels = images().double()
    attention = run(net, pixels)
    torch.testing.assert_close(
        nudged(net, pixels, block=0, at=(0,), by=0.0), attention.logits, atol=1e-9, rtol=1e-9
    )
    (gradients,) = attention.gradients(Directions(indices=torch.tensor([[3]])))
    for block, at in ((0, (1, 2, 3, 4)), (1, (0, 0, 11, 5)), (2, (1, 3, 0, 0))):
        call = attention.calls[block]
        up, down = (nudged(net, pixels, block=block, at=at, by=by) for by in (1e-5, -1e-5))
        slope = (up - down)[at[0], 3] / 2e-5
        found = call.weight_gradient(gradients[call])[at]
        torch.testing.assert_close(found.double(), slope, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "prefix", "start"),
    [
        ("class token", 1, [1.0] + [0.0] * 12),
        ("registers", 5, [1.0] + [0.0] * 16),
        ("average", 0, [1 / 12] * 12),
        ("encoder", 0, [1 / 12] * 12),
        ("pooled by attention", 0, None),
    ],
)
def test_the_row_to_read_is_that_of_the_tokens_that_are_classified(
    name: str, prefix: int, start: list[float] | None
):
    found = find_attention(NETWORKS[name](), images())
    assert found.grid.size == (3, 4)
    assert found.grid.prefix == prefix
    assert (found.start is None) == (start is None)
    if start is not None:
        torch.testing.assert_close(found.start, torch.tensor(start))
    assert len(found.blocks) == 3


def test_two_tokens_that_are_classified_count_half_each():
    net = made(timm.create_model, "deit_tiny_distilled_patch16_224", img_size=(32, 48), depth=2)
    found = find_attention(net, images(size=(32, 48)))
    assert found.start is not None
    assert found.start.tolist() == [0.5, 0.5] + [0.0] * 6
    assert found.grid.size == (2, 3)


def test_blocks_are_the_modules_that_take_and_give_tokens():
    net = vit()
    assert find_attention(net, images()).blocks == tuple(net.blocks)
    encoder = made(Encoder)
    assert find_attention(encoder, images()).blocks == tuple(encoder.encoder.layers)


def test_torchvision_has_the_same_attention():
    net = made(torchvision.models.VisionTransformer, 32, 8, 2, 4, 16, 32, num_classes=5)
    found = find_attention(net, images(size=(32, 32)))
    assert found.start is not None
    assert found.start.tolist() == [1.0] + [0.0] * 16
    assert found.blocks == tuple(net.encoder.layers)


@pytest.mark.parametrize("how", ["sdpa", "eager"])
def test_attention_of_a_transformers_model_is_what_it_gives_out_itself(how: str):
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
    images_of = {"image_size": SIZE, "patch_size": 8, "num_labels": 5, "intermediate_size": 32}
    nets = {}
    for name in (how, "eager"):
        config = library.ViTConfig(**sizes, **images_of, attn_implementation=name)
        nets[name] = made(library.ViTForImageClassification, config)
    tape = AttentionTape()
    with torch.no_grad(), tape:
        nets[how](images())
    given = nets["eager"](images(), output_attentions=True).attentions
    assert len(tape.calls) == len(given) == 3
    for call, weights in zip(tape.calls, given, strict=True):
        torch.testing.assert_close(call.weights(), weights.detach(), atol=1e-6, rtol=1e-5)
    found = find_attention(nets[how], images())
    assert found.start is not None
    assert found.start.tolist() == [1.0] + [0.0] * 12
    assert len(found.blocks) == 3


@pytest.mark.parametrize(
    "function",
    [
        lambda q, k, v: nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: nn.functional.scaled_dot_product_attention(q, k, v, scale=0.1),
        lambda q, k, v: nn.functional.scaled_dot_product_attention(
            query=q, key=k, value=v, attn_mask=torch.eye(5).roll(1, 0)
        ),
        lambda q, k, v: nn.functional.scaled_dot_product_attention(
            q, k, v, torch.ones(5, 5, dtype=torch.bool).tril()
        ),
        lambda q, k, v: nn.functional.scaled_dot_product_attention(
            q, k[:, :2], v[:, :2], enable_gqa=True
        ),
        lambda q, k, v: torch.dropout(torch.softmax(q @ k.mT, dim=-1), 0.5, False) @ v,
        lambda q, k, v: nn.functional.softmax((q @ k.mT).double(), -1).to(q.dtype).matmul(v),
        lambda q, k, v: torch.bmm((q[:, 0] @ k[:, 0].mT).softmax(2), v[:, 0]),
    ],
)
def test_every_way_to_write_attention_is_rebuilt(function: Callable[..., Tensor]):
    q, k, v = torch.randn(3, 2, 4, 5, 8, generator=generator(1))
    with AttentionTape() as tape:
        function(q, k, v)
    (call,) = tape.calls
    assert not tape.faults
    assert call.error() < 1e-6
    assert call.weights().sum(-1).allclose(torch.ones(()))


def test_a_softmax_of_something_else_is_no_attention():
    with AttentionTape() as tape:
        x = torch.randn(2, 5).softmax(-1) @ torch.randn(5, 5)
        _ = torch.randn(2, 4, 5, 5).softmax(1) @ torch.randn(2, 4, 5, 5)
    assert x.shape == (2, 5)
    assert (tape.calls, tape.faults) == ([], [])


REFUSED = {
    "swin_tiny_patch4_window7_224": "within 64 windows of 49 tokens",
    "pvt_v2_b0": "3136 by 49 tokens in one place",
    "levit_128s": "so that its blocks cannot be chained",
    "cait_xxs24_224": "talking heads, gates",
    "resnet18": "attention maps are for transformers; use grad-cam",
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_kinds_of_attention_are_refused_by_name(name: str):
    small = {"swin_tiny_patch4_window7_224": {"depths": (1, 1, 1, 1), "embed_dim": 12}}
    net = made(timm.create_model, name, **small.get(name, {}))
    with pytest.raises(LayerError, match=REFUSED[name]) as raised:
        find_attention(net, images(1, (224, 224)))
    assert "layer-cam" in str(raised.value)


def test_attention_that_does_not_reach_the_logits_is_refused():
    net = vit()
    net.get_submodule("head").register_forward_hook(lambda *_: torch.zeros(1, 5))
    with pytest.raises(LayerError, match="no gradient of the logits reaches the attention"):
        find_attention(net, images())


def test_a_padding_mask_of_a_module_is_refused_by_name():
    attend = made(nn.MultiheadAttention, 8, 2, batch_first=True)
    tokens = torch.randn(1, 4, 8, generator=generator(0))
    with AttentionTape() as tape:
        attend(tokens, tokens, tokens, key_padding_mask=torch.zeros(1, 4, dtype=torch.bool))
    assert tape.faults == ["multi-head attention with key_padding_mask"]


def test_hooks_modes_and_recording_end_with_an_exception():
    net = vit()
    net.get_submodule("blocks.1").register_forward_hook(lambda *_: 1 / 0)
    hooks = [len(module._forward_hooks) for module in net.modules()]
    with pytest.raises(ZeroDivisionError):
        find_attention(net, images())
    assert hooks == [len(module._forward_hooks) for module in net.modules()]
    assert not any(module._forward_pre_hooks for module in net.modules())
    with AttentionTape() as tape:
        pass
    torch.softmax(torch.randn(2, 4, 5, 5), -1) @ torch.randn(2, 4, 5, 5)
    assert tape.calls == []
    assert torch._C._len_torch_function_stack() == 0
