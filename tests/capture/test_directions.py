"""Combinations of logits, kept as class numbers or dense."""

import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.capture import Directions


def dense_of(directions: Directions, n: int, count: int) -> torch.Tensor:
    """The same directions as ``(N, K, L)`` weights, by loops."""
    assert directions.indices is not None
    out = torch.zeros(n, directions.count, count)
    for i in range(n):
        for k in range(directions.count):
            row = i if directions.indices.shape[0] > 1 else 0
            sign = 1.0 if directions.signs is None else float(directions.signs[row, k])
            out[i, k, directions.indices[row, k]] = sign
    return out


CASES = [
    Directions(indices=torch.tensor([[3, 1, 0]])),
    Directions(indices=torch.tensor([[3, 1, 1], [0, 2, 3]])),
    Directions(indices=torch.tensor([[0, 0]]), signs=torch.tensor([[-1.0, 1.0]])),
]


@pytest.mark.parametrize("directions", CASES)
def test_numbers_and_dense_weights_say_the_same(directions):
    generator = torch.Generator().manual_seed(0)
    dense = Directions(dense=dense_of(directions, 2, 4))
    matrix = torch.randn(4, 6, generator=generator)
    logits = torch.randn(2, 4, generator=generator)
    maps = torch.randn(2, 4, 3, 5, generator=generator)
    weights = directions.weights(matrix)
    torch.testing.assert_close(weights.expand(2, -1, -1), dense.weights(matrix))
    torch.testing.assert_close(directions.select(logits), dense.select(logits))
    torch.testing.assert_close(directions.select(maps), dense.select(maps))
    for k in range(directions.count):
        torch.testing.assert_close(directions.cotangent(k, logits), dense.cotangent(k, logits))


@pytest.mark.parametrize("directions", CASES)
def test_parts_put_together_are_the_whole(directions):
    logits = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    parts = [directions.part(k, k + 1).select(logits) for k in range(directions.count)]
    assert torch.equal(torch.cat(parts, 1), directions.select(logits))


def test_repeated_follows_whole_copies_of_the_batch():
    directions = CASES[1].repeated(3)
    logits = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    expected = CASES[1].select(logits).repeat(3, 1)
    assert torch.equal(directions.select(logits.repeat(3, 1)), expected)
    assert CASES[0].repeated(3).indices is CASES[0].indices


def test_neither_and_both_are_refused():
    with pytest.raises(ShapeError, match="either class numbers or dense weights"):
        Directions()
    with pytest.raises(ShapeError, match="either"):
        Directions(indices=torch.zeros(1, 1).long(), dense=torch.zeros(1, 1, 1))
