"""Kinds of backgrounds, and parts of them that speak for a class."""

from math import comb

import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.reliance import background_kinds, carriers


def test_groups_that_stand_apart_are_kinds_the_most_frequent_first():
    draws = torch.Generator().manual_seed(0)
    centres = torch.tensor([2, 0, 0, 1, 0, 2, 0, 1] * 5)
    features = torch.randn(40, 50, generator=draws) + 9 * torch.eye(50)[centres]
    kinds = background_kinds(features)
    # 20, 10 and 10 images; of equal ones either may come first
    assert (kinds == 0).equal(centres == 0)
    assert len({(int(a), int(b)) for a, b in zip(centres, kinds, strict=True)}) == 3
    order = torch.randperm(40, generator=draws)
    again = background_kinds(features[order])
    assert ((again[:, None] == again) == (kinds[order][:, None] == kinds[order])).all()


@pytest.mark.parametrize("count", [0, 1, 9, 200])
def test_few_images_and_one_cloud_are_of_one_kind(count: int):
    features = torch.randn(count, 40, generator=torch.Generator().manual_seed(1))
    assert background_kinds(features).tolist() == [0] * count
    assert background_kinds(torch.ones(count, 3)).tolist() == [0] * count


def test_features_must_be_finite():
    with pytest.raises(ShapeError, match="finite"):
        background_kinds(torch.full((12, 2), torch.nan))


def positions() -> tuple[torch.Tensor, ...]:
    """Kind 0 in nine of ten images of class 0 and one of class 1, twice each, 0.5 a position; kind 1 everywhere."""
    rare = [(0, image, 0.5) for image in (*range(9), 10) for _ in range(2)]
    common = [(1, image, 0.2 + 0.01 * image) for image in range(20)]
    kinds, images, adds = zip(*rare, *common, strict=True)
    return torch.tensor(kinds), torch.tensor(images), torch.tensor(adds)


def test_what_is_commoner_in_a_class_and_adds_to_its_logit_is_found():
    kinds, images, adds = positions()
    labels = torch.arange(20) // 10
    (found,) = carriers(kinds, images, labels, contributions=adds)
    assert (found.kind, found.label, found.inside, found.outside) == (0, 0, 0.9, 0.1)
    assert (found.carry.mean, found.carry.low, found.carry.high) == pytest.approx((1.0, 1.0, 1.0))
    assert found.score == pytest.approx(0.8)
    # Fisher: drawn 10 of 20 images, 10 of which show it, at least 9 of them: below 5 % also for two or three pairs
    p = sum(comb(10, k) * comb(10, 10 - k) for k in (9, 10)) / comb(20, 10)
    assert p < 0.05 / 3
    assert found.found
    assert not carriers(kinds, images, labels, contributions=adds, rate=p / 2)[0].found


def test_what_takes_from_the_logit_or_is_rare_is_not_listed():
    kinds, images, adds = positions()
    labels = torch.arange(20) // 10
    assert carriers(kinds, images, labels, contributions=-adds) == ()
    few = (images < 4) | (kinds == 1)
    assert carriers(kinds[few], images[few], labels, contributions=adds[few]) == ()
    nothing = torch.zeros(0, dtype=torch.int64)
    assert carriers(nothing, nothing, labels, contributions=torch.zeros(0)) == ()


def test_positions_without_an_image_are_refused():
    kinds, images, adds = positions()
    with pytest.raises(ShapeError, match="label"):
        carriers(kinds, images, torch.zeros(19, dtype=torch.int64), contributions=adds)
    with pytest.raises(ShapeError, match="images"):
        carriers(kinds[1:], images, torch.arange(20) // 10, contributions=adds)
