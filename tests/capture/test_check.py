"""What a layer sees: its run, its batch, the images, the score; wrong layers are refused, and why is said."""

from operator import itemgetter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from figureground.base.errors import LayerError
from figureground.capture import LayerChoice, check_layers, choose_layer
from figureground.methods import Explainer

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def conv(channels: int = 6) -> nn.Sequential:
    torch.random.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, channels, 8, stride=8), nn.Tanh())


class Siamese(nn.Module):
    """The query (three channels) and the reference (three more) go through the same backbone, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = conv(), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        both = [self.backbone(part).mean((2, 3)) for part in (x[:, :3], x[:, 3:])]
        return self.head(torch.cat(both, 1))


def pair(query: tuple[int, int], reference: tuple[int, int]) -> Tensor:
    """One bright cell of 8 pixels in the query, and one in the reference."""
    images = torch.zeros(1, 6, 64, 64)
    for channels, (y, x) in ((slice(0, 3), query), (slice(3, 6), reference)):
        images[:, channels, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = 1
    return images


@pytest.mark.parametrize(("layer", "peak"), [("backbone@1", (1, 1)), ("backbone@2", (6, 6))])
def test_the_run_of_a_layer_that_is_named_is_the_one_that_is_explained(layer, peak):
    result = Explainer(Siamese(), layer=layer)(pair((1, 1), (6, 6)), methods="eigen-cam")
    heat = result.map_of("eigen-cam")[0, 0]
    assert divmod(int((heat - heat.median()).abs().argmax()), 8) == peak
    assert [one.name for one in result.layers] == [layer]
    assert result.problems == ()


def test_gradients_belong_to_the_run_that_is_named():
    net, images = Siamese(), torch.rand(2, 6, 64, 64, generator=torch.Generator().manual_seed(0))
    for run, weights in ((1, net.head.weight[:, :6]), (2, net.head.weight[:, 6:])):
        maps = Explainer(net, layer=f"backbone@{run}")(images, classes=1, methods="hires-cam")
        seen = net.backbone(images[:, 3 * run - 3 : 3 * run])
        expected = torch.einsum("c,nchw->nhw", weights[1], seen).detach() / 64
        torch.testing.assert_close(maps.map_of("hires-cam")[:, 0], expected)


def test_runs_that_differ_are_reported_where_none_is_named():
    images = pair((1, 1), (6, 6))
    for explainer in (Explainer(Siamese()), Explainer(Siamese(), layer="backbone")):
        result = explainer(images, methods=["eigen-cam", "grad-cam"])
        assert {problem.kind for problem in result.problems} == {"several-runs"}
        assert "runs 2 times on different things" in result.problems[0].message
        assert "'backbone@1'" in result.problems[0].message
    with pytest.raises(LayerError, match="no run 3 of layer 'backbone': it runs 2 times"):
        Explainer(Siamese(), layer="backbone@3")(images)


class Chained(nn.Module):
    """The second run of a layer goes on where the first ended."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.head = conv(), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.block(self.stem(x)).relu()).mean((2, 3)))


def test_a_run_that_leads_to_the_last_one_is_no_problem():
    assert Explainer(Chained(), layer="block")(IMAGES, methods="eigen-cam").problems == ()


class Reference(Siamese):
    """The reference is a picture of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("reference", torch.rand(1, 3, 64, 64))

    def forward(self, x: Tensor) -> Tensor:
        both = [self.backbone(part).mean((2, 3)) for part in (x, self.reference)]
        return self.head(torch.cat([both[0], both[1].expand(len(x), -1)], 1))


def test_of_the_runs_the_one_that_sees_the_images_is_chosen():
    result = Explainer(Reference())(IMAGES, methods="eigen-cam")
    assert result.layers[0].name == "backbone@1"
    assert result.problems == ()
    with pytest.raises(LayerError, match=r"gives a batch of 1 for 2 images.*'backbone@1'"):
        Explainer(Reference(), layer="backbone")(IMAGES, methods="eigen-cam")


class Windows(nn.Module):
    """Four crops of each image are a batch of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer, self.head = conv(), nn.Conv2d(6, 6, 1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        crops = x.unfold(2, 32, 32).unfold(3, 32, 32)  # N 3 2 2 32 32
        crops = self.inner(crops.permute(0, 2, 3, 1, 4, 5).flatten(0, 2))
        whole = crops.reshape(len(x), 2, 2, 6, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(-1, 6, 8, 8)
        return self.head(self.outer(whole).tanh().mean((2, 3)))


@pytest.mark.parametrize("method", ["grad-cam", "eigen-cam", "cam"])
def test_a_batch_that_is_not_the_images_is_refused_with_both_sizes(method):
    with pytest.raises(LayerError, match="'inner' gives a batch of 8 for 2 images"):
        Explainer(Windows(), layer="inner")(IMAGES, methods=method)
    with pytest.raises(LayerError, match="'inner' gives a batch of 4 for 1 image:"):
        Explainer(Windows(), layer="inner")(IMAGES[:1], methods=method)
    assert Explainer(Windows())(IMAGES, methods="eigen-cam").layers[0].name == "outer"


class Prompted(nn.Module):
    """Like CLIP: images are compared with prompts, which are read after them."""

    def __init__(self, prompts: int) -> None:
        super().__init__()
        self.vision, self.text = conv(), nn.Sequential(nn.Embedding(50, 6), nn.Linear(6, 6))
        self.register_buffer("ids", torch.randint(50, (prompts, 9)))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.vision(x).mean((2, 3))
        return seen @ self.text(self.ids).mean(1).mT


@pytest.mark.parametrize("prompts", [2, 3, 1, 7])
def test_a_tower_that_reads_text_is_neither_chosen_nor_explained(prompts):
    net = Prompted(prompts)
    result = Explainer(net)(IMAGES, classes=0, methods=["grad-cam", "eigen-cam"])
    assert result.layers[0].name == "vision"
    # where there are as many prompts as images, the size is told that was found with seven
    wanted = f"gives a batch of {prompts} for {7 if prompts == 2 else 2} images"
    wanted = "does not depend on the images" if prompts == 7 else wanted
    with pytest.raises(LayerError, match=f"'text' {wanted}"):
        Explainer(net, layer="text")(IMAGES, methods="eigen-cam")


class Queries(nn.Module):
    """Sixteen learnt queries for every image."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.queries = conv(), nn.Linear(6, 6)
        self.mix, self.head = nn.MultiheadAttention(6, 1, batch_first=True), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.features(x).flatten(2).mT
        asked = self.queries(torch.linspace(-1, 1, 96).reshape(1, 16, 6).expand(len(x), -1, -1))
        return self.head(self.mix(asked, tokens, tokens)[0].mean(1))


def test_a_layer_that_does_not_depend_on_the_images_is_refused():
    with pytest.raises(LayerError, match="'queries' does not depend on the images"):
        Explainer(Queries(), layer="queries")(IMAGES, methods="eigen-cam")


class Container(nn.Module):
    """Returns its map, and the average that feeds the head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = conv()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.encoder(x)
        return {"maps": maps, "pooled": maps.mean((2, 3))}


class Contained(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = Container()
        self.head = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)["pooled"])


def test_a_container_whose_other_output_feeds_the_head_is_passed_over():
    net = Contained()
    explainer = Explainer(net)
    result = explainer(IMAGES, classes=1, methods=["grad-cam", "hires-cam"])
    assert explainer.layer.name == "body.encoder"
    assert result.problems == ()
    maps = net.body.encoder(IMAGES).detach().requires_grad_()
    slope = torch.autograd.grad(net.head(maps.mean((2, 3)))[:, 1].sum(), maps)[0]
    expected = (slope * maps).sum(1).detach()
    torch.testing.assert_close(result.map_of("hires-cam")[:, 0], expected)
    with pytest.raises(LayerError, match="do not depend on the first tensor that layer 'body' ret"):
        Explainer(net, layer="body")(IMAGES, methods="grad-cam")
    assert Explainer(net, layer="body")(IMAGES, methods="eigen-cam").map_of("eigen-cam").any()


class Checkpointed(nn.Module):
    """Its upper half is computed again when a gradient is asked."""

    def __init__(self, *, keep: bool = False) -> None:
        super().__init__()
        self.keep = keep
        self.low, self.top = conv(), nn.Sequential(nn.Conv2d(6, 5, 3), nn.Tanh())
        self.head = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        low = self.low(x)
        top: Any = self.top(low) if self.keep else checkpoint(self.top, low, use_reentrant=True)
        return self.head(top.mean((2, 3)))


@pytest.mark.parametrize("layer", ["low", "top", "top.0"])
def test_re_entrant_checkpoints_change_no_map(layer):
    maps = [
        Explainer(net, layer=layer)(IMAGES, classes=1, methods="hires-cam").map_of("hires-cam")
        for net in (Checkpointed(keep=True), Checkpointed())
    ]
    assert maps[0].any()
    torch.testing.assert_close(*maps)
    net = Checkpointed().train()
    net(IMAGES.clone().requires_grad_()).sum().backward()  # torch's own checkpoints work as before
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_a_gradient_that_is_cut_off_is_told_from_a_score_that_does_not_depend_on_the_layer():
    class Rounded(Checkpointed):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.top(self.low(x)).mean((2, 3)).detach())

    net = Rounded()
    with pytest.raises(LayerError, match=r"logits change with layer 'top', but no gradient"):
        Explainer(net, layer="top")(IMAGES, methods="grad-cam")
    assert Explainer(net, layer="top")(IMAGES, methods="eigen-cam").problems == ()


class NoWayBack(torch.autograd.Function):
    """An operation without a gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *_):
        raise NotImplementedError("no gradient is known")


def test_an_operation_without_a_gradient_is_an_error_of_ours():
    class Custom(Checkpointed):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(NoWayBack.apply(self.top(self.low(x))).mean((2, 3)))

    with pytest.raises(LayerError, match="an operation that has none"):
        Explainer(Custom(), layer="top")(IMAGES, methods="grad-cam")


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:UserWarning")
def test_int8_layers_pass_no_gradient_and_that_is_said():
    net = Checkpointed(keep=True).eval()
    whole: Any = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
    with pytest.raises(LayerError, match=r"no gradient comes back.*int8"):
        Explainer(whole, layer="top")(IMAGES, methods="grad-cam")


def test_a_saturated_sigmoid_is_a_zero_gradient_and_says_so():
    last = nn.Linear(6, 4)
    nn.init.constant_(last.bias, 200)
    net = nn.Sequential(conv(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last, nn.Sigmoid())
    (problem, *_) = Explainer(net, layer="0")(IMAGES, methods="grad-cam").problems
    assert problem.kind == "zero-gradient"
    assert "dead or saturated" in problem.message


def test_the_check_leaves_the_network_and_the_random_stream_alone():
    net = nn.Sequential(conv(), nn.BatchNorm2d(6), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1)).train()
    net.extend([nn.Flatten(), nn.Linear(6, 4)])
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = torch.random.get_rng_state()
    choose_layer(net, IMAGES)
    check_layers(net, IMAGES, [LayerChoice("0.0", "")], sparing=True)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(module.training for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


class Noisy(nn.Module):
    """Dropout that is always on."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = conv(), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.features(x), 0.5, training=True).mean((2, 3)))


@pytest.mark.parametrize(
    ("net", "images"),
    [
        (Chained(), torch.zeros(1, 3, 64, 64)),
        (Chained(), torch.full((1, 3, 64, 64), torch.nan)),
        (Chained().bfloat16(), IMAGES.bfloat16()),
        (Noisy(), IMAGES),
        (Chained().requires_grad_(requires_grad=False), IMAGES),
    ],
)
def test_right_layers_are_not_refused(net, images):
    for layer in (None, net.stem if isinstance(net, Chained) else net.features):
        result = Explainer(net, layer=layer)(images, methods=["grad-cam", "hires-cam"])
        assert result.map_of("grad-cam").shape == (len(images), 1, 8, 8)


def test_an_exchanged_part_and_another_way_to_the_logits_are_checked_anew():
    net = Contained()
    layer = [LayerChoice("body", "")]
    assert check_layers(net, IMAGES, layer)["body"].gradient == "none"
    assert check_layers(net, IMAGES, layer, output=itemgetter(slice(None)))["body"].rows == 7
    net.body = Container()
    net.body.encoder = nn.Sequential(conv(), nn.ReLU())
    assert check_layers(net, IMAGES, layer)["body"].grid is not None


def test_a_network_of_one_image_at_a_time_is_explained_unchecked():
    class Fixed(Chained):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.reshape(1, 3, 64, 64))

    net = Fixed()
    result = Explainer(net)(IMAGES[:1], methods="eigen-cam")
    assert result.layers[0].name == "block"
    assert (
        "failed on images" in check_layers(net, IMAGES, [LayerChoice("block", "")])["block"].doubt
    )
