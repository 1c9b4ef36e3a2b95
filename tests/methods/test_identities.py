"""What the methods have to do with each other behind average pooling, on trained weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from figureground.capture import Captured, Directions, LayerChoice, run_once
from figureground.methods import METHODS, Explainer, Explanation

IN_CLOSED_FORM = [name for name in METHODS if METHODS[name].needs == {"gradients"}]


class LeNet(nn.Module):
    """Two convolutions, global average pooling and a linear layer without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.pool = nn.MaxPool2d(2)
        self.linear = nn.Linear(64, 10, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.conv2(self.pool(self.conv1(x).relu())).relu())
        return self.linear(x.mean((2, 3)))


@pytest.fixture(scope="module")
def network(shared_data: Path) -> LeNet:
    """The checkpoint, whatever its parameters are called."""
    saved = load_file(shared_data / "weights" / "lenet_gap_cluttered_mnist.safetensors")
    net = LeNet()
    by_shape = {tuple(value.shape): value for value in saved.values()}
    assert len(by_shape) == len(saved) == 5
    net.load_state_dict({name: by_shape[tuple(p.shape)] for name, p in net.state_dict().items()})
    return net


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Two images of strokes, 100×80."""
    canvas = torch.zeros(2, 1, 100, 80)
    canvas[0, :, 20:40, 30:33] = 1
    canvas[0, :, 20:23, 30:45] = 1
    canvas[1, :, 60:80, 50:53] = 0.9
    canvas[1, :, 70:73, 20:60] = 0.8
    return canvas.expand(-1, 3, -1, -1).contiguous()


@pytest.fixture(scope="module")
def result(network: LeNet, images: torch.Tensor) -> Explanation:
    """Everything for three classes; the map is pooled twice: 25×20."""
    names = [
        name for name, entry in METHODS.items() if entry.per_layer and "rescore" not in entry.needs
    ]
    return Explainer(network, layer="pool")(images, classes=[0, 4, 9], methods=names)


@pytest.fixture(scope="module")
def run(network: LeNet, images: torch.Tensor) -> Captured:
    """Activations and gradients of the last map."""
    return run_once(network, images, [LayerChoice("pool", "")], gradient=True)


def test_grad_cam_is_the_positive_part_of_cam_over_the_positions(result):
    cam = result.map_of("cam")
    torch.testing.assert_close(result.map_of("grad-cam") * 500, cam.relu(), rtol=1e-4, atol=1e-4)
    assert cam.min() < 0 < cam.max()


def test_hires_cam_is_cam_over_the_positions(result):
    torch.testing.assert_close(
        result.map_of("hires-cam") * 500, result.map_of("cam"), rtol=1e-4, atol=1e-4
    )


def test_layer_cam_is_the_element_wise_form(result):
    layer, elementwise = result.map_of("layer-cam"), result.map_of("grad-cam-elementwise")
    torch.testing.assert_close(layer, elementwise)
    assert layer.max() > 0


def test_mean_of_cam_is_the_logit(result):
    torch.testing.assert_close(
        result.map_of("cam").mean((2, 3)), result.scores, rtol=1e-4, atol=1e-4
    )


def test_sum_of_hires_cam_is_the_logit(result):
    torch.testing.assert_close(
        result.map_of("hires-cam").sum((2, 3)), result.scores, rtol=1e-4, atol=1e-4
    )


def test_eigen_cam_is_numpys_first_singular_pair(result, run):
    for image, features in enumerate(run.activations["pool"]):
        matrix = features.flatten(1).T.double().numpy()
        left, values, _ = np.linalg.svd(matrix, full_matrices=False)
        expected = np.abs(left[:, 0] * values[0]).reshape(25, 20)
        np.testing.assert_allclose(result.map_of("eigen-cam")[image, 0], expected, atol=1e-4)


def test_grad_cam_plus_plus_has_a_closed_form(result, run, network):
    features = run.activations["pool"].double()
    slope = network.linear.weight[[0, 4, 9]].double() / 500
    denominator = 2 + features.sum((2, 3))[:, None] * slope
    assert (denominator.abs() > 1e-3).all()
    weights = 500 * slope.relu() / denominator
    expected = torch.einsum("nkc,nchw->nkhw", weights, features).relu().float()
    torch.testing.assert_close(result.map_of("grad-cam++"), expected.detach(), rtol=1e-3, atol=1e-5)


def test_xgrad_cam_is_grad_cam(result):
    torch.testing.assert_close(result.map_of("xgrad-cam"), result.map_of("grad-cam"))


@pytest.mark.parametrize("name", IN_CLOSED_FORM)
def test_closed_form_equals_backward_pass(name, result, network, images, monkeypatch):
    monkeypatch.setattr(Captured, "head", lambda *_: None)
    slow = Explainer(network, layer="pool")(images, classes=[0, 4, 9], methods=name)
    torch.testing.assert_close(result.map_of(name), slow.map_of(name), rtol=1e-3, atol=1e-5)


def test_closed_form_gradient_equals_autograd(run, monkeypatch):
    asked = Directions(indices=torch.tensor([[0, 4, 9]]))
    short = run.gradients(asked)["pool"]
    assert short.shape == (1, 3, 64, 1, 1)
    monkeypatch.setattr(Captured, "head", lambda *_: None)
    whole = run.gradients(asked)["pool"]
    assert whole.shape == (2, 3, 64, 25, 20)
    torch.testing.assert_close(short.expand_as(whole), whole)
