"""Max- and average-sensitivity against captum and loops."""

import pytest
import torch
from captum.metrics import sensitivity_max

from figureground.base.errors import OptionError
from figureground.metrics.robustness import map_sensitivity

IMAGES = 0.2 + 0.6 * torch.rand(3, 2, 6, 5, generator=torch.Generator().manual_seed(0))
FIELDS = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(1))
CLASSES = torch.tensor([2, 0, 3])


def explain(images, classes):
    return (images.square().sum(1) * FIELDS[classes]).tanh()


def noisy_images(samples, **options):
    """Every changed image, in the order of asking."""
    seen = []

    def spying(images, classes):
        seen.append(images)
        return explain(images, classes)

    maps = explain(IMAGES, CLASSES)
    found = map_sensitivity(spying, IMAGES, maps, classes=CLASSES, samples=samples, **options)
    return torch.stack(seen, 1), found


def test_the_largest_equals_captums_and_both_equal_loops():
    changed, found = noisy_images(10)

    def theirs(given, target):
        return (explain(given[0] if isinstance(given, tuple) else given, target),)

    expected = sensitivity_max(
        theirs,
        IMAGES,
        perturb_func=lambda _: changed.flatten(0, 1),
        n_perturb_samples=10,
        target=CLASSES,
    )
    torch.testing.assert_close(found.largest, expected)
    for at, clean in enumerate(explain(IMAGES, CLASSES)):
        moved = explain(changed[at], CLASSES[at].expand(10))
        lengths = [
            (one - clean).square().sum().sqrt() / clean.square().sum().sqrt() for one in moved
        ]
        assert found.average[at].item() == pytest.approx(float(sum(lengths)) / 10, rel=1e-4)


def test_noise_is_even_in_the_radius_the_same_for_all_images_and_of_the_seed():
    changed, found = noisy_images(200, radius=0.1)
    noise = changed - IMAGES[:, None]
    torch.testing.assert_close(noise[0], noise[1], atol=1e-6, rtol=0)
    assert noise.abs().max() <= 0.1 + 1e-6
    assert noise.abs().max() > 0.099
    assert noise.mean().abs() < 0.005
    _, other = noisy_images(200, radius=0.1, seed=1)
    assert not torch.allclose(found.average, other.average)


def test_changed_images_stay_in_range():
    changed, _ = noisy_images(3, radius=0.5)
    assert changed.min() == 0
    assert changed.max() == 1


def test_no_noise_moves_nothing_and_more_moves_more():
    small, large = (noisy_images(10, radius=radius)[1] for radius in (0.01, 0.1))
    assert (small.average < large.average).all()
    still = noisy_images(2, radius=0.0)[1]
    assert still.largest.tolist() == [0, 0, 0]


def test_blank_maps_have_no_number_nor_maps_that_lose_theirs():
    def failing(images, classes):
        maps = explain(images, classes)
        maps[1, 0, 0] = torch.nan
        return maps

    maps = explain(IMAGES, CLASSES)
    maps[0] = 0.1
    found = map_sensitivity(failing, IMAGES, maps, classes=CLASSES)
    assert found.largest.isnan().tolist() == [True, True, False]
    assert found.average.isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("wrong", [{"radius": -0.1}, {"samples": 0}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(OptionError, match="a radius of 0 or more and a sample"):
        map_sensitivity(explain, IMAGES, explain(IMAGES, CLASSES), classes=CLASSES, **wrong)
