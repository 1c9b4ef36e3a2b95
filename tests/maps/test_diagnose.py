"""Maps that cannot be read, and why."""

import re

import pytest
import torch

from figureground.base.seeds import generator
from figureground.maps.post_processing import diagnose


def good_maps() -> torch.Tensor:
    return torch.randn(2, 3, 4, 5, generator=generator(4)) + 1


def test_good_maps_have_no_problem():
    assert diagnose(good_maps()) == []


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda scores: scores.fill_(0), "zero", "every value is zero"),
        (lambda scores: scores.fill_(2.5), "constant", r"every value is 2\.5"),
        (lambda scores: scores.abs_().neg_().sub_(1), "negative-only", "no value is above zero"),
        (lambda scores: scores[0, :3].fill_(float("nan")), "non-finite", "3 of 20 values"),
        (lambda scores: scores[0, 1].fill_(float("-inf")), "non-finite", "1 of 20 values"),
    ],
)
def test_problem_is_found_named_and_placed(change, kind, words):
    maps = good_maps()
    change(maps[1, 2])
    (problem,) = diagnose(maps)
    assert (problem.image, problem.class_position, problem.kind) == (1, 2, kind)
    assert re.search(words, problem.message)


def test_map_of_one_negative_value_is_constant_not_negative_only():
    assert [problem.kind for problem in diagnose(torch.full((1, 1, 3, 2), -1.0))] == ["constant"]


def test_map_with_zeros_and_negative_values_is_negative_only():
    maps = torch.tensor([[[[0.0, -1.0]]]])
    assert [problem.kind for problem in diagnose(maps)] == ["negative-only"]


def test_problems_come_in_the_order_of_images_and_classes():
    maps = good_maps()
    maps[1, 0] = 0
    maps[0, 2] = float("nan")
    maps[0, 1] = 3
    places = [(problem.image, problem.class_position) for problem in diagnose(maps)]
    assert places == [(0, 1), (0, 2), (1, 0)]


def test_empty_batch_has_no_problem():
    assert diagnose(torch.zeros(0, 2, 3, 3)) == []
