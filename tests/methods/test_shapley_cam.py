"""Shapley-CAM against Hessians written out in full, and laws of it."""

import pytest
import torch
from torch import nn

from figureground.base.errors import LayerError
from figureground.methods import Explainer, ShapleyCAM

IMAGES = torch.rand(2, 3, 7, 6, generator=torch.Generator().manual_seed(0))


def network(kind: str) -> nn.Sequential:
    """A pooled linear head, one with a curved unit above it, one logit, or a head without curvature of its own."""
    torch.random.manual_seed(1)
    above: dict[str, list[nn.Module]] = {
        "pooled": [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)],
        "curved": [nn.Flatten(), nn.Linear(100, 6), nn.Tanh(), nn.Linear(6, 4)],
        "one-logit": [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 1)],
        "piecewise": [nn.Flatten(), nn.Linear(100, 6), nn.ReLU(), nn.Linear(6, 4)],
    }
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), *above[kind])


def evidence(logits: torch.Tensor, index: int) -> torch.Tensor:
    """``y + log p`` of one image; of one logit, whose other class has 0, by its two classes."""
    both = torch.stack([0 * logits[0], logits[0]]) if len(logits) == 1 else logits
    own = logits[index] if len(logits) > 1 else (2 * index - 1) * logits[0]
    return own + both.log_softmax(0)[index]


def twin(net: nn.Sequential, image: torch.Tensor, index: int) -> torch.Tensor:
    """Every entry of the Hessian, in float64."""
    double = net.double()
    maps = double[:2](image[None].double()).detach()

    def of(flat: torch.Tensor) -> torch.Tensor:
        return evidence(double[2:](flat.view_as(maps))[0], index)

    flat = maps.flatten()
    gradient = torch.autograd.functional.jacobian(of, flat)
    hessian = torch.autograd.functional.hessian(of, flat)
    change = (gradient - hessian @ flat / 2).view_as(maps)[0]
    net.float()
    return (change.mean((1, 2))[:, None, None] * maps[0]).sum(0).relu().float()


@pytest.mark.parametrize("kind", ["pooled", "curved", "one-logit", "piecewise"])
def test_equals_the_whole_hessian(kind):
    net = network(kind)
    classes = [1, 0] if kind == "one-logit" else [2, 0, 3]
    found = Explainer(net, layer="1")(IMAGES, classes=classes, methods="shapley-cam").map_of(
        "shapley-cam"
    )
    assert found.any()
    for at, image in enumerate(IMAGES):
        for k, index in enumerate(classes):
            torch.testing.assert_close(found[at, k], twin(net, image, index), rtol=1e-4, atol=1e-6)


def test_a_target_without_curvature_on_a_network_without_any_gives_grad_cam():
    for kind in ("pooled", "piecewise"):
        explainer = Explainer(network(kind), layer="1")
        found = explainer(IMAGES, classes=lambda y: y[:, 2], methods=["shapley-cam", "grad-cam"])
        torch.testing.assert_close(found.map_of("shapley-cam"), found.map_of("grad-cam"))


def test_several_layers_are_those_of_each_alone():
    net = network("curved")
    together = Explainer(net, layer=["0", "1"])(IMAGES, methods="shapley-cam").maps["shapley-cam"]
    assert isinstance(together, dict)
    for layer in ("0", "1"):
        alone = Explainer(net, layer=layer)(IMAGES, methods="shapley-cam").map_of("shapley-cam")
        torch.testing.assert_close(together[layer], alone)


def test_attention_above_the_layer_is_differentiated_twice():
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.random.manual_seed(1)
            self.patch, self.norm, self.head = nn.Conv2d(3, 8, 2, 2), nn.Identity(), nn.Linear(8, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = self.norm(self.patch(images))
            tokens = maps.flatten(2).mT
            seen = torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
            return self.head(seen.mean(1))

    images = torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    found = Explainer(Attending(), layer="norm")(images, methods="shapley-cam")
    assert found.map_of("shapley-cam").isfinite().all()


def test_what_cannot_be_differentiated_twice_is_refused():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            ctx.save_for_backward(values)
            return values.tanh()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, gradient):
            (values,) = ctx.saved_tensors
            return gradient * (1 - values.tanh() ** 2)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 5, 3), nn.Linear(5, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(Once.apply(self.conv(images)).mean((2, 3)))

    with pytest.raises(LayerError, match="above conv cannot be differentiated twice"):
        Explainer(Net(), layer="conv")(IMAGES, methods="shapley-cam")


def test_facts():
    assert ShapleyCAM.class_specific
    assert ShapleyCAM().needs == {"gradients", "second-derivative"}
