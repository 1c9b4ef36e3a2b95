"""The part above a layer against the whole network with the layer's output exchanged by a hook."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from figureground.base.errors import LayerError
from figureground.capture import Above, LayerChoice, run_once
from figureground.capture.grid import first_tensor, with_first_tensor
from figureground.capture.naming import named_run


def exchanged(net: nn.Module, image: Tensor, layer: LayerChoice, maps: Tensor) -> Tensor:
    """The slow twin: the whole network for every map, one after the other."""
    name, wanted = named_run(layer.name)
    last, rows = wanted or counted(net, image, name), []
    assert layer.grid is not None
    for one in maps:
        runs: list[int] = []

        def put(_m: nn.Module, _i: Any, out: Any, one: Tensor = one, runs: list[int] = runs) -> Any:
            runs.append(1)
            raw = first_tensor(out)
            assert raw is not None
            assert layer.grid is not None
            if len(runs) != last:
                return None
            return with_first_tensor(out, layer.grid.from_grid(one[None], raw))

        handle = net.get_submodule(name).register_forward_hook(put)
        with torch.no_grad():
            rows.append(net.eval()(image.clone()))
        handle.remove()
    return torch.cat(rows)


def counted(net: nn.Module, image: Tensor, name: str) -> int:
    runs: list[int] = []
    handle = net.get_submodule(name).register_forward_hook(lambda *_: runs.append(1))
    with torch.no_grad():
        net.eval()(image.clone())
    handle.remove()
    return len(runs)


class Shared(nn.Module):
    """One ReLU for all, which writes in place, and a skip around the layer."""

    def __init__(self, *, in_place: bool = True) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.Conv2d(4, 4, 1),
            nn.Conv2d(4, 4, 1),
        )
        self.relu, self.head = nn.ReLU(inplace=in_place), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        low = self.relu(self.a(x))
        mid = self.relu(self.b(low))
        top = torch.cat([self.relu(self.c(mid)), low], 1)
        return self.head(top.amax((2, 3)))


class InPlaceGlue(nn.Module):
    """Writes into what lies around the layer, so that nothing can be shared by the maps."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        low = self.a(x)
        return self.head((self.b(low) + low.add_(1)).relu().amax((2, 3)))


class Twice(nn.Module):
    """Runs its backbone on the image and on its mirror image."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = nn.Conv2d(3, 4, 3), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.backbone(x).tanh(), self.backbone(x.flip(3) * 2).tanh()], 1)
        return self.head(both.amax((2, 3)))


class Listed(nn.Module):
    """Refuses more than one image at a time, as detectors with lists of images do."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        assert len(x) == 1
        low = self.a(x)
        assert len(low) == 1
        return self.head(low.relu().amax((2, 3)))


class ListedInPlace(Listed):
    """The same, and writes into what it gave to the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        low = self.a(x)
        top = self.b(low) + low.add_(1)
        assert len(top) == 1
        return self.head(top.relu().amax((2, 3)))


class Counting(nn.Module):
    """Uses the numbers of the whole image, and the number of images, above the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.a(x).relu().amax((2, 3))) * x.mean((1, 2, 3))[:, None]


def make_vit() -> nn.Module:
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=(48, 32), depth=2, num_classes=5, reg_tokens=2
    )


def make_swin() -> nn.Module:
    return timm.create_model("swin_tiny_patch4_window7_224", img_size=(64, 32), num_classes=5)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "sequential": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()),
        "0",
        "pixel",
    ),
    "resnet": (lambda: torchvision.models.resnet18(num_classes=5), "layer4.1.conv1", "pixel"),
    "early": (lambda: torchvision.models.resnet18(num_classes=5), "layer2", "pixel"),
    "densenet": (
        lambda: torchvision.models.densenet121(num_classes=5),
        "features.denseblock3.denselayer2.conv1",
        "pixel",
    ),
    "transformer": (make_vit, "blocks.0", "pixel"),
    "windows": (make_swin, "layers.1.blocks.0", "pixel"),
    "skip around": (Shared, "c", "pixel"),
    "first of two": (Twice, "backbone@1", "memo"),
    "last of two": (Twice, "backbone", "pixel"),
    "written in place": (InPlaceGlue, "b", "broadcast"),
    "one at a time": (Listed, "a", "single"),
    "one at a time, in place": (ListedInPlace, "b", "single"),
    "image used above": (Counting, "a", "memo"),
}


def prepared(name: str) -> tuple[nn.Module, Tensor, LayerChoice, Tensor, str]:
    make, layer, way = NETWORKS[name]
    torch.random.manual_seed(0)
    net = make()
    image = torch.rand(1, 3, 48 if name == "transformer" else 64, 32)
    run = run_once(net, image, [LayerChoice(layer, "")])
    own = run.grids[layer].to_grid(run.raw[layer])
    maps = own * torch.rand(3, 1, *own.shape[2:])
    return net, image, LayerChoice(layer, "", run.grids[layer]), maps, way


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_the_whole_network_with_the_maps_in_it(name: str):
    net, image, layer, maps, _ = prepared(name)
    wanted = exchanged(net, image, layer, maps)
    above, kept = Above(net.train(), image, layer), maps.clone()
    torch.testing.assert_close(above.logits(maps), wanted, rtol=1e-4, atol=1e-5)
    assert torch.equal(maps, kept)
    one_by_one = torch.cat([above.logits(one) for one in maps.split(1)])
    torch.testing.assert_close(one_by_one, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(above.logits(maps.clone(), keep=False), wanted, rtol=1e-4, atol=1e-5)
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_way_is_the_cheapest_that_this_network_can_go(name: str):
    net, image, layer, _, way = prepared(name)
    assert Above(net, image, layer).way == way


@pytest.mark.parametrize("way", ["pixel", "memo", "broadcast", "single", "full"])
def test_every_way_gives_the_same(way: str):
    net, image, layer, maps, _ = prepared("resnet")
    above = Above(net, image, layer)
    wanted = above.logits(maps)
    above.way = way  # type: ignore[assignment]
    torch.testing.assert_close(above.logits(maps), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["first of two", "last of two"])
def test_the_run_that_is_meant_is_exchanged_also_where_all_runs_again(name: str):
    net, image, layer, maps, _ = prepared(name)
    above = Above(net, image, layer)
    above.way = "full"
    wanted = exchanged(net, image, layer, maps)
    torch.testing.assert_close(above.logits(maps), wanted, rtol=1e-4, atol=1e-5)


def test_what_lies_below_does_not_run_again():
    net, image, layer, maps, _ = prepared("resnet")
    above = Above(net, image, layer)
    ran: list[str] = []
    for name, module in net.named_modules():
        real = type(module).forward

        def noted(self: nn.Module, *given: Any, _name: str = name, _real: Any = real) -> Any:
            ran.append(_name)
            return _real(self, *given)

        vars(module)["forward"] = noted.__get__(module)
    above.logits(maps)
    below = [
        n for n in ran if n.startswith(("conv1", "bn1", "layer1", "layer2", "layer3", "layer4.0"))
    ]
    assert below == []
    assert {"layer4.1.bn1", "fc"} <= set(ran)


def attributes(net: nn.Module) -> list[set[str]]:
    return [set(vars(module)) for module in net.modules()]


def test_the_network_is_as_before_also_after_an_exception():
    net, image, layer, maps, _ = prepared("resnet")
    before, above = attributes(net), Above(net, image, layer)
    with pytest.raises(RuntimeError, match="running_mean"):
        above.logits(torch.rand(2, 7, 2, 1))
    assert attributes(net) == before
    assert not any(module._forward_hooks for module in net.modules())
    above.logits(maps)
    assert attributes(net) == before


def test_a_forward_that_somebody_set_is_kept():
    net, image, layer, maps, _ = prepared("resnet")
    block = net.get_submodule("layer1")
    wanted, real = Above(net, image, layer).logits(maps), block.forward
    seen: list[int] = []

    def mine(x: Tensor) -> Tensor:
        seen.append(len(x))
        return real(x)

    block.forward = mine
    torch.testing.assert_close(Above(net, image, layer).logits(maps), wanted)
    assert block.forward is mine
    assert seen == [1]


def test_threads_do_not_disturb_one_another():
    net, image, layer, maps, _ = prepared("resnet")
    net.eval()
    wanted, before = Above(net, image, layer).logits(maps), attributes(net)
    with torch.no_grad():
        plain = net(image)
    same: list[bool] = []

    def replay() -> None:
        for _ in range(8):
            logits = Above(net, image, layer).logits(maps)
            same.append(torch.allclose(logits, wanted, atol=1e-5))

    def run() -> None:
        for _ in range(16):
            with torch.no_grad():
                same.append(torch.allclose(net(image), plain, atol=1e-5))

    threads = [threading.Thread(target=job) for job in (replay, replay, run)]
    for step in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            step(thread)
    assert same == [True] * 32
    assert attributes(net) == before


def test_a_layer_that_is_not_reached_is_refused():
    net, image, layer, _, _ = prepared("sequential")
    aside = nn.ModuleDict({"net": net, "aside": nn.Conv2d(3, 4, 3)})
    aside.forward = aside["net"].forward
    with pytest.raises(LayerError, match="'aside' was not reached"):
        Above(aside, image, LayerChoice("aside", "", layer.grid))


def test_numbers_that_are_none_do_not_matter():
    net, image, layer, maps, _ = prepared("resnet")
    above = Above(net, image * torch.nan, layer)
    assert above.way == "pixel"
    assert above.logits(maps[:2] * torch.nan).isnan().all()
