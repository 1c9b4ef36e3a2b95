"""Wrapped, compiled, autocast and shared networks are explained like the plain one."""

import os
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._dynamo import eval_frame

from figureground.base.errors import LayerError, ModelError
from figureground.methods import Explainer


def network() -> Any:
    torch.random.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 7),
        nn.Tanh(),
        nn.Dropout(0.5),
        nn.Linear(7, 5),
    )


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 10, 8, generator=torch.Generator().manual_seed(0))


def maps_of(net: nn.Module, images: Tensor, index: int = 3) -> Tensor:
    return Explainer(net)(images, classes=index, methods="hires-cam").map_of("hires-cam")


@pytest.fixture
def group() -> Iterator[None]:
    """A process group of one."""
    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_data_parallel(images):
    net = network()
    torch.testing.assert_close(maps_of(nn.DataParallel(net), images), maps_of(net, images))


def test_distributed_data_parallel(images, group):
    net = network()
    wrapped = nn.parallel.DistributedDataParallel(net)
    torch.testing.assert_close(maps_of(wrapped, images), maps_of(net, images))


def test_compiled_wrapper(images):
    net = network()
    compiled: Any = torch.compile(net, backend="eager")
    compiled(images)
    torch.testing.assert_close(maps_of(compiled, images), maps_of(network(), images))


def test_model_compiled_in_place(images):
    net = network()
    net.compile(backend="eager")
    net.eval()
    net(images)
    torch.testing.assert_close(maps_of(net, images), maps_of(network(), images))
    torch.testing.assert_close(net(images), network().eval()(images))


def test_compiled_part_of_a_model(images):
    net = network()
    net.eval()
    part: Any = torch.compile(net[:4], backend="eager")
    outer = nn.Sequential(part, *net[4:])
    outer(images)
    torch.testing.assert_close(maps_of(outer, images), maps_of(network(), images))


def test_compiler_is_as_found_after_overlapping_borrowers(images):
    net = network()
    net.compile(backend="eager")
    expected = maps_of(network(), images)
    found: list[Tensor] = []
    threads = [
        threading.Thread(target=lambda: found.append(maps_of(net, images))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for maps in found:
        torch.testing.assert_close(maps, expected)
    assert eval_frame._stance.stance == "default"


def test_callers_autocast_gives_float32_maps_close_to_the_exact_ones(images):
    expected = maps_of(network(), images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = maps_of(network(), images)
        assert torch.is_autocast_enabled("cpu")
    assert maps.dtype == torch.float32
    assert not torch.equal(maps, expected)
    assert (maps - expected).abs().max() < 0.05 * expected.abs().max()


def test_precision_is_ours_to_choose(images):
    net = network()
    exact = maps_of(net, images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kept = Explainer(net, precision="fp32")(images, classes=3, methods="hires-cam")
    torch.testing.assert_close(kept.map_of("hires-cam"), exact)
    low = Explainer(net, precision="bf16")(images, classes=3, methods="hires-cam")
    assert low.logits.dtype == torch.float32
    assert not torch.equal(low.map_of("hires-cam"), exact)
    assert (low.map_of("hires-cam") - exact).abs().max() < 0.05 * exact.abs().max()


def test_a_training_step_under_autocast_keeps_its_gradients(images):
    net = network()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        Explainer(net)(images, classes=3, methods=["hires-cam", "dff"])
        net(images).float().square().sum().backward()
    for parameter in net.parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()


def test_autocast_keeps_no_converted_weights_of_ours(images):
    net, seen = network(), []
    net[0].register_forward_hook(lambda *_: seen.append(torch.is_autocast_cache_enabled()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        Explainer(net)(images)
        assert torch.is_autocast_cache_enabled()
    assert set(seen) == {False}


def test_weights_in_half_precision(images):
    expected = maps_of(network(), images)
    maps = maps_of(network().bfloat16(), images.bfloat16())
    assert maps.dtype == torch.float32
    assert (maps - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_torchscript_is_refused(images):
    with torch.no_grad():
        scripted = torch.jit.trace(network().eval(), images, check_trace=False)
    with pytest.raises(ModelError, match=r"TorchScript.*give the nn.Module it was made from"):
        Explainer(scripted)


class Fails(nn.Module):
    """A module that fails when told to."""

    error: type[Exception] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.error is not None:
            raise self.error("on purpose")
        return x


@pytest.mark.parametrize("error", [RuntimeError, ZeroDivisionError, KeyboardInterrupt])
def test_an_exception_in_the_middle_leaves_everything_as_found(images, error):
    net = network().train()
    net.insert(3, Fails())
    net[0].eval()
    explainer = Explainer(net)
    explainer(images)
    net[3].error = error
    modes = [module.training for module in net.modules()]
    with pytest.raises((ModelError, error)):
        explainer(images)
    assert [module.training for module in net.modules()] == modes
    assert not any(module._forward_hooks for module in net.modules())
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    net[3].error = None
    torch.testing.assert_close(
        explainer(images, classes=3, methods="hires-cam").map_of("hires-cam"),
        maps_of(network(), images),
    )


def test_threads_with_classes_of_their_own_share_a_model(images):
    net = network().train()
    net[1].eval()
    modes = [module.training for module in net.modules()]
    expected = {index: maps_of(network(), images, index) for index in range(4)}
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(15):
            maps = maps_of(net, images, index)
            wrong.extend([] if torch.allclose(maps, expected[index], atol=1e-6) else [index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [module.training for module in net.modules()] == modes
    assert not any(module._forward_hooks for module in net.modules())


def resident() -> int:
    """Memory of this process in bytes."""
    with pathlib.Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(
    not pathlib.Path("/proc/self/statm").exists(), reason="memory is read from /proc"
)
def test_thousands_of_calls_do_not_grow():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )
    images = torch.rand(1, 3, 64, 48)
    explainer = Explainer(net)
    before = 0
    for call in range(2000):
        explainer(images, classes=[1], methods=["hires-cam", "eigen-cam"])
        before = resident() if call == 200 else before
    # one kept batch of activations and images a call would be 300 MB
    assert resident() - before < 20e6
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("4", r"layer '4' gives \(2, 6, 1, 1\), which has no positions.*0, 1, 2, 3"),
        ("9", r"layer '9' gives \(2, 5\), which has no positions.*0, 1, 2, 3"),
        ("10", r"layer '10' was not reached.*0, 1, 2, 3"),
    ],
)
def test_a_wrong_layer_is_refused_with_those_that_would_do(images, layer, message):
    net = network()

    class Around(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            for module in list(self)[:10]:
                x = module(x)
            return x

    with pytest.raises(LayerError, match=message):
        Explainer(Around(*net, nn.Conv2d(5, 5, 1)), layer=layer)(images)


def test_a_network_without_positions_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 6, 7), nn.ReLU(), nn.Linear(7, 5))
    with pytest.raises(LayerError, match=r"no layer of Sequential has more than one position.*8×6"):
        Explainer(net)(torch.rand(2, 3, 8, 6))
