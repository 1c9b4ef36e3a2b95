"""Non-negative matrix factorization by multiplicative updates, and where its concepts are present."""

__all__ = ["Factorization", "factorize"]

from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.amount import amount
from figureground.base.errors import OptionError, ShapeError

_EPSILON = 1e-7
_CHECK_EVERY = 10


@dataclass(frozen=True)
class Factorization:
    """``V ≈ W H`` with nothing negative.

    Args:
        presence: ``W``, ``(rows, k)``: how much of each concept a row holds, for concepts of length one.
        concepts: ``H``, ``(k, columns)``, each of Euclidean length one, the one with the largest energy first.
        energy: ``(k,)``: share of the reconstruction's total that each concept carries, sums to one.
        error: ``‖V - WH‖ / ‖V‖`` (Frobenius).
        iterations: How many updates were made.
    """

    presence: Tensor
    concepts: Tensor
    energy: Tensor
    error: float
    iterations: int


def factorize(
    matrix: Tensor, count: int, *, iterations: int = 200, tolerance: float = 1e-4, seed: int = 0
) -> Factorization:
    """Non-negative factorization by the multiplicative updates of Lee & Seung, which never raise the error.

    Started from ``|N(0, 1)| · sqrt(mean(V) / k)``; stopped when ten updates lower the error by less
    than ``tolerance`` of the error at the start. Rows and columns that are zero stay zero.

    Args:
        matrix: ``V``, ``(rows, columns)``, not negative.
        count: k, how many concepts; at most the smaller side.
        iterations: Most updates.
        tolerance: See above.
        seed: For the start.

    Returns:
        The factorization, concepts sorted by energy.

    Raises:
        OptionError: k does not fit the matrix.
        ShapeError: The matrix has negative or non-finite entries.

    References:
        Lee & Seung (2001). Algorithms for Non-negative Matrix Factorization. NeurIPS.
        Collins, Achanta & Süsstrunk (2018). Deep Feature Factorization for Concept Discovery. ECCV, arXiv 1806.10206.
    """
    if not 1 <= count <= min(matrix.shape):
        raise OptionError(
            f"{amount(count, 'concept')} asked for; a {tuple(matrix.shape)} matrix has 1 to {min(matrix.shape)}"
        )
    if not bool(torch.isfinite(matrix).all()) or bool((matrix < 0).any()):
        raise ShapeError("a matrix to be factorized must be finite and not negative")
    generator = torch.Generator().manual_seed(seed)
    scale = (matrix.mean() / count).sqrt()
    w, h = (
        (torch.randn(shape, generator=generator).abs().to(matrix) + _EPSILON) * scale
        for shape in ((matrix.shape[0], count), (count, matrix.shape[1]))
    )
    first = previous = _error(matrix, w, h)
    done = 0
    while done < iterations:
        h = h * (w.T @ matrix) / ((w.T @ w) @ h + _EPSILON)
        w = w * (matrix @ h.T) / (w @ (h @ h.T) + _EPSILON)
        done += 1
        if done % _CHECK_EVERY == 0:
            error = _error(matrix, w, h)
            if previous - error < tolerance * first:
                break
            previous = error
    return _sorted(matrix, w, h, iterations=done)


def _error(matrix: Tensor, w: Tensor, h: Tensor) -> float:
    """Relative Frobenius error."""
    norm = matrix.norm()
    return float((matrix - w @ h).norm() / norm) if float(norm) > 0 else 0.0


def _sorted(matrix: Tensor, w: Tensor, h: Tensor, *, iterations: int) -> Factorization:
    """Concepts of length one, strongest first."""
    length = h.norm(dim=1)
    error = _error(matrix, w, h)
    w, h = w * length, h / length.clamp_min(torch.finfo(h.dtype).tiny)[:, None]
    energy = w.sum(0) * h.sum(1)
    energy = energy / energy.sum().clamp_min(torch.finfo(h.dtype).tiny)
    order = energy.argsort(descending=True, stable=True)
    return Factorization(w[:, order], h[order], energy[order], error, iterations)
