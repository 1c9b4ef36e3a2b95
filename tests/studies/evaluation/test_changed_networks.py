"""Networks that forgot, and networks that drop."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.models import Classifier
from figureground.studies.evaluation.changed_networks import dropout_copies, shuffled_copies

IMAGES = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))


def test_layers_forget_from_the_top_and_the_network_itself_is_untouched(classifier: Classifier):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    copies = shuffled_copies(classifier, seed=0, shares=(0.0, 0.7, 1.0))
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


def test_shuffled_layers_hold_the_same_numbers(classifier: Classifier):
    (copy,) = shuffled_copies(classifier, seed=0, shares=(1.0,)).values()
    for name, value in copy.state_dict().items():
        assert (
            value.flatten()
            .sort()
            .values.equal(classifier.state_dict()[name].flatten().sort().values)
        )


def test_shuffling_follows_the_seed(classifier: Classifier):
    one, again, other = (
        next(iter(shuffled_copies(classifier, seed=seed, shares=(1.0,)).values()))(IMAGES)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_statistics_of_a_normalisation_are_shuffled_with_it_and_stay_usable(
    make_classifier: Callable[..., Classifier],
):
    plain = make_classifier()
    plain.network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.LazyLinear(4)
    )
    plain(IMAGES)
    (copy,) = shuffled_copies(plain.eval(), seed=0, shares=(1.0,)).values()
    assert copy(IMAGES).isfinite().all()


def test_dropout_copies_differ_from_each_other_and_not_from_call_to_call(
    make_classifier: Callable[..., Classifier],
):
    plain = make_classifier()
    network = plain.network
    assert isinstance(network, nn.Sequential)
    plain.network = nn.Sequential(*network[:-1], nn.Dropout(0.5), network[-1]).eval()
    first, second = dropout_copies(plain, runs=2, seed=0)
    assert torch.equal(first(IMAGES), first(IMAGES))
    assert not torch.equal(first(IMAGES), second(IMAGES))
    assert torch.equal(first(IMAGES[1:]), first(IMAGES)[1:])
    assert isinstance(plain.network[-2], nn.Dropout)


def test_dropout_keeps_the_expected_value(make_classifier: Callable[..., Classifier]):
    plain = make_classifier()
    plain.network = nn.Sequential(nn.Dropout(0.25), nn.Flatten(), nn.Linear(3 * 24 * 32, 4)).eval()
    (copy,) = dropout_copies(plain, runs=1, seed=0)
    assert isinstance(copy.network, nn.Sequential)
    dropped = copy.network[0](torch.ones(1, 3, 24, 32))
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)


def test_a_network_without_dropout_has_no_copies(classifier: Classifier):
    assert dropout_copies(classifier, runs=3, seed=0) == []


def test_shares_beyond_the_network_are_refused(classifier: Classifier):
    with pytest.raises(OptionError, match=r"shares in \[0, 1\]"):
        shuffled_copies(classifier, seed=0, shares=(1.5,))
