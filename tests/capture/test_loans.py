"""The network as it was found: modes, buffers and hooks, whoever shares it and whenever it is interrupted."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.ao.quantization import FakeQuantize, MinMaxObserver
from torch.nn.utils.parametrizations import spectral_norm

from figureground.base.errors import ModelError
from figureground.base.seeds import seed_everything
from figureground.capture.untouched import borrowed, listening
from figureground.methods import Explainer

METHODS = ("cam", "grad-cam", "eigen-cam")


class Network(nn.Module):
    """Four logits of a pooled convolution."""

    def __init__(self, body: nn.Module, head: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(8, 4) if head is None else head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images).mean((2, 3)))


class Counter(nn.Module):
    """Writes one buffer in place and puts another tensor in the place of a second at every call."""

    calls: torch.Tensor
    last: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("last", torch.zeros(2))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.last = values.detach().mean((0, 2, 3))
        return values


def body(*more: nn.Module) -> nn.Sequential:
    first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    return nn.Sequential(first, nn.BatchNorm2d(8), *more, nn.ReLU())


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(0))


@contextmanager
def unchanged(network: nn.Module) -> Iterator[None]:
    """Fails unless modes, buffers (the very tensors), parameters and hooks are afterwards what they were."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    numbers = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    modes = [module.training for module in network.modules()]
    yield
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())
    now = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    assert all(now[name] is tensor for name, tensor in tensors.items())
    for name, tensor in now.items():
        torch.testing.assert_close(tensor, numbers[name], rtol=0, atol=0, equal_nan=True, msg=name)


@pytest.mark.parametrize(
    "made",
    [
        lambda: Network(body(), spectral_norm(nn.Linear(8, 4))),
        lambda: Network(body(), torch.nn.utils.spectral_norm(nn.Linear(8, 4))),
        lambda: Network(body(Counter())),
        lambda: Network(body(FakeQuantize(MinMaxObserver))),
        lambda: Network(body(nn.Dropout(0.5))),
    ],
    ids=["spectral norm", "old spectral norm", "written buffers", "observer", "dropout"],
)
@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_left_as_found(
    made: Callable[[], nn.Module], images: torch.Tensor, training: bool
):
    seed_everything(4)  # with these weights every map has something above zero
    network = made().train(training)
    with unchanged(network):
        found = Explainer(network)(images, methods=list(METHODS))
    assert found.problems == ()


def test_maps_of_a_parametrised_head_are_those_of_evaluation_mode(images: torch.Tensor):
    network = Network(body(), spectral_norm(nn.Linear(8, 4)))
    wanted = Explainer(network.eval())(images, [1], "cam").map_of("cam")
    found = Explainer(network.train())(images, [1], "cam").map_of("cam")
    torch.testing.assert_close(found, wanted)


def test_networks_that_share_modules_can_be_explained_by_several_threads(images: torch.Tensor):
    shared = body(nn.Dropout(0.5))
    networks = [Network(shared), Network(shared)]
    wanted = [Explainer(one)(images, [0], "grad-cam").map_of("grad-cam") for one in networks]
    wrong = []

    def explain(at: int) -> None:
        explainer = Explainer(networks[at])
        for _ in range(40):
            found = explainer(images, [0], "grad-cam").map_of("grad-cam")
            if not torch.allclose(found, wanted[at], atol=1e-6):
                wrong.append(at)

    networks[0].train()
    networks[1].train()
    with unchanged(networks[0]), unchanged(networks[1]):
        threads = [threading.Thread(target=explain, args=(at % 2,)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_network_that_another_thread_trains_is_in_evaluation_mode_meanwhile():
    network = Network(body())
    inside, seen = threading.Event(), threading.Event()

    def look() -> None:
        with borrowed(network):
            inside.set()
            assert seen.wait(120)

    thread = threading.Thread(target=look)
    thread.start()
    assert inside.wait(120)
    modes = {module.training for module in network.modules()}
    seen.set()
    thread.join()
    assert modes == {False}  # as the docstring says: explain between two steps, or a copy
    assert {module.training for module in network.modules()} == {True}


def test_layers_whose_weights_are_not_made_yet_are_named(images: torch.Tensor):
    network = Network(nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU()))
    with pytest.raises(ModelError, match=r"weights of body\.0 are made by the first call"):
        Explainer(network)(images)
    network(images)
    assert Explainer(network)(images, methods="grad-cam").map_of("grad-cam").shape[0] == 2


# Python drops an interrupt that comes while it forgets a dead object; it then comes too late, not half done
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_moment_leaves_no_hook_and_no_mode(
    images: torch.Tensor, request: pytest.FixtureRequest
):
    # a process that a shell started in the background ignores Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    network = Network(body(Counter())).train()
    explainer = Explainer(network)
    explainer(images, methods="grad-cam")
    draw, stopped = random.Random(0), 0
    for _ in range(60):
        timer = threading.Timer(draw.random() * 0.012, os.kill, (os.getpid(), signal.SIGINT))
        with unchanged(network):
            try:
                timer.start()
                for _ in range(50):
                    explainer(images, methods="grad-cam")
            except KeyboardInterrupt:
                stopped += 1
            finally:
                timer.join()
    assert stopped > 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_forked_while_another_thread_borrows_can_borrow():
    network = Network(body())
    inside, leave = threading.Event(), threading.Event()

    def look() -> None:
        with borrowed(network):
            inside.set()
            assert leave.wait(120)

    thread = threading.Thread(target=look)
    thread.start()
    assert inside.wait(120)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        restored = all(module.training for module in network.modules())
        with borrowed(network), listening(network.modules(), lambda *_: None):
            lent = not any(module.training for module in network.modules())
        os._exit(0 if restored and lent else 1)
    leave.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
