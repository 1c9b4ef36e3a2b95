"""Which parameters learn, at which rate and with which decay."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.base.seeds import seed_everything
from figureground.training.batch import Batch
from figureground.training.fine_tuning import Frozen, parameter_groups
from figureground.training.mixing import Mixing
from figureground.training.recipe import OptimiserSpec


def small():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )  # fmt: skip


def rate_of(groups, parameter):
    found = [g for g in groups if any(one is parameter for one in g["params"])]
    assert len(found) == 1
    return found[0].get("lr"), found[0].get("weight_decay")


def test_without_options_there_is_one_group():
    network = small()
    groups = parameter_groups(network, [], OptimiserSpec())
    assert [list(group) for group in groups] == [["params"]]
    assert len(groups[0]["params"]) == 6


def test_the_head_and_heads_of_algorithms_have_their_own_rate_and_norms_no_decay():
    network, extra = small(), nn.Linear(4, 7)
    spec = OptimiserSpec(lr=0.1, head_lr=0.5, decay="weights", weight_decay=0.01)
    groups = parameter_groups(network, [extra], spec)
    assert rate_of(groups, network[0].weight) == (0.1, 0.01)
    assert rate_of(groups, network[0].bias) == (0.1, 0.0)
    assert rate_of(groups, network[1].weight) == (0.1, 0.0)
    assert rate_of(groups, network[5].weight) == (0.5, 0.01)
    assert rate_of(groups, network[5].bias) == (0.5, 0.0)
    assert rate_of(groups, extra.weight) == (0.5, 0.01)


def test_layers_learn_more_slowly_by_their_depth_as_timm_counts_them():
    network: Any = timm.create_model("resnet18", num_classes=3)
    groups = parameter_groups(network, [], OptimiserSpec(lr=1.0, layer_decay=0.5))
    rates = [
        rate_of(groups, one)[0]
        for one in (network.conv1.weight, network.layer1[0].conv1.weight,
                    network.layer4[1].conv1.weight, network.fc.weight)
    ]  # fmt: skip
    assert rates == sorted(rates)
    assert rates[-1] == 1.0
    assert rates[-2] == 0.5
    assert len(set(rates)) == 4


def test_a_network_without_stages_has_no_layer_decay():
    with pytest.raises(OptionError, match=r"layer_decay: timm finds no stages"):
        parameter_groups(nn.Linear(2, 2), [], OptimiserSpec(layer_decay=0.5))


def test_a_frozen_body_keeps_weights_and_averages():
    network = small()
    frozen = Frozen(network, "body")
    network.train()
    frozen.hold()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    (group,) = parameter_groups(network, [], OptimiserSpec())
    assert len(group["params"]) == 2
    optimiser = torch.optim.SGD(group["params"], 1.0)
    network(torch.randn(8, 3, 8, 8)).square().sum().backward()
    optimiser.step()
    changed = {
        name for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"5.weight", "5.bias"}
    assert network[5].training


def test_there_must_be_norms_to_freeze():
    with pytest.raises(OptionError, match="no normalisation layers"):
        Frozen(nn.Linear(2, 2), "norms")


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_images_and_labels_are_mixed_in_the_same_share(name):
    images = torch.zeros(4, 1, 16, 16)
    images[1] = 1.0
    labels = torch.tensor([0, 1, 2, -1])
    seed_everything(3)
    mixed = Mixing([(name, {"alpha": 1.0})], 3)(Batch(images, labels, torch.arange(4)))
    assert mixed.shares is not None
    assert mixed.labels is labels
    # what is white in an image is the share of label 1 in it
    torch.testing.assert_close(mixed.images.mean((1, 2, 3)), mixed.shares[:, 1])
    own = mixed.shares[0, 0]
    assert 0 < own < 1
    torch.testing.assert_close(mixed.shares.sum(1), torch.tensor([own, 1.0, 1.0, 1 - own]))
