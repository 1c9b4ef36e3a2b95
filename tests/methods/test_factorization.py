"""Non-negative factorization against scikit-learn's multiplicative updates, and its laws."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.decomposition import NMF

from figureground.base.errors import OptionError, ShapeError
from figureground.methods.factorization import factorize


def planted(rows: int = 40, columns: int = 12, count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix of exactly this rank, whose concepts share no column, and the concepts."""
    generator = torch.Generator().manual_seed(4)
    concepts = torch.zeros(count, columns)
    for k in range(count):
        concepts[k, k * columns // count : (k + 1) * columns // count] = torch.rand(
            columns // count, generator=generator
        )
    presence = torch.rand(rows, count, generator=generator) * (
        torch.rand(rows, count, generator=generator) > 0.5
    )
    return presence @ concepts, torch.nn.functional.normalize(concepts, dim=1)


def test_equals_scikit_learn_from_the_same_start():
    matrix = torch.rand(14, 9, generator=torch.Generator().manual_seed(0)).double()
    start = torch.Generator().manual_seed(5)
    scale = (matrix.mean() / 4).sqrt()
    w = (torch.randn(14, 4, generator=start).abs().double() + 1e-7) * scale
    h = (torch.randn(4, 9, generator=start).abs().double() + 1e-7) * scale
    # scikit-learn updates the left factor first, ours the right one: factorize the transpose
    theirs = NMF(4, solver="mu", init="custom", tol=0, max_iter=60)
    left = theirs.fit_transform(matrix.T.numpy(), W=h.T.numpy().copy(), H=w.T.numpy().copy())
    expected = (left @ theirs.components_).T
    ours = factorize(matrix, 4, iterations=60, tolerance=-1.0, seed=5)
    np.testing.assert_allclose((ours.presence @ ours.concepts).numpy(), expected, atol=1e-4)
    norm = float(np.linalg.norm(matrix.numpy() - expected) / matrix.norm())
    assert ours.error == pytest.approx(norm, rel=1e-4)


def test_error_never_rises():
    matrix = torch.rand(20, 10, generator=torch.Generator().manual_seed(1))
    runs = [factorize(matrix, 3, iterations=n, tolerance=-1.0).error for n in range(25)]
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(runs))
    assert runs[-1] < runs[0] / 1.5


def test_planted_concepts_are_found():
    matrix, concepts = planted()
    found = factorize(matrix, 3, iterations=500, tolerance=1e-7)
    assert found.error < 0.02
    assert ((concepts @ found.concepts.T).amax(1) > 0.99).all()


def test_concepts_have_length_one_and_fall_in_energy():
    matrix, _ = planted()
    found = factorize(matrix, 3)
    torch.testing.assert_close(found.concepts.norm(dim=1), torch.ones(3))
    assert found.energy.sum().item() == pytest.approx(1)
    assert (found.energy.diff() <= 0).all()
    parts = found.presence.sum(0) * found.concepts.sum(1)
    torch.testing.assert_close(parts / parts.sum(), found.energy)


def test_nothing_is_negative_and_empty_rows_stay_empty():
    matrix, _ = planted()
    matrix[5] = 0
    found = factorize(matrix, 3)
    assert (found.presence >= 0).all()
    assert (found.concepts >= 0).all()
    assert not found.presence[5].any()


def test_a_zero_matrix_has_error_zero():
    found = factorize(torch.zeros(4, 3), 2)
    assert found.error == 0
    assert torch.isfinite(found.presence).all()


def test_stops_when_nothing_is_gained():
    assert factorize(torch.ones(6, 4), 1, iterations=200).iterations < 200


@pytest.mark.parametrize("count", [0, 4])
def test_a_count_that_does_not_fit_is_refused(count):
    with pytest.raises(OptionError, match=f"{count} concepts asked for.*1 to 3"):
        factorize(torch.rand(5, 3), count)


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_negative_and_non_finite_entries_are_refused(bad):
    matrix = torch.ones(4, 3)
    matrix[1, 1] = bad
    with pytest.raises(ShapeError, match="finite and not negative"):
        factorize(matrix, 2)
