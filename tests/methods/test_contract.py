"""What every entry of the registry keeps, whatever it computes."""

import gc
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from figureground.base.paper import Paper
from figureground.methods import METHODS, CamMethod, Explainer, plan

SHARED_BY_THE_BATCH = {"dff"}  # its concepts are found in all images together
ATTENTION = [
    name for name, entry in METHODS.items() if entry.needs & {"attention", "attention-gradients"}
]
every_method = pytest.mark.parametrize("name", METHODS)


def network(name: str = "") -> nn.Sequential:
    """A small network with what goes wrong most: in-place ReLU, batch norm, dropout, modes that differ."""
    torch.random.manual_seed(0)
    if name in ATTENTION:
        return transformer()
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(8, 5),
    )
    net.train()
    net[1].eval()
    return net


def transformer() -> nn.Sequential:
    """Its like for methods that need attention: two blocks on 4×3 patches, of which an average is classified."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=3),
        nn.Flatten(2),
        Transposed(),
        encoder,
        Transposed(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(8, 5),
    )
    with torch.no_grad():  # as the blocks of an encoder begin alike, and with narrow weights
        for weight in net.parameters():
            weight.normal_()
    net.train()
    encoder.layers[1].eval()
    return net


class Transposed(nn.Module):
    """Channels and tokens change places."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.transpose(1, 2)


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 12, 9, generator=torch.Generator().manual_seed(1))


def state(net: nn.Module) -> list[object]:
    """Everything about a network that somebody might find changed."""
    hooks = [len(v) for m in net.modules() for k, v in vars(m).items() if k.endswith("_hooks")]
    flags = [p.requires_grad for p in net.parameters()]
    grads = [p.grad if p.grad is None else p.grad.clone() for p in net.parameters()]
    values = {k: v.clone() for k, v in net.state_dict().items()}
    return [[m.training for m in net.modules()], hooks, flags, grads, values, set(vars(net))]


def same(one: object, other: object) -> bool:
    """Equality that looks into tensors."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


@every_method
def test_description_is_there(name: str):
    kind = METHODS[name].load()
    assert issubclass(kind, CamMethod)
    assert kind.name == name
    assert kind.title
    assert isinstance(kind.paper, Paper)
    assert kind.paper.title
    assert 2010 < kind.paper.year < 2100
    assert kind.__doc__


@every_method
def test_maps_are_float32_finite_and_say_something(name: str):
    result = Explainer(network(name))(images(), classes=[1, 4], methods=name)
    maps = result.map_of(name)
    assert maps.dtype == torch.float32
    assert maps.shape[0] == 3
    assert maps.shape[1] == (2 if METHODS[name].class_specific else maps.shape[1])
    size = (4, 3) if name in ATTENTION else (8, 5) if METHODS[name].per_layer else (12, 9)
    assert tuple(maps.shape[2:]) == size
    assert maps.isfinite().all()
    assert maps.any()
    assert not maps.requires_grad
    assert METHODS[name].signed or "eigen" in name or name == "kpca-cam" or (maps >= 0).all()


@pytest.mark.parametrize("name", [n for n, entry in METHODS.items() if entry.class_specific])
def test_classes_are_each_alone_in_any_order_and_in_parts(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    explainer = Explainer(network(name))
    together = explainer(images(), classes=[1, 4, 0], methods=name).map_of(name)
    turned = explainer(images(), classes=[0, 1, 4], methods=name).map_of(name)
    torch.testing.assert_close(turned[:, [1, 2, 0]], together, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(plan, "_MOST_NUMBERS", 1)
    in_parts = explainer(images(), classes=[1, 4, 0], methods=name)
    torch.testing.assert_close(in_parts.map_of(name), together, rtol=1e-4, atol=1e-6)
    alone = explainer(images(), classes=[4], methods=name).map_of(name)
    torch.testing.assert_close(alone[:, 0], together[:, 1], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(together[:, 0], together[:, 1])


@every_method
def test_two_calls_give_the_same(name: str):
    explainer = Explainer(network(name))
    first, second = (explainer(images(), classes=[1], methods=name).map_of(name) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in SHARED_BY_THE_BATCH])
def test_an_image_is_explained_alike_alone_and_in_a_batch(name: str):
    explainer = Explainer(network(name))
    classes = torch.tensor([4, 0, 2])
    batch = explainer(images(), classes=classes, methods=name).map_of(name)
    for n in range(3):
        alone = explainer(images()[n : n + 1], classes=classes[n : n + 1], methods=name).map_of(
            name
        )
        torch.testing.assert_close(alone[0], batch[n], rtol=1e-4, atol=1e-6)


@every_method
def test_network_and_images_are_left_as_found(name: str):
    net = network(name)
    net(images()).sum().backward()  # a caller's gradients
    net[8].bias.requires_grad = False
    given = images()
    before, kept, grad = deepcopy(state(net)), given.clone(), torch.is_grad_enabled()
    Explainer(net)(given, classes="top2", methods=name)
    assert same(state(net), before)
    assert torch.equal(given, kept)
    assert torch.is_grad_enabled() is grad


@every_method
def test_nothing_of_a_call_stays_alive(name: str):
    net, given = network(name), images()
    explainer = Explainer(net)

    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    gc.freeze()  # what other tests left is not looked through
    try:
        explainer(given, classes=[1], methods=name)
        before = alive()
        for _ in range(3):
            explainer(given, classes=[1], methods=name)
        assert alive() <= before
    finally:
        gc.unfreeze()


@every_method
def test_runs_within_inference_mode(name: str):
    expected = Explainer(network(name))(images(), classes=[1], methods=name).map_of(name)
    net = network(name)
    with torch.inference_mode():
        given = images() * 1
        result = Explainer(net)(given, classes=[1], methods=name)
    assert given.is_inference()
    torch.testing.assert_close(result.map_of(name), expected)


@every_method
def test_runs_under_bf16_autocast(name: str):
    expected = Explainer(network(name))(images(), classes=[1], methods=name).map_of(name)
    maps = Explainer(network(name), precision="bf16")(images(), classes=[1], methods=name).map_of(
        name
    )
    assert maps.dtype == torch.float32
    if name == "full-grad":  # a rectifier that rounding opens or closes changes single pixels
        assert (maps - expected).abs().mean() < 0.1 * expected.abs().mean()
    # one picks places, which may be others after rounding; the other takes differences of
    # probabilities, which an untrained network hardly changes
    elif name not in {"cnn-fixations", "group-cam"}:
        assert (maps - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.parametrize("names", [[n for n in METHODS if n not in ATTENTION], ATTENTION])
def test_all_methods_at_once_are_each_alone(names: list[str]):
    explainer = Explainer(network(names[0]))
    result = explainer(images(), classes=[1, 4], methods=names)
    assert list(result.maps) == names
    for name in names:
        alone = explainer(images(), classes=[1, 4], methods=name).map_of(name)
        torch.testing.assert_close(result.map_of(name), alone, rtol=1e-4, atol=1e-6)
