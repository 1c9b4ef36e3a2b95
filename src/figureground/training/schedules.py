"""Optimisers and learning-rate schedules that the papers use."""

__all__ = ["OPTIMISERS", "SCHEDULES", "make_optimiser", "make_schedule"]

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from figureground.base.errors import unknown_option
from figureground.training.recipe import OptimiserSpec, ScheduleSpec

Value = TypeVar("Value")

OPTIMISERS: dict[str, Callable[[list[dict[str, Any]], OptimiserSpec], Optimizer]] = {
    "sgd": lambda parameters, spec: torch.optim.SGD(
        parameters, spec.lr, spec.momentum, weight_decay=spec.weight_decay, nesterov=spec.nesterov
    ),
    "adamw": lambda parameters, spec: torch.optim.AdamW(
        parameters, spec.lr, weight_decay=spec.weight_decay
    ),
}

# each gives the factor of the learning rate at a fraction of the run, in [0, 1), from the schedule's options
SCHEDULES: dict[str, Callable[[float, ScheduleSpec], float]] = {
    "constant": lambda _at, _spec: 1.0,
    "cosine": lambda at, _spec: 0.5 * (1 + math.cos(math.pi * at)),
    "steps": lambda at, spec: spec.gamma ** sum(at >= milestone for milestone in spec.milestones),
    "one-cycle": lambda at, spec: _one_cycle(at, spec.warm_up),
}


def make_optimiser(groups: Sequence[Any], spec: OptimiserSpec) -> Optimizer:
    """The optimiser of a recipe.

    Args:
        groups: What it changes: parameters, or groups of them as ``parameter_groups`` gives them.
        spec: Its kind and numbers.

    Returns:
        The optimiser.

    Raises:
        OptionError: An unknown kind.
    """
    return _known(OPTIMISERS, "optimiser", spec.kind)(list(groups), spec)


def make_schedule(optimiser: Optimizer, spec: ScheduleSpec, total_steps: int) -> LambdaLR:
    """A learning rate that follows the schedule, step by step.

    Args:
        optimiser: Whose learning rate.
        spec: Its kind and numbers; milestones are fractions of the run.
        total_steps: Of the run.

    Returns:
        The schedule; call ``step()`` after every optimiser step.

    Raises:
        OptionError: An unknown kind.
    """
    shape = _known(SCHEDULES, "schedule", spec.kind)
    ramp = spec.warm_up if spec.kind != "one-cycle" else 0.0

    def factor(step: int) -> float:
        at = min(step / max(1, total_steps), 1.0)
        return (step + 1) / (ramp * total_steps + 1) if at < ramp else shape(at, spec)

    return LambdaLR(optimiser, factor)


def _one_cycle(at: float, warm_up: float) -> float:
    """Cosine up from 1/25 to 1 within the warm-up, cosine down to 1e-5 after it (Smith & Topin 2018)."""
    low, end = 1 / 25, 1e-5
    if at < warm_up:
        return low + (1 - low) * 0.5 * (1 - math.cos(math.pi * at / warm_up))
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * (at - warm_up) / (1 - warm_up)))


def _known(options: dict[str, Value], kind: str, name: str) -> Value:
    if name not in options:
        raise unknown_option(kind, name, options)
    return options[name]
