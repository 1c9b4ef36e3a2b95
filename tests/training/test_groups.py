"""Every group counts alike."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.training.batches import Batches
from figureground.training.groups import balanced_weights, groups_of


def test_every_group_has_the_same_sum_and_ratios_within_it_stay():
    groups = torch.tensor([4, 0, 0, 4, 4, 7])
    values = torch.tensor([1.0, 2, 6, 3, 4, 9])
    found = balanced_weights(groups, values)
    for group in (0, 4, 7):
        torch.testing.assert_close(found[groups == group].sum().item(), 1 / 3)
    torch.testing.assert_close(found[2] / found[1], torch.tensor(3.0).double())
    torch.testing.assert_close(found[4] / found[0], torch.tensor(4.0).double())


def test_no_image_and_no_group_are_refused():
    for groups in (torch.zeros(0, dtype=torch.int64), torch.tensor([0, -1])):
        with pytest.raises(
            ShapeError, match="one or more images, whose groups have numbers from 0"
        ):
            balanced_weights(groups)


def held(labels: list[int], contexts: list[int] | None) -> Batches:
    images = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    told = None if contexts is None else torch.tensor(contexts)
    return Batches(images, torch.tensor(labels), 2, 0, contexts=told)


def test_groups_are_pairs_of_class_and_context():
    labels, contexts = [0, 0, 2, -1, 2, 0, 1], [5, 0, 5, 9, 5, 5, 0]
    groups = groups_of(held(labels, contexts)).tolist()
    pairs = list(zip(labels, contexts, strict=True))
    for one in range(7):
        for other in range(7):
            if -1 not in {labels[one], labels[other]}:
                assert (groups[one] == groups[other]) == (pairs[one] == pairs[other])
    assert groups[3] == -1
    assert sorted({*groups}) == [-1, 0, 1, 2, 3]


def test_data_without_contexts_or_labels_have_no_groups():
    with pytest.raises(OptionError, match=r"tell no contexts.*planted.*column 'context'"):
        groups_of(held([0, 1], None))
    with pytest.raises(OptionError, match="no training image is labelled"):
        groups_of(held([-1, -1], [0, 1]))
