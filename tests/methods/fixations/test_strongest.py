"""Largest products of pairs of rows, against the products laid out."""

import pytest
import torch

from figureground.methods.fixations.strongest import strongest_products


def pairs(dtype=torch.float32, channels=7):
    source = torch.Generator().manual_seed(0)
    values = torch.randn(11, channels, generator=source, dtype=dtype)
    weight = torch.randn(5, channels, generator=source, dtype=dtype)
    rows = torch.randint(11, (40,), generator=source)
    units = torch.randint(5, (40,), generator=source)
    return values, weight, rows, units


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_column_is_that_of_the_largest_product(dtype):
    values, weight, rows, units = pairs(dtype)
    found = strongest_products(values, weight, rows, units=units)
    assert torch.equal(found, (values[rows] * weight[units]).max(1).indices)


def test_loops_and_rows_that_are_not_contiguous_agree():
    values, weight, rows, units = pairs()
    scattered = values.t().contiguous().t()
    assert not scattered.is_contiguous()
    found = strongest_products(values, weight, rows, units=units)
    assert torch.equal(found, strongest_products(scattered, weight, rows, units=units))


def test_first_of_equal_products_wins_and_no_pairs_give_none():
    ones = torch.ones(1, 3)
    none = torch.zeros(0, dtype=torch.int64)
    assert strongest_products(ones, ones, torch.tensor([0]), units=torch.tensor([0])).tolist() == [
        0
    ]
    assert strongest_products(ones, ones, none, units=none).tolist() == []
    assert strongest_products(ones.double(), ones.double(), none, units=none).tolist() == []
