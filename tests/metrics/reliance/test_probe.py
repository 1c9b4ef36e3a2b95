"""A probe finds what backgrounds tell, nothing where they tell nothing, and equals one by loops."""

from collections import defaultdict

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.reliance import background_probe, colour_thumbnail
from figureground.metrics.reliance.probe import grouped_folds


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_colour_that_is_the_class_is_found_by_the_thumbnail():
    labels = torch.arange(60) % 3
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    images = colours[labels][:, :, None, None] * 0.5 + 0.1 * noise(60, 3, 12, 10).abs()
    found = background_probe(colour_thumbnail(images), labels, seed=0)
    assert found.accuracy.mean == 1
    assert found.answers.tolist() == labels.tolist()
    assert found.p_value == pytest.approx(1 / 21)
    assert found.chance == pytest.approx(1 / 3)
    assert float(found.permuted.max()) < 0.7


def test_chance_is_the_share_of_the_commonest_class_not_its_number():
    labels = torch.tensor([7] * 30 + [2] * 10)
    found = background_probe(noise(40, 4), labels, seed=0, permutations=0)
    assert found.chance == 0.75
    assert found.p_value == 1


def test_noise_is_at_chance_and_its_p_values_are_uniform():
    accuracies, values = [], []
    for seed in range(50):
        labels = torch.arange(80) % 2
        found = background_probe(noise(80, 3, seed=seed), labels, seed=seed, permutations=4)
        accuracies.append(found.accuracy.mean)
        values.append(found.p_value)
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.04)
    assert np.mean(values) == pytest.approx(0.6, abs=0.12)  # of 0.2, 0.4, ... 1
    assert 0.04 <= np.mean(np.array(values) <= 0.2) <= 0.34


@pytest.mark.parametrize("width", [6, 90])  # more features than images, too
def test_it_is_the_nearest_class_mean_by_loops_over_images(width: int):
    labels = torch.arange(48) % 3
    groups = torch.arange(48) // 2 * 5  # two images each
    features = noise(48, width) * torch.arange(1, width + 1) + 3
    features[:, 0] += 4 * labels
    features[:, 1] = 7  # tells nothing
    found = background_probe(features, labels, groups, seed=3, permutations=0)
    folds = grouped_folds(labels, groups, seed=3)
    rows = features.double().numpy()
    spread = rows.std(0)
    rows = (rows - rows.mean(0)) / np.where(spread == 0, 1, spread)
    for row in range(48):
        others = [at for at in range(48) if folds[at] != folds[row]]
        centre = rows[others].mean(0)
        metric = np.linalg.inv(
            (rows[others] - centre).T @ (rows[others] - centre) + width * np.eye(width)
        )
        far = []
        for label in range(3):
            apart = rows[row] - rows[[at for at in others if labels[at] == label]].mean(0)
            far.append(apart @ metric @ apart)
        assert int(np.argmin(far)) == int(found.answers[row])
    assert found.accuracy.mean == pytest.approx(float((found.answers == labels).float().mean()))


def test_images_of_a_group_are_held_out_together():
    """Copies would tell the class of one another; held out together they tell nothing."""
    once = noise(30, 40)
    features, labels = once.repeat_interleave(4, 0), (torch.arange(30) % 2).repeat_interleave(4)
    groups = torch.arange(30).repeat_interleave(4)
    apart = background_probe(features, labels, seed=0, permutations=0)
    together = background_probe(features, labels, groups, seed=0)
    assert apart.accuracy.mean > 0.95
    assert together.accuracy.mean < 0.75
    assert together.p_value > 0.05  # which it would not be, were labels permuted over images


def test_folds_keep_groups_and_deal_classes_evenly():
    labels = torch.arange(100) // 20
    groups = torch.arange(100)
    groups[10] = groups[0]
    folds = grouped_folds(labels, groups, seed=1)
    assert folds[0] == folds[10]
    times: dict[tuple[int, int], int] = defaultdict(int)
    for fold, label in zip(folds.tolist(), labels.tolist(), strict=True):
        times[fold, label] += 1
    assert {times[fold, label] for fold in range(5) for label in range(1, 5)} == {4}
    assert not torch.equal(folds, grouped_folds(labels, groups, seed=2))
    assert grouped_folds(labels[:3], groups[:3], seed=0).sort().values.tolist() == [0, 1, 2]


def test_a_class_of_one_image_is_never_told_and_no_error():
    labels = torch.tensor([0, 0, 0, 0, 1])
    found = background_probe(noise(5, 2), labels, seed=0, permutations=0)
    assert found.answers[4] == 0


def test_what_no_probe_can_be_fitted_on_is_refused():
    labels = torch.tensor([0, 1, 0, 1])
    with pytest.raises(ShapeError, match="labels"):
        background_probe(noise(3, 2), labels, seed=0)
    with pytest.raises(ShapeError, match="1 class in 4 groups"):
        background_probe(noise(4, 2), labels * 0, seed=0)
    with pytest.raises(ShapeError, match="2 classes in 1 group"):
        background_probe(noise(4, 2), labels, labels * 0, seed=0)
    with pytest.raises(ShapeError, match="must be finite"):
        background_probe(noise(4, 2) / 0, labels, seed=0)
    with pytest.raises(OptionError, match="permutations"):
        background_probe(noise(4, 2), labels, seed=0, permutations=-1)
    with pytest.raises(OptionError, match="side"):
        colour_thumbnail(noise(1, 3, 4, 4), 0)
