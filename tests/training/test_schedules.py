"""Learning rates against closed forms; optimisers have the recipe's numbers."""

import math

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.training.recipe import OptimiserSpec, ScheduleSpec
from figureground.training.schedules import make_optimiser, make_schedule


def rates(steps=20, **options):
    optimiser = make_optimiser([torch.nn.Parameter(torch.zeros(1))], OptimiserSpec(lr=2.0))
    schedule = make_schedule(optimiser, ScheduleSpec(**options), steps)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


def test_cosine_falls_from_the_rate_to_zero():
    wanted = [1 + math.cos(math.pi * step / 20) for step in range(20)]
    assert rates(kind="cosine") == pytest.approx(wanted)


def test_constant_stays():
    assert rates(kind="constant") == [2.0] * 20


def test_steps_multiply_at_each_milestone():
    wanted = [2.0] * 10 + [0.5] * 5 + [0.125] * 5
    assert rates(kind="steps", milestones=(0.5, 0.75), gamma=0.25) == pytest.approx(wanted)


def test_warm_up_is_a_straight_line():
    found = rates(kind="constant", warm_up=0.2)
    assert found[:4] == pytest.approx([2.0 * (step + 1) / 5 for step in range(4)])
    assert found[4:] == [2.0] * 16


def test_one_cycle_is_half_a_cosine_up_and_half_a_cosine_down():
    found = rates(40, kind="one-cycle", warm_up=0.25)
    low, high, end = 2.0 / 25, 2.0, 2.0e-5
    up = [low + (high - low) * (1 - math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    down = [end + (high - end) * (1 + math.cos(math.pi * step / 30)) / 2 for step in range(30)]
    assert found == pytest.approx(up + down)


def test_optimisers_have_the_numbers_of_the_recipe():
    spec = OptimiserSpec(kind="sgd", lr=0.3, momentum=0.8, weight_decay=0.01, nesterov=True)
    sgd = make_optimiser([torch.nn.Parameter(torch.zeros(1))], spec)
    assert isinstance(sgd, torch.optim.SGD)
    group = sgd.param_groups[0]
    assert [group[key] for key in ("lr", "momentum", "weight_decay", "nesterov")] == [
        0.3,
        0.8,
        0.01,
        True,
    ]
    spec = OptimiserSpec(kind="adamw", lr=0.3, weight_decay=0.02)
    adamw = make_optimiser([torch.nn.Parameter(torch.zeros(1))], spec)
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.param_groups[0]["weight_decay"] == 0.02


def test_unknown_names_are_refused_with_the_closest():
    weight = [torch.nn.Parameter(torch.zeros(1))]
    with pytest.raises(OptionError, match="no optimiser 'adam'; closest: 'adamw'"):
        make_optimiser(weight, OptimiserSpec(kind="adam"))
    optimiser = make_optimiser(weight, OptimiserSpec())
    with pytest.raises(OptionError, match="no schedule 'cosin'; closest: 'cosine'"):
        make_schedule(optimiser, ScheduleSpec(kind="cosin"), 3)
