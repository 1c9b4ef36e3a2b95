"""Shares and slopes against slow twins: loops, and differences of numbers."""

import pytest
import torch
from torch import nn

from figureground.base.errors import ShapeError
from figureground.training.algorithms.attribution_prior import (
    attribution_maps,
    energy_outside,
    gradient_outside,
)


@pytest.fixture
def network():
    """A network that averages its last map before one linear layer, in double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        body = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh())
        return nn.ModuleDict({"body": body, "head": nn.Linear(3, 4)}).double()


@pytest.fixture
def batch():
    numbers = torch.Generator().manual_seed(0)
    images = torch.rand(3, 2, 4, 6, generator=numbers, dtype=torch.float64)
    masks = torch.rand(3, 4, 6, generator=numbers) < 0.4
    return images, torch.tensor([2, 0, 3]), masks


def passed(network, images):
    features = network["body"](images)
    return features, network["head"](features.mean((2, 3)))


def energy(network, batch):
    images, labels, masks = batch
    features, logits = passed(network, images)
    return energy_outside(attribution_maps(logits, features, labels), masks).mean()


def slow_energy(maps, masks):
    """By loops over the pixels of maps as large as the masks."""
    shares = []
    for one, mask in zip(maps.tolist(), masks.tolist(), strict=True):
        inside = total = 0.0
        for row, inner in zip(one, mask, strict=True):
            for value, is_inside in zip(row, inner, strict=True):
                total += max(value, 0.0)
                inside += max(value, 0.0) * is_inside
        shares.append(1 - inside / total if total else 0.0)
    return torch.tensor(shares)


def test_energy_is_the_share_that_loops_find():
    numbers = torch.Generator().manual_seed(1)
    maps = torch.randn(5, 4, 7, generator=numbers)
    maps[3] = -maps[3].abs()
    masks = torch.rand(5, 4, 7, generator=numbers) < 0.5
    torch.testing.assert_close(energy_outside(maps, masks), slow_energy(maps, masks))


def test_energy_of_a_coarse_map_is_that_of_the_map_spread_evenly_over_its_cells():
    numbers = torch.Generator().manual_seed(2)
    maps = torch.randn(3, 2, 3, generator=numbers)
    masks = torch.rand(3, 6, 6, generator=numbers) < 0.5
    spread = maps.repeat_interleave(3, 1).repeat_interleave(2, 2)
    torch.testing.assert_close(energy_outside(maps, masks), slow_energy(spread, masks))


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_map_without_a_positive_part_has_no_energy_and_no_slope(value):
    maps = torch.full((1, 2, 2), value, requires_grad=True)
    found = energy_outside(maps, torch.zeros(1, 2, 2, dtype=torch.bool))
    found.sum().backward()
    assert found.item() == 0
    assert maps.grad is not None
    assert not maps.grad.any()


def test_energy_does_not_mind_the_scale_of_a_map(batch):
    maps, masks = batch[0][:, 0].float(), batch[2]
    torch.testing.assert_close(energy_outside(1e-4 * maps, masks), energy_outside(maps, masks))


def test_maps_of_an_averaging_network_are_class_activation_maps(network, batch):
    images, labels, _ = batch
    features, logits = passed(network, images)
    wanted = torch.einsum("nc,nchw->nhw", network["head"].weight[labels], features) / 24
    torch.testing.assert_close(attribution_maps(logits, features, labels), wanted)


def test_maps_of_no_class_are_zero(network, batch):
    features, logits = passed(network, batch[0])
    maps = attribution_maps(logits, features, torch.tensor([-1, 0, 4]))
    assert not maps[[0, 2]].any()
    assert maps[1].any()


def test_a_network_whose_map_lies_wholly_inside_has_no_loss_and_no_slope(batch):
    """Its one feature is the image where the mask is, and nothing elsewhere."""
    images, _, masks = batch
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
    features = weight * images[:, :1] * masks[:, None]
    logits = torch.cat([features.mean((2, 3)), -features.mean((2, 3))], 1)
    labels = torch.zeros(3, dtype=torch.int64)
    found = energy_outside(attribution_maps(logits, features, labels), masks)
    assert (found.abs() < 1e-6).all()
    assert (energy_outside(attribution_maps(logits, features, labels), ~masks) > 1 - 1e-6).all()


def slopes_by_differences(loss, parameters, step=1e-5):
    """Of a loss by each number of the parameters: two-sided differences."""
    found = []
    for parameter in parameters:
        flat = parameter.data.view(-1)
        slopes = torch.zeros_like(flat)
        for position in range(len(flat)):
            kept = flat[position].item()
            ends = []
            for sign in (1, -1):
                flat[position] = kept + sign * step
                ends.append(loss().item())
            flat[position] = kept
            slopes[position] = (ends[0] - ends[1]) / (2 * step)
        found.append(slopes.view_as(parameter))
    return found


def test_slopes_of_energy_reach_features_and_weights_as_differences_say(network, batch):
    def loss():
        images, labels, masks = batch
        features = network["body"](images)
        maps = torch.einsum("nc,nchw->nhw", network["head"].weight[labels], features).relu()
        return 1 - ((maps * masks).sum((1, 2)) / maps.sum((1, 2))).mean()

    parameters = [*network["body"].parameters(), network["head"].weight]
    found = torch.autograd.grad(energy(network, batch), parameters)
    for one, other in zip(found, slopes_by_differences(loss, parameters), strict=True):
        assert other.abs().max() > 1e-4
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_logits_without_a_graph_to_the_layer_are_refused(network, batch):
    images, labels, masks = batch
    features, logits = passed(network, images)
    with pytest.raises(ShapeError, match="do not depend"):
        attribution_maps(logits, features + 0, labels)
    with pytest.raises(ShapeError, match="do not depend"):
        attribution_maps(logits.detach(), features, labels)
    with pytest.raises(ShapeError, match="'masks' is"):
        energy_outside(features[:2, 0].float(), masks)


def log_sum(network, images):
    """The sum over classes of log-probabilities, of each image."""
    return passed(network, images)[1].log_softmax(1).sum(1)


def test_gradients_outside_are_what_differences_of_answers_say(network, batch):
    images, _, masks = batch
    images = images.clone()
    wanted = torch.zeros(3, dtype=torch.float64)
    for at, y, x in (~masks).nonzero().tolist():
        for channel in range(2):
            ends = []
            for sign in (1, -1):
                moved = images.clone()
                moved[at, channel, y, x] += sign * 1e-4
                ends.append(log_sum(network, moved)[at].item())
            wanted[at] += ((ends[0] - ends[1]) / 2e-4) ** 2
    images.requires_grad_()
    found = gradient_outside(passed(network, images)[1], images, masks)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-8)
    found.sum().backward()
    slope = network["head"].weight.grad
    assert slope is not None
    assert float(slope.abs().max()) > 1e-6


def test_gradients_of_what_is_covered_do_not_count(network, batch):
    images = batch[0].requires_grad_()
    logits = passed(network, images)[1]
    assert not gradient_outside(logits, images, torch.ones(3, 4, 6, dtype=torch.bool)).any()
    with pytest.raises(ShapeError, match="'masks' is"):
        gradient_outside(logits, images, torch.ones(3, 4, 5, dtype=torch.bool))
    with pytest.raises(ShapeError, match="do not depend"):
        gradient_outside(logits.detach(), images, batch[2])
