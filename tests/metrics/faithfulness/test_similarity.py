import numpy as np
import pytest
import torch
from scipy import stats
from skimage.metrics import structural_similarity

from figureground.base.errors import ShapeError
from figureground.metrics.faithfulness.similarity import pearson, spearman, ssim


@pytest.fixture
def pair():
    source = torch.Generator().manual_seed(3)
    first = torch.randn(4, 9, 12, generator=source)
    return first, first + torch.randn(4, 9, 12, generator=source)


def test_pearson_equals_scipy(pair):
    expected = [
        stats.pearsonr(a.flatten(), b.flatten()).statistic for a, b in zip(*pair, strict=True)
    ]
    assert np.allclose(pearson(*pair), expected, atol=1e-6)


def test_spearman_equals_scipy_with_many_ties(pair):
    first, second = pair[0].relu(), pair[1].relu().round()
    expected = [
        stats.spearmanr(a.flatten(), b.flatten()).statistic
        for a, b in zip(first, second, strict=True)
    ]
    assert np.allclose(spearman(first, second), expected, atol=1e-6)


@pytest.mark.parametrize(("height", "width", "window"), [(9, 12, 7), (7, 7, 7), (4, 6, 3)])
def test_ssim_equals_scikit_image(pair, height, width, window):
    first, second = (maps[:, :height, :width].double() for maps in pair)
    lowest = [
        (m - m.amin((1, 2), True)) / (m.amax((1, 2), True) - m.amin((1, 2), True))
        for m in (first, second)
    ]
    expected = [
        structural_similarity(a.numpy(), b.numpy(), data_range=1.0, win_size=window)
        for a, b in zip(*lowest, strict=True)
    ]
    assert np.allclose(ssim(first.float(), second.float()), expected, atol=1e-5)


@pytest.mark.parametrize("alike", [pearson, spearman, ssim])
def test_a_map_is_like_itself_and_symmetric(pair, alike):
    assert torch.allclose(alike(pair[0], pair[0]), torch.ones(4), atol=1e-6)
    assert torch.allclose(alike(*pair), alike(pair[1], pair[0]), atol=1e-6)
    assert (alike(*pair) < 0.95).all()


@pytest.mark.parametrize("alike", [pearson, spearman, ssim])
def test_scale_and_offset_do_not_count(pair, alike):
    moved = 1e-12 * pair[0]
    assert torch.allclose(alike(*pair), alike(moved, 5 * pair[1] - 2), atol=1e-4)


@pytest.mark.parametrize("alike", [pearson, spearman, ssim])
def test_blank_maps_have_no_similarity(pair, alike):
    first, second = pair[0].clone(), pair[1].clone()
    first[0], second[1, 0, 0] = 2.0, torch.nan
    assert alike(first, second).isnan().tolist() == [True, True, False, False]


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("alike", [pearson, spearman, ssim])
def test_maps_of_other_shape_are_refused(pair, alike):
    with pytest.raises(ShapeError, match="cannot compare"):
        alike(pair[0], pair[1][:, 1:])


def test_ssim_refuses_maps_without_a_window():
    with pytest.raises(ShapeError, match="at least 3 x 3"):
        ssim(torch.rand(1, 2, 5), torch.rand(1, 2, 5))
