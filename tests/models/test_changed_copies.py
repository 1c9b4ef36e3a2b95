"""Copies with randomised layers, and copies with MC dropout."""

import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.models import Classifier, Preprocessing
from figureground.models.changed_copies import mc_dropout_copies, randomised_copies

PLAIN = Preprocessing((24, 32), "stretch", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3, 3)
IMAGES = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)  # noqa: TID251 - an entry point of tests
    convolutions = (
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2),
        nn.ReLU(),
    )
    network = nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    return Classifier(network.eval(), PLAIN, name="toy", num_classes=4)


def test_layers_are_randomised_from_the_top_and_the_network_itself_is_untouched(
    classifier: Classifier,
):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    copies = randomised_copies(classifier, seed=0, shares=(0.0, 0.7, 1.0))
    assert list(copies) == ["top 1 of 3 layers", "top 2 of 3 layers", "top 3 of 3 layers"]
    changed = [
        {
            name.split(".")[1]
            for name, value in copy.state_dict().items()
            if not value.equal(before[name])
        }
        for copy in copies.values()
    ]
    assert changed == [{"6"}, {"2", "6"}, {"0", "2", "6"}]
    assert all(value.equal(before[name]) for name, value in classifier.state_dict().items())


def test_randomised_layers_hold_the_same_numbers(classifier: Classifier):
    (copy,) = randomised_copies(classifier, seed=0, shares=(1.0,)).values()
    for name, value in copy.state_dict().items():
        assert (
            value.flatten()
            .sort()
            .values.equal(classifier.state_dict()[name].flatten().sort().values)
        )


def test_randomising_follows_the_seed(classifier: Classifier):
    one, again, other = (
        next(iter(randomised_copies(classifier, seed=seed, shares=(1.0,)).values()))(IMAGES)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_statistics_of_a_normalisation_are_randomised_with_it_and_stay_usable(
    classifier: Classifier,
):
    classifier.network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.LazyLinear(4)
    )
    classifier(IMAGES)
    (copy,) = randomised_copies(classifier.eval(), seed=0, shares=(1.0,)).values()
    assert copy(IMAGES).isfinite().all()


def test_dropout_copies_differ_from_each_other_and_not_from_call_to_call(
    classifier: Classifier,
):
    network = classifier.network
    assert isinstance(network, nn.Sequential)
    classifier.network = nn.Sequential(*network[:-1], nn.Dropout(0.5), network[-1]).eval()
    first, second = mc_dropout_copies(classifier, runs=2, seed=0)
    assert torch.equal(first(IMAGES), first(IMAGES))
    assert not torch.equal(first(IMAGES), second(IMAGES))
    assert torch.equal(first(IMAGES[1:]), first(IMAGES)[1:])
    assert isinstance(classifier.network[-2], nn.Dropout)


def test_dropout_keeps_the_expected_value(classifier: Classifier):
    classifier.network = nn.Sequential(
        nn.Dropout(0.25), nn.Flatten(), nn.Linear(3 * 24 * 32, 4)
    ).eval()
    (copy,) = mc_dropout_copies(classifier, runs=1, seed=0)
    assert isinstance(copy.network, nn.Sequential)
    dropped = copy.network[0](torch.ones(1, 3, 24, 32))
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)


def test_a_network_without_dropout_has_no_copies(classifier: Classifier):
    assert mc_dropout_copies(classifier, runs=3, seed=0) == []


def test_shares_beyond_the_network_are_refused(classifier: Classifier):
    with pytest.raises(OptionError, match=r"shares in \[0, 1\]"):
        randomised_copies(classifier, seed=0, shares=(1.5,))
