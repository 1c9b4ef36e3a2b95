"""Whatever state the network and the caller are in, the maps are those of the plain network."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
import torchvision
from torch import Tensor, nn

from figureground.base.errors import ModelError, ShapeError
from figureground.methods import Explainer

METHODS = ["grad-cam", "hires-cam", "eigen-cam"]


class Network(nn.Module):
    """A small classifier that is not linear above its last map; ``wrap`` shapes what it returns."""

    def __init__(self, wrap: Any = None) -> None:
        super().__init__()
        self.features: Any
        torch.random.manual_seed(0)
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Tanh()
        )
        self.head = nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 5))
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        logits = self.head(self.features(x).mean((2, 3)))
        return logits if self.wrap is None else self.wrap(logits)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, 10, 8, generator=torch.Generator().manual_seed(0))


def maps_of(net: nn.Module, images: Tensor, **options: Any) -> Tensor:
    """All maps of two classes in one tensor."""
    result = Explainer(net, **options)(images, classes=[1, 4], methods=METHODS)
    return torch.cat([result.map_of(name) for name in METHODS], 1)


def assert_same(net: nn.Module, images: Tensor, **options: Any) -> None:
    """Maps equal those of the plain network."""
    torch.testing.assert_close(maps_of(net, images, **options), maps_of(Network(), images))


@pytest.mark.parametrize("layer", ["0", "1"])
def test_relu_in_place_after_the_layer(layer, images):
    nets = []
    for inplace in (True, False):
        torch.random.manual_seed(0)
        nets.append(
            nn.Sequential(
                nn.Conv2d(3, 4, 3),
                nn.BatchNorm2d(4),
                nn.ReLU(inplace=inplace),
                nn.Conv2d(4, 6, 3),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(6, 5),
            )
        )
    one, other = (maps_of(net, images, layer=layer) for net in nets)
    torch.testing.assert_close(one, other)


def test_functional_relu_in_place_after_densenet_features():
    torch.random.manual_seed(0)
    net = torchvision.models.DenseNet(8, (2, 2), 16, num_classes=5).eval()
    images = torch.rand(2, 3, 96, 64)
    result = Explainer(net)(images, classes=[1], methods=["hires-cam", "cam"])
    assert result.layers[0].name == "features"
    with torch.no_grad():
        features = net.features(images)
    row = net.classifier.weight[1].detach()
    expected = torch.einsum("c,nchw->nhw", row, features.relu())
    torch.testing.assert_close(result.map_of("cam")[:, 0], expected)
    torch.testing.assert_close(result.map_of("hires-cam")[:, 0] * 96, expected)


def test_in_place_relus_inside_mnasnet():
    torch.random.manual_seed(0)
    net = torchvision.models.mnasnet0_5(num_classes=5)
    with torch.no_grad():
        net.eval()
        found = Explainer(net, layer="layers.14")(torch.rand(2, 3, 96, 64), methods="eigen-cam")
    assert found.map_of("eigen-cam").shape == (2, 1, 3, 2)
    assert found.layers[0].grid is not None


def test_module_called_twice_counts_with_its_last_call(images):
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.random.manual_seed(0)
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.head = nn.Linear(3, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(self.conv(x).relu()).tanh().mean((2, 3)))

    net = Twice()
    maps = Explainer(net, layer="conv")(images, classes=2, methods="hires-cam").map_of("hires-cam")
    last = net.conv(net.conv(images).relu()).detach().requires_grad_()
    slope = torch.autograd.grad(net.head(last.tanh().mean((2, 3)))[:, 2].sum(), last)[0]
    torch.testing.assert_close(maps[:, 0], (slope * last).sum(1).detach())


def test_frozen_parameters(images):
    net = Network().requires_grad_(requires_grad=False)
    assert_same(net, images)


def test_caller_within_no_grad(images):
    with torch.no_grad():
        assert_same(Network(), images)
        assert not torch.is_grad_enabled()


def test_caller_within_inference_mode_with_images_made_there(images):
    net = Network()
    expected = maps_of(net, images)
    with torch.inference_mode():
        made = images * 1
        assert made.is_inference()
        result = Explainer(net)(made, classes=[1, 4], methods="grad-cam")
        assert torch.is_inference_mode_enabled()
    torch.testing.assert_close(result.map_of("grad-cam"), expected[:, :2])
    assert not result.map_of("grad-cam").is_inference()


def test_training_mode_is_not_used_and_comes_back(images):
    net = Network().train()
    net.features[1].eval()
    before = [module.training for module in net.modules()]
    assert_same(net, images)
    assert [module.training for module in net.modules()] == before
    assert int(net.features[1].num_batches_tracked) == 0


@dataclass
class Output:
    """Like a transformers output."""

    loss: None
    logits: Tensor


class Named(NamedTuple):
    """Like a torchvision output."""

    logits: Tensor
    aux: None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: (y, y[:, :, None, None].expand(-1, -1, 2, 2)),
        lambda y: [y],
        lambda y: {"aux": y * 0, "logits": y},
        lambda y: OrderedDict(out=y),
        lambda y: Output(None, y),
        lambda y: Named(y, None),
        lambda y: SimpleNamespace(logits=y),
        lambda y: y[:, :, None, None],
    ],
)
def test_outputs_that_are_no_plain_logits(wrap, images):
    assert_same(Network(wrap), images)


def test_other_outputs_are_found_by_the_caller_s_function(images):
    net = Network(lambda y: {"x": {"aux": y * 0, "y": y}})
    assert_same(net, images, output=lambda out: out["x"]["y"])
    two = Network(lambda y: (y, y * 0))
    assert_same(two, images, output=lambda out: out[0])
    with pytest.raises(ModelError, match=r"cannot tell the logits.*tuple: \[0\] \(1, 5\)"):
        Explainer(two)(images)
    with pytest.raises(ModelError, match=r"cannot tell the logits.*str: no tensors"):
        Explainer(Network(lambda _: "nothing"))(images)
    with pytest.raises(ModelError, match=r"logits are floats \(N, L\).*\(1, 5, 2\)"):
        Explainer(Network(lambda y: torch.stack([y, y], 2)))(images)


class Structured(nn.Module):
    """A layer whose output holds the map among other things."""

    def __init__(self, wrap: Any, unwrap: Any) -> None:
        super().__init__()
        self.wrap, self.unwrap = wrap, unwrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(x)


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda x: (None, x), lambda out: out[1]),
        (lambda x: {"a": x}, lambda out: out["a"]),
        (lambda x: Output(None, x), lambda out: out.logits),
        (lambda x: Named(x, None), lambda out: out.logits),
    ],
)
def test_layers_that_return_structures(wrap, unwrap, images):
    net = Network()
    layer = Structured(wrap, unwrap)

    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.layer = net, layer

        def forward(self, x: Tensor) -> Tensor:
            features = unwrap(self.layer(self.net.features(x)))
            return self.net.head(features.mean((2, 3)))

    assert_same(Around(), images, layer="layer")
    assert replace(Output(None, images), loss=None).logits is images


@pytest.mark.parametrize("flat", [True, False])
def test_one_logit_has_a_negative_class(flat, images):
    class Binary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Network()

        def forward(self, x: Tensor) -> Tensor:
            logits = self.net(x)[:, :1]
            return logits[:, 0] if flat else logits

    result = Explainer(Binary())(images, classes=[0, 1], methods="hires-cam")
    maps = result.map_of("hires-cam")
    torch.testing.assert_close(maps[:, 0], -maps[:, 1])
    expected = Explainer(Network())(images, classes=0, methods="hires-cam").map_of("hires-cam")
    torch.testing.assert_close(maps[:, 1], expected[:, 0])
    torch.testing.assert_close(result.scores[:, 1], result.logits[:, 0])
    assert result.probabilities.shape == (3, 1)


def test_a_class_of_its_own_for_each_image(images):
    explainer = Explainer(Network())
    classes = torch.tensor([[4, 0], [2, 1], [3, 3]])
    batch = explainer(images, classes=classes, methods="hires-cam").map_of("hires-cam")
    for n in range(3):
        alone = explainer(images[n : n + 1], classes=classes[n].tolist(), methods="hires-cam")
        torch.testing.assert_close(alone.map_of("hires-cam")[0], batch[n])


def test_channels_last(images):
    net = Network().to(memory_format=torch.channels_last)
    given = images.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        maps_of(net, given), maps_of(Network(), images), rtol=1e-4, atol=1e-6
    )


def test_backbone_that_switches_gradients_off(images):
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Network()

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                features = self.net.features(x)
            return self.net.head(features.mean((2, 3)))

    assert_same(Frozen(), images)
    assert_same(Frozen().requires_grad_(requires_grad=False), images)


def test_forward_that_switches_gradients_off(images):
    class Decorated(Network):
        @torch.no_grad()
        def forward(self, x: Tensor) -> Any:
            return super().forward(x)

    assert_same(Decorated(), images)


def test_parameters_and_images_that_are_no_images(images):
    explainer = Explainer(Network())
    for bad in (images[0], images.byte(), images[:0]):
        with pytest.raises(ShapeError, match="images are"):
            explainer(bad)
