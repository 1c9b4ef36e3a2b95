"""Captured activations and gradients against plain autograd; what a look sees."""

import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import LayerError, ModelError
from figureground.capture import Directions, LayerChoice, look, run_once
from figureground.capture.untouched import listening


def network() -> nn.Sequential:
    torch.random.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.Tanh(),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 7),
        nn.Tanh(),
        nn.Linear(7, 5),
    )


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 10, 8, generator=torch.Generator().manual_seed(0))


LAYERS = [LayerChoice("1", ""), LayerChoice("3", "")]


def test_activations_and_logits_are_the_network_s_own(images):
    net = network()
    run = run_once(net, images, LAYERS)
    with torch.no_grad():
        torch.testing.assert_close(run.logits, net(images))
        torch.testing.assert_close(run.activations["1"], net[:2](images))
        torch.testing.assert_close(run.activations["3"], net[:4](images))
    assert not run.logits.requires_grad


def test_gradients_of_several_layers_equal_autograd(images):
    net = network()
    run = run_once(net, images, LAYERS, gradient=True)
    asked = Directions(indices=torch.tensor([[0, 3], [4, 1]]))
    found = run.gradients(asked)
    low = net[:2](images)
    high = net[2:4](low)
    logits = net[4:](high)
    for k in range(2):
        score = asked.select(logits)[:, k].sum()
        for name, tensor in {"1": low, "3": high}.items():
            slope = torch.autograd.grad(score, tensor, retain_graph=True)[0]
            torch.testing.assert_close(found[name][:, k], slope)


def test_gradients_of_a_layer_that_the_logits_do_not_use_are_refused(images):
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.aside = network(), nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            self.aside(x)
            with torch.no_grad():
                return self.net(x)

    run = run_once(Aside(), images, [LayerChoice("aside", "")], gradient=True)
    with pytest.raises(LayerError, match="the logits do not depend on aside"):
        run.gradients(Directions(indices=torch.tensor([[0]])))


def test_a_grid_from_another_image_size_is_not_kept(images):
    first = run_once(network(), images, LAYERS)
    layers = [LayerChoice(name, "", grid) for name, grid in first.grids.items()]
    second = run_once(network(), torch.rand(1, 3, 16, 12), layers)
    assert second.grids["3"].size == (12, 8)


def test_a_failing_network_is_reported_with_the_shape(images):
    with pytest.raises(ModelError, match=r"failed on images of shape \(2, 2, 10, 8\)"):
        run_once(network(), images[:, :2], LAYERS)


def test_a_look_sees_modules_in_order_with_shapes_and_calls(images):
    net = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True))
    net.append(net[0])
    net.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten()])
    trace = look(net, images)
    assert [seen.name for seen in trace.seen] == ["1", "0", "3", "4"]
    assert [seen.calls for seen in trace.seen] == [1, 2, 1, 1]
    assert [seen.spatial for seen in trace.seen] == [True, True, False, False]
    assert trace.num_logits == 3
    assert trace.image_size == (10, 8)
    assert trace.last_names() == "1, 0"
    assert torch.is_grad_enabled()


def test_modules_that_hand_on_the_same_tensor_are_known(images):
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Identity(), nn.Flatten())
    names = {seen.name: seen.tensor for seen in look(net, images).seen}
    assert names["0.0"] == names["0"] == names["1"] != names["2"]


def test_no_hook_stays_after_an_exception():
    net = network()
    with pytest.raises(ZeroDivisionError), listening(net, lambda *_: None):
        raise ZeroDivisionError
    assert not any(module._forward_hooks for module in net.modules())
