import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.robustness.stability import (
    map_stability,
    relative_perturbation,
)


@pytest.fixture
def attacked_pair():
    images = torch.rand(4, 2, 3, 4, generator=torch.Generator().manual_seed(26))
    images[:, 0, 0, 0] = torch.tensor([0.9, 0.8, 0.2, 0.7])
    attacked = images.clone()
    attacked[:, 0, 0, 0] = torch.tensor([0.1, 0.9, 0.8, 0.6])
    return images, attacked


def test_perturbation_is_a_ratio_of_lengths(attacked_pair):
    images, attacked = attacked_pair
    found = relative_perturbation(images, attacked)
    for one, other, value in zip(images, attacked, found, strict=True):
        expected = (other - one).square().sum().sqrt() / one.square().sum().sqrt()
        assert torch.allclose(value, expected)
    black = torch.zeros(1, 1, 2, 2)
    assert relative_perturbation(black, black + 1).isnan().all()


def test_unmoved_maps_are_fully_stable_and_inverted_ones_are_not():
    maps = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(27))
    same, inverted = map_stability(maps, 2 * maps), map_stability(maps, -maps)
    for name in ("pearson", "spearman", "ssim"):
        assert torch.allclose(getattr(same, name), torch.ones(3), atol=1e-5)
        assert (getattr(inverted, name) < 0).all()


@pytest.mark.usefixtures("as_a_user")
def test_other_shapes_are_refused(attacked_pair):
    images, attacked = attacked_pair
    with pytest.raises(ShapeError, match="are not"):
        relative_perturbation(images, attacked[:, :1])
