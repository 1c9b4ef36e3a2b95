"""Maps of training images against gradients of one image at a time."""

import numpy as np
import pytest
import torch
from torch import nn

from figureground.base.errors import ModelError, OptionError
from figureground.methods import Explainer
from figureground.training.algorithms.cam_erasing import MapSource, image_maps

COUNT = 9


def averaged(depth=2):
    """Layers, batch norms, an average, one linear layer."""
    layers = []
    for number in range(depth):
        layers += [nn.Conv2d(4 if number else 3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


def deep_head():
    """Two linear layers over a flattened map: the gradient differs from position to position."""
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(4 * 6 * 8, 7), nn.Tanh(), nn.Linear(7, 5)),
    )


@pytest.fixture
def data():
    numbers = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (COUNT, 3, 6, 8), generator=numbers, dtype=torch.uint8)
    return images, torch.randint(0, 5, (COUNT,), generator=numbers)


def settled(network):
    """Random weights, running averages that are not the initial ones, training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.reset_parameters()
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.3, 0.9)
    return network.train()


def by_hand(network, layer, images, *, labels):
    """Grad-CAM of one image at a time, stretched to [0, 1]."""
    network.eval()
    maps = []
    for image, label in zip(images, labels, strict=True):
        hidden = network[: layer + 1](image[None].float() / 255).detach().requires_grad_()
        score = network[layer + 1 :](hidden)[0, label]
        (gradient,) = torch.autograd.grad(score, hidden)
        raw = (gradient.mean((2, 3), keepdim=True) * hidden.detach()).sum(1)[0].relu()
        span = raw.max() - raw.min()
        maps.append((raw - raw.min()) / span if span > 1e-7 else torch.zeros_like(raw))
    network.train()
    return torch.stack(maps)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_closed_form_equals_gradients_of_one_image_at_a_time(data, depth):
    network = settled(averaged(depth))
    images, labels = data
    wanted = by_hand(network, 3 * depth - 1, images, labels=labels)
    found = image_maps(network, images, labels, source=MapSource(batch_size=4))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert wanted.any()


def test_the_closed_form_takes_no_gradient(data, monkeypatch):
    network = settled(averaged())
    image_maps(network, *data)  # the layer is checked once, with a gradient

    def refuse(*_args, **_words):
        raise AssertionError("a gradient was taken")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    assert image_maps(network, *data).any()


def test_other_heads_take_gradients_of_the_whole_batch_that_equal_those_of_one_at_a_time(data):
    network = settled(deep_head())
    images, labels = data
    wanted = by_hand(network, 2, images, labels=labels)
    found = image_maps(network, images, labels, source=MapSource(batch_size=5, layer="2"))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert wanted.any()


def test_any_method_of_the_registry_may_be_the_source(data):
    network = settled(averaged())
    images, labels = data
    for method in ("layer-cam", "eigen-cam", "cam"):
        found = image_maps(network, images, labels, source=MapSource(method=method))
        raw = Explainer(network)(images.float() / 255, labels, method).map_of(method)[:, 0].relu()
        low, high = raw.amin((1, 2), keepdim=True), raw.amax((1, 2), keepdim=True)
        wanted = torch.where(high - low > 1e-6, (raw - low) / (high - low), torch.zeros(()))
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    with pytest.raises(OptionError, match=r"dff gives \d maps per image"):
        image_maps(network, images, labels, source=MapSource(method="dff"))


def test_maps_agree_with_an_independent_library(data):
    library = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    from pytorch_grad_cam.utils.model_targets import (  # noqa: PLC0415
        ClassifierOutputTarget,
    )

    network = settled(averaged())
    images, labels = data
    found = image_maps(network, images, labels)
    network.eval()
    with library.GradCAM(network, [network[5]]) as method:
        targets = [ClassifierOutputTarget(int(label)) for label in labels]
        wanted = method(images.float() / 255, targets)
    shapes = found.numpy() > 0
    assert shapes.any()
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4)


def test_the_model_is_left_as_it_was_found(data):
    for network in (settled(averaged()), settled(deep_head())):
        network[1].eval()
        modes = [module.training for module in network.modules()]
        before = {name: value.clone() for name, value in network.state_dict().items()}
        image_maps(network, *data)
        assert [module.training for module in network.modules()] == modes
        for name, value in network.state_dict().items():
            assert torch.equal(value, before[name])
        assert all(parameter.grad is None for parameter in network.parameters())
        assert all(parameter.requires_grad for parameter in network.parameters())


def test_an_image_has_the_same_map_in_any_batch(data):
    network = settled(averaged())
    images, labels = data
    whole = image_maps(network, images, labels)
    rows = torch.tensor([7, 2, 2, 5])
    some = image_maps(network, images, labels, indices=rows, source=MapSource(batch_size=3))
    torch.testing.assert_close(some, whole[rows], atol=1e-6, rtol=0)


def test_a_network_that_looks_at_its_batch_even_in_evaluation_is_refused(data):
    network = averaged()
    network[1] = nn.BatchNorm2d(4, track_running_stats=False)
    with pytest.raises(ModelError, match="'1' normalises by the statistics of the batch"):
        image_maps(network, *data)


def test_images_without_a_class_have_a_map_of_zeros(data):
    network = settled(averaged())
    images, labels = data
    labels = labels.clone()
    labels[3] = -1
    found = image_maps(network, images, labels)
    assert not found[3].any()
    assert found.any()
