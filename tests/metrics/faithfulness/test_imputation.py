import numpy as np
import pytest
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.faithfulness.imputation import linear_imputation

NEIGHBOURS = {(dy, dx): 1 / 6 if dy * dx == 0 else 1 / 12
              for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)}  # fmt: skip


def slow_imputation(channel, removed):
    """One sparse system, one equation per removed pixel, written from the paper."""
    places = {tuple(place): i for i, place in enumerate(np.argwhere(removed))}
    matrix, right = lil_matrix((len(places), len(places))), np.zeros(len(places))
    for (y, x), i in places.items():
        for (dy, dx), weight in NEIGHBOURS.items():
            there = (y + dy, x + dx)
            if not (0 <= there[0] < removed.shape[0] and 0 <= there[1] < removed.shape[1]):
                continue
            matrix[i, i] += weight
            if there in places:
                matrix[i, places[there]] -= weight
            else:
                right[i] += weight * channel[there]
    filled = channel.copy()
    filled[removed] = spsolve(matrix.tocsc(), right)
    return filled


def blob_masks(count, height, width):
    """Masks of 10 % to 90 %, alternately scattered and in one piece."""
    source = torch.Generator().manual_seed(11)
    masks = []
    for i in range(count):
        relevance = torch.rand(height, width, generator=source)
        if i % 2:
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            relevance = relevance - ((y - height / 3) ** 2 + (x - width / 2) ** 2)
        share = 0.1 + 0.8 * i / (count - 1)
        masks.append(relevance > relevance.flatten().quantile(1 - share))
    return torch.stack(masks)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (33, 26)])
def test_all_systems_of_a_batch_equal_sparse_solves(height, width):
    images = torch.rand(6, 2, height, width, generator=torch.Generator().manual_seed(12))
    removed = blob_masks(6, height, width)
    found = linear_imputation(images, removed)
    for image, mask, filled in zip(images, removed, found, strict=True):
        for before, after in zip(image, filled, strict=True):
            expected = slow_imputation(before.double().numpy(), mask.numpy())
            assert np.abs(after.numpy() - expected).max() < 1e-4


def test_kept_pixels_stay_and_old_values_are_not_looked_at():
    images = torch.rand(4, 3, 9, 8, generator=torch.Generator().manual_seed(13))
    removed = blob_masks(4, 9, 8)
    found = linear_imputation(images, removed)
    kept = ~removed[:, None].expand_as(images)
    assert torch.equal(found[kept], images[kept])
    poisoned = images.masked_fill(removed[:, None], torch.nan)
    assert torch.equal(found, linear_imputation(poisoned, removed))


def test_an_even_surrounding_is_continued_evenly():
    removed = blob_masks(5, 20, 31)
    found = linear_imputation(torch.full((5, 1, 20, 31), 0.7), removed)
    assert torch.allclose(found, torch.tensor(0.7), atol=1e-4)


def test_filled_values_lie_within_the_kept_ones():
    images = torch.rand(5, 1, 24, 17, generator=torch.Generator().manual_seed(14))
    found = linear_imputation(images, blob_masks(5, 24, 17))
    assert found.min() > -1e-4
    assert found.max() < 1 + 1e-4


def test_one_image_does_not_depend_on_its_batch():
    images = torch.rand(6, 1, 16, 12, generator=torch.Generator().manual_seed(15))
    removed = blob_masks(6, 16, 12)
    together = linear_imputation(images, removed)
    alone = torch.cat([linear_imputation(images[i : i + 1], removed[i : i + 1]) for i in range(6)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_nothing_removed_and_everything_removed():
    images = torch.rand(2, 1, 6, 5)
    removed = torch.stack([torch.zeros(6, 5), torch.ones(6, 5)]).bool()
    found = linear_imputation(images, removed)
    assert torch.equal(found[0], images[0])
    assert torch.equal(found[1], torch.zeros(1, 6, 5))


@pytest.mark.usefixtures("as_a_user")
def test_wrong_masks_and_tolerances_are_refused():
    images = torch.rand(2, 1, 6, 5)
    with pytest.raises(OptionError, match="tolerance"):
        linear_imputation(images, torch.zeros(2, 6, 5).bool(), tolerance=0.0)
    with pytest.raises(ShapeError, match="do not fit"):
        linear_imputation(images, torch.zeros(2, 5, 6).bool())
