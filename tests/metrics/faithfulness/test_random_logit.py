"""Random logit: which class is asked for, and what its map is compared with."""

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.metrics.faithfulness import random_logit, ssim

IMAGES = torch.rand(4, 2, 9, 8, generator=torch.Generator().manual_seed(0))
FIELDS = torch.rand(5, 9, 8, generator=torch.Generator().manual_seed(1))
CLASSES = torch.tensor([0, 3, 4, 1])


def explain(images, classes):
    return images.mean(1) * FIELDS[classes]


def test_equals_the_similarity_with_the_map_of_another_class():
    maps, asked = explain(IMAGES, CLASSES), []

    def spying(images, classes):
        asked.append(classes)
        return explain(images, classes)

    found = {
        seed: random_logit(spying, IMAGES, maps, classes=CLASSES, num_classes=5, seed=seed)
        for seed in range(30)
    }
    for seed, others in enumerate(asked):
        assert (others != CLASSES).all()
        torch.testing.assert_close(found[seed], ssim(maps, explain(IMAGES, others)))
    drawn = {tuple(others.tolist()) for others in asked}
    assert len(drawn) == 4  # every other class at one seed or another


def test_a_method_without_class_is_like_itself():
    def blind(images, classes):
        return images.mean(1)

    found = random_logit(blind, IMAGES, blind(IMAGES, CLASSES), classes=CLASSES, num_classes=5)
    torch.testing.assert_close(found, torch.ones(4))


def test_maps_of_another_size_are_compared_at_image_size_and_blank_ones_not():
    maps = torch.rand(4, 3, 4, generator=torch.Generator().manual_seed(2))
    maps[1] = 0
    found = random_logit(explain, IMAGES, maps, classes=CLASSES, num_classes=5)
    assert found.isnan().tolist() == [False, True, False, False]


def test_a_single_class_is_refused():
    maps = explain(IMAGES, CLASSES)
    with pytest.raises(OptionError, match="two classes at least, not 1"):
        random_logit(explain, IMAGES, maps, classes=CLASSES, num_classes=1)
