import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from figureground.base.errors import ModelError, OptionError, ShapeError
from figureground.metrics.robustness.attacks import (
    ATTACKS,
    fgsm,
    gaussian_noise,
    pgd,
    uniform_noise,
)


@pytest.fixture
def setting():
    source = torch.Generator().manual_seed(20)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 6, 5))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=source))
    images = torch.rand(4, 2, 6, 8, generator=source)
    return network.eval(), images, torch.tensor([0, 1, 4, 2])


def test_fgsm_moves_every_pixel_by_epsilon_along_the_gradients_sign(setting):
    network, images, labels = setting
    images = 0.2 + 0.6 * images  # away from 0 and 1
    found = fgsm(network, images, labels, epsilon=0.1)
    for i in range(4):
        leaf = images[i : i + 1].clone().requires_grad_()
        cross_entropy(network(leaf), labels[i : i + 1]).backward()
        assert torch.allclose(found[i], images[i] + 0.1 * leaf.grad[0].sign())


def test_pgd_equals_a_loop_over_images(setting):
    network, images, labels = setting
    found = pgd(network, images, labels, epsilon=0.08, steps=3)
    for i in range(4):
        current = images[i : i + 1]
        for _ in range(3):
            leaf = current.clone().requires_grad_()
            (slope,) = torch.autograd.grad(cross_entropy(network(leaf), labels[i : i + 1]), leaf)
            moved = current + 0.02 * slope.sign()
            change = (moved - images[i]).clamp(-0.08, 0.08)
            current = (images[i] + change).clamp(0, 1)
        assert torch.allclose(found[i : i + 1], current, atol=1e-6)


@pytest.mark.parametrize("start", [None, 7])
def test_pgd_stays_in_the_box_of_epsilon_and_raises_the_loss(setting, start):
    network, images, labels = setting
    found = pgd(network, images, labels, epsilon=0.05, start=start)
    assert (found - images).abs().max() <= 0.05 + 1e-6
    before = cross_entropy(network(images), labels, reduction="none")
    assert (cross_entropy(network(found), labels, reduction="none") > before).all()


def test_a_random_start_follows_its_seed(setting):
    network, images, labels = setting
    once, again, other = (pgd(network, images, labels, steps=0, start=seed) for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_uniform_noise_fills_its_range_and_gaussian_noise_its_width(setting):
    network, _, _ = setting
    images, labels = torch.full((2, 3, 40, 50), 0.5), torch.tensor([0, 1])
    change = uniform_noise(network, images, labels, epsilon=0.2) - 0.5
    assert 0.199 < change.abs().max() <= 0.2
    assert change.std().item() == pytest.approx(0.4 / 12**0.5, rel=0.05)
    change = gaussian_noise(network, images, labels, sigma=0.1) - 0.5
    assert change.std().item() == pytest.approx(0.1, rel=0.05)


def test_pgd_asks_about_images_within_epsilon_only(setting):
    network, images, labels = setting
    furthest = []

    def asked(x):
        furthest.append((x - images).abs().max().item())
        return network(x)

    pgd(asked, images, labels, epsilon=0.05, steps=8)
    assert len(furthest) == 8
    assert furthest[-1] > 0.049  # four steps lead to the edge, the others would lead beyond it
    assert max(furthest) <= 0.05 + 1e-6


def test_a_generator_gives_new_noise_at_every_call(setting):
    network, images, labels = setting
    source = torch.Generator().manual_seed(0)
    first, second = (uniform_noise(network, images, labels, randomness=source) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, uniform_noise(network, images, labels, randomness=0))


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_leaves_image_and_network_as_found_and_stays_in_range(setting, name):
    network, images, labels = setting
    before, state = images.clone(), copy.deepcopy(network.state_dict())
    network[0].weight.grad = torch.ones_like(network[0].weight)
    found = ATTACKS[name](network, images, labels)
    assert found.shape == images.shape
    assert not found.requires_grad
    assert not torch.equal(found, images)
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(images, before)
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    assert torch.equal(network[0].weight.grad, torch.ones_like(network[0].weight))
    assert network[3].weight.grad is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_works_without_the_callers_gradients(setting, name, mode):
    network, images, labels = setting
    expected = ATTACKS[name](network, images, labels)
    with mode():
        found = ATTACKS[name](network, images * 1, labels * 1)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "deepfool"])
def test_a_score_without_gradient_is_refused(setting, name):
    network, images, labels = setting
    with pytest.raises(ModelError, match="no gradient"):
        ATTACKS[name](lambda x: network(x).detach(), images, labels)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_missing_label_is_refused(setting, name):
    network, images, labels = setting
    with pytest.raises(ShapeError, match="4 images need 4 labels, not 3"):
        ATTACKS[name](network, images, labels[:3])


@pytest.mark.parametrize("attack", [fgsm, pgd, uniform_noise])
def test_negative_strength_is_refused(setting, attack):
    with pytest.raises(OptionError, match="strength"):
        attack(*setting, epsilon=-0.1)
