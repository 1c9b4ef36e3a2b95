import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.metrics.robustness.deepfool import (
    LTS4,
    DeepFoolOptions,
    deepfool,
    deepfool_trace,
)


@pytest.fixture
def linear():
    source = torch.Generator().manual_seed(22)
    weights, bias = torch.randn(4, 30, generator=source), torch.randn(4, generator=source)
    images = torch.rand(6, 1, 5, 6, generator=source)
    return weights, bias, images


@pytest.fixture
def network():
    source = torch.Generator().manual_seed(23)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 12))
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=source))
    return layers.eval()


def slow_deepfool(network, image, options):
    """One image, one candidate after the other, written from algorithm 2 and the authors' rule."""
    order = network(image).flatten().argsort(descending=True)[: options.candidates].tolist()
    current, total, rounds = image, torch.zeros_like(image), 0
    while network(current).argmax().item() == order[0] and rounds < options.max_iterations:
        leaf = current.clone().requires_grad_()
        logits = network(leaf)[0]
        best = (float("inf"), image)
        for other in order[1:]:
            (slope,) = torch.autograd.grad(
                logits[other] - logits[order[0]], leaf, retain_graph=True
            )
            distance = ((logits[other] - logits[order[0]]).abs() / slope.norm()).item()
            if distance < best[0]:
                best = (distance, slope)
        total = total + (best[0] + 1e-4) * best[1] / best[1].norm()
        current = image + (1 + options.overshoot) * total
        if options.clip:
            current = current.clamp(0, 1)
        rounds += 1
    return current, rounds


def test_on_a_linear_classifier_it_walks_the_closed_form_distance(linear):
    weights, bias, images = linear

    def score(x):
        return x.flatten(1) @ weights.T + bias

    found = deepfool_trace(score, images, options=LTS4)
    logits = score(images)
    first = logits.argmax(1)
    for i in range(6):
        distances = [
            ((logits[i, first[i]] - logits[i, k]) / (weights[first[i]] - weights[k]).norm()).item()
            for k in range(4)
            if k != first[i]
        ]
        length = (found.images[i] - images[i]).norm().item()
        assert length == pytest.approx(1.02 * (min(distances) + 1e-4), rel=1e-4)
    assert found.iterations.tolist() == [1] * 6
    assert (score(found.images).argmax(1) != first).all()


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("candidates", [3, 12])
def test_a_batch_equals_a_loop_over_images(network, clip, candidates):
    images = torch.rand(7, 1, 5, 6, generator=torch.Generator().manual_seed(24))
    options = DeepFoolOptions(candidates=candidates, clip=clip, max_iterations=20)
    found = deepfool_trace(network, images, options=options)
    for i in range(7):
        expected, rounds = slow_deepfool(network, images[i : i + 1], options)
        assert found.iterations[i] == rounds
        assert torch.allclose(found.images[i : i + 1], expected, atol=1e-4)
    assert len(set(found.iterations.tolist())) > 1  # images did leave at different times


def test_predictions_change_and_images_stay_images(network):
    images = torch.rand(20, 1, 5, 6, generator=torch.Generator().manual_seed(25))
    labels = network(images).argmax(1)
    found = deepfool(network, images, labels)
    assert (network(found).argmax(1) != labels).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_images_that_are_done_are_not_asked_again(network):
    images = torch.rand(7, 1, 5, 6, generator=torch.Generator().manual_seed(24))
    sizes = []

    def counting(x):
        sizes.append(len(x))
        return network(x)

    found = deepfool_trace(counting, images)
    assert sum(sizes) == 7 + 2 * found.iterations.sum()


def test_a_flat_classifier_leaves_the_image_alone():
    images = torch.rand(2, 1, 5, 6)
    options = DeepFoolOptions(max_iterations=3)
    found = deepfool_trace(
        lambda x: 0 * x.flatten(1)[:, :2] + torch.tensor([1.0, 0.0]), images, options=options
    )
    assert torch.equal(found.images, images)
    assert found.iterations.tolist() == [3, 3]


def test_impossible_options_are_refused():
    with pytest.raises(OptionError, match="candidates >= 2"):
        DeepFoolOptions(candidates=1)
