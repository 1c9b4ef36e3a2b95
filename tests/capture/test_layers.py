"""Layers by name, and by looking."""

import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import LayerError
from figureground.capture import choose_layer, named_layer


def conv(*after: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *after)


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.ModuleDict({"layer4": conv(), "layer3": conv()})

    def forward(self, x: Tensor) -> Tensor:
        return self.network["layer4"](x).mean((2, 3))


def test_full_names_ends_of_names_and_modules_are_found():
    net = Nested()
    for given in ("network.layer4", "layer4", net.network["layer4"]):
        assert named_layer(net, given).name == "network.layer4"
    assert named_layer(net, "layer4.1").name == "network.layer4.1"


def test_an_end_that_fits_several_is_refused():
    with pytest.raises(LayerError, match=r"'1' fits several layers: layer4.1, "):
        named_layer(Nested(), "1")


def test_an_unknown_name_is_refused_with_the_closest():
    with pytest.raises(LayerError, match=r"no layer 'layer5' in Nested; closest: .*layer4"):
        named_layer(Nested(), "layer5")


IMAGES = torch.rand(2, 3, 12, 9, generator=torch.Generator().manual_seed(0))
HEAD = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (conv(*HEAD), "1"),
        (conv(nn.Dropout(0.5), nn.Identity(), *HEAD), "1"),
        (nn.Sequential(conv(), *HEAD), "0"),
        (conv(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(60, 6), nn.Linear(6, 5)), "1"),
        (conv(nn.MaxPool2d(2), *HEAD), "2"),  # its average is all that the linear head sees
        (conv(nn.MaxPool2d(2), nn.Identity(), *HEAD), "1"),  # something follows the pool
        (conv(nn.Conv2d(4, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "1"),
        (conv(nn.Conv2d(4, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "1"),
    ],
)
def test_the_last_feature_map_is_chosen(net, expected):
    choice = choose_layer(net, IMAGES)
    assert choice.name == expected
    assert choice.grid is not None
    assert f"{choice.grid.size[0]}×{choice.grid.size[1]} positions" in str(choice)


class Doubled(nn.Module):
    """Its pooled map is rewritten in place, so that the head does not average what the pool returned."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.pool, self.fc = conv(), nn.MaxPool2d(2), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.features(x)).mul_(2.0).mean((2, 3)))


def test_a_pooled_map_that_is_rewritten_in_place_is_judged_as_it_was_returned():
    assert choose_layer(Doubled(), IMAGES).name == "features"


class Tokens(nn.Module):
    """A transformer of one head: a class token and 4×3 image tokens."""

    def __init__(self, *, averaged: bool) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.averaged = averaged
        self.embed = nn.Conv2d(3, 6, 3, stride=3)
        self.norm1 = nn.LayerNorm(6)
        self.attn = nn.MultiheadAttention(6, 1, batch_first=True)
        self.norm2 = nn.LayerNorm(6)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).mT
        tokens = self.norm1(torch.cat([tokens.mean(1, keepdim=True), tokens], 1))
        tokens = self.norm2(tokens + self.attn(tokens, tokens, tokens)[0])
        return self.head(tokens.mean(1) if self.averaged else tokens[:, 0])


def test_where_only_the_class_token_counts_the_norm_before_the_attention_is_chosen():
    choice = choose_layer(Tokens(averaged=False), IMAGES)
    assert choice.name == "norm1"
    assert "1 prefix tokens left out" in choice.reason
    assert choice.grid is not None
    assert choice.grid.size == (4, 3)


class Deep(Tokens):
    """Two attentions, each after a norm."""

    def __init__(self) -> None:
        super().__init__(averaged=False)
        self.norm0 = nn.LayerNorm(6)
        self.attn0 = nn.MultiheadAttention(6, 1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).mT
        tokens = self.norm0(torch.cat([tokens.mean(1, keepdim=True), tokens], 1))
        tokens = self.norm1(tokens + self.attn0(tokens, tokens, tokens)[0])
        return self.head(self.norm2(tokens + self.attn(tokens, tokens, tokens)[0])[:, 0])


def test_of_several_attentions_the_last_counts():
    assert choose_layer(Deep(), IMAGES).name == "norm1"


def test_where_image_tokens_count_the_last_ones_are_chosen():
    assert choose_layer(Tokens(averaged=True), IMAGES).name == "norm2"
