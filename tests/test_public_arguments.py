"""Whatever is given to a public function, the answer is a result or an error of ours."""

import importlib
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import AbstractArray
from torch import Tensor

import figureground as fg
from figureground.base.errors import FigureGroundError, OptionError, ShapeError
from figureground.metrics.information import class_sums
from figureground.metrics.intervals import Interval
from figureground.metrics.localisation.box_accuracy import ChosenThreshold
from figureground.metrics.reliance import Pairs, cross

PACKAGES = ("figureground.maps", *(f"figureground.metrics.{kind}" for kind in fg.metrics.__all__))
SIZES = {
    "N": 2,
    "H": 12,
    "W": 16,
    "h": 6,
    "w": 8,
    "c": 3,
    "C": 3,
    "K": 2,
    "L": 4,
    "S": 5,
    "T": 5,
    "B": 2,
    "A": 2,
}
SIZES |= {"R": 3, "n": 6, "bins": 6, "M": 2, "_": 2, "...": 2}


def score(images: Tensor) -> Tensor:
    """Two logits of each image."""
    return torch.stack([images.mean((1, 2, 3)), images.amax((1, 2, 3))], 1)


def explain(images: Tensor, _: Tensor) -> Tensor:
    return images.mean(1)


PAIRS = cross(torch.tensor([0, 1, 0, 1]), seed=0)
CROSSED = {
    "pairs": PAIRS,
    "labels": torch.tensor([0, 1, 0, 1]),
    "scores": torch.rand(len(PAIRS), 2),
    "probabilities": torch.rand(len(PAIRS), 2),
    "best": torch.zeros(len(PAIRS), dtype=torch.int64),
}
FOR_TWO = Pairs(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0, 0]))

NAMED: dict[str, Any] = {
    "score": score,
    "explain": explain,
    "thresholds": np.arange(0, 1, 0.2),
    "shares": np.arange(0, 1, 0.2),
    "true_boxes": [torch.tensor([[1.0, 1, 5, 4]])] * 2,
    "boxes": [torch.tensor([[1.0, 1, 5, 4]])] * 2,
    "fractions": torch.linspace(0, 1, 5),
    "labels": torch.tensor([0, 1]),
    "classes": torch.tensor([0, 1]),
    "omitted": [3],
    "size": (5, 7),
    "frame": (0.1, 0.0, 0.9, 1.0),
    "window": (1.0, 0.0, 9.0, 12.0),
    "new_size": (7, 5),
    "seed": 0,
    "k": 1,
    "severity": 1,
    "shorter_side": 32,
    "positives": 2,
    "count": 10,
    "height": 9,
    "top": 0.1,
    "left": 0.1,
    "num_classes": 3,
    "pixels": 1,
    "p_values": np.array([0.01, 0.2]),
    "interval": Interval(0.1, 0.0, 0.2, 0.95, 9),
    "delta": 0.05,
    "value": 0.1,
    "level": 0.9,
}
PARTICULAR: dict[str, dict[str, Any]] = {
    "corrupt": {"name": "contrast"},
    "corruption_strength": {"name": "contrast"},
    "macro_f1": {"classes": 2, "predicted": torch.tensor([0, 1])},
    "mean_average_precision": {"classes": 2},
    "mean_average_precision_interval": {"classes": 2},
    "iou": {"boxes": torch.tensor([[0.0, 0, 2, 2]]), "others": torch.tensor([[1.0, 1, 2, 2]])},
    "scale_boxes": {"boxes": torch.tensor([[0.0, 0, 2, 2]])},
    "draw_boxes": {"boxes": torch.tensor([[0.0, 0, 2, 2]])},
    "fuse_maps": {"stacks": [torch.rand(2, 6, 8)] * 2},
    "information_of": {"sums": class_sums(torch.rand(4, 2), torch.tensor([0, 1, 0, 1]))},
    "crossed_scores": {"pairs": FOR_TWO},
    "cells_of": CROSSED,
    "reliance": CROSSED,
    "pull_test": CROSSED,
    "per_image": CROSSED,
    "cross": {"labels": torch.tensor([0, 1, 0, 1, 1])},
    "numbers_of": {"cells": torch.rand(2, 3, 4, dtype=torch.float64)},
    "node_weights": {"images": 5, "draws": 3},
    "refined": {"boxes": torch.rand(2, 12, 16) > 0.5},
    "percentiles": {"images": 9},
    "prediction_powered_mean": {"estimated_all": torch.rand(8)},
    "only_background": {"logits": torch.rand(2, 3)},
    "frozen_accuracy": {"chosen": ChosenThreshold(0.2, 1, 0.5, 0.9)},
}


def made(hint: Any, name: str) -> Any:
    """A value for a parameter without default."""
    options = typing.get_args(hint) or (hint,)
    kind = next(
        (one for one in options if isinstance(one, type) and issubclass(one, AbstractArray)), None
    )
    if kind is None:
        raise LookupError(f"no value for {name}: {hint}")
    words = kind.dim_str.split()
    shape = [SIZES.get(word, int(word) if word.isdigit() else 2) for word in words]
    random = torch.Generator().manual_seed(len(name))
    if "Bool" in kind.__name__:
        return torch.rand(shape, generator=random) < 0.5
    if "UInt8" in kind.__name__:
        return (torch.rand(shape, generator=random) * 255).to(torch.uint8)
    if "Int" in kind.__name__ or name == "masks":
        return (torch.rand(shape, generator=random) < 0.5).long()
    return torch.rand(shape, generator=random)


def functions() -> dict[str, Callable[..., Any]]:
    """All public functions of maps and metrics, by address."""
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            if inspect.isfunction(getattr(module, name)):
                found[f"{package}.{name}"] = getattr(module, name)
    return found


def arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """Arguments that the function takes: every parameter without default, and tensors with one."""
    hints, name = typing.get_type_hints(function), function.__name__
    own = PARTICULAR.get(name, {})
    given = {}
    for word, parameter in inspect.signature(function).parameters.items():
        if word in own:
            given[word] = own[word]
        elif parameter.default is inspect.Parameter.empty:
            given[word] = NAMED[word] if word in NAMED else made(hints[word], word)
    return given


def bad(value: Any) -> Sequence[Any]:
    """None, a NumPy scalar, text, a wrong rank, nothing, NaN."""
    wrong = [
        None,
        np.float32(1.5),
        np.int64(2),
        "x",
        object(),
        [],
        torch.zeros(()),
        np.zeros((1, 1, 1, 1, 1)),
    ]
    if isinstance(value, Tensor):
        wrong += [
            value[:0],
            value[None],
            value.flatten(),
            value[..., :1],
            value.numpy(),
            value.tolist(),
        ]
        wrong += [value.to(torch.complex64), value.bool(), value.int()]
        if value.is_floating_point():
            wrong += [value * torch.nan, value.double(), value.half(), value * torch.inf, -value]
    if isinstance(value, list):
        wrong += [
            value[:1],
            [None],
            [1, 2],
            [torch.zeros(0, 4)] * 2,
            [torch.zeros(4)] * 2,
            [torch.ones(1, 4) * torch.nan] * 2,
        ]
    if isinstance(value, int | float):
        wrong += [-1, 0, 10**5, float("nan"), float("inf"), 0.5]
    if isinstance(value, tuple):
        wrong += [(0, 0), (1,), (1, 2, 3), (-1, 5), (None, 2), (1.5, 2)]
    return wrong


@pytest.mark.parametrize("address", functions())
def test_a_wrong_argument_is_an_error_of_ours(address: str):
    function = functions()[address]
    good = arguments(function)
    function(**good)
    for name, value in good.items():
        if name in {"score", "explain"}:
            continue
        for wrong in bad(value):
            try:
                function(**good | {name: wrong})
            except FigureGroundError:
                continue
            except Exception as error:  # noqa: BLE001 - that there is none is what is tested
                text = str(wrong.shape) if hasattr(wrong, "shape") else repr(wrong)
                pytest.fail(
                    f"{name}={type(wrong).__name__} {text}: {type(error).__name__}: {str(error)[:300]}"
                )


def test_a_wrong_argument_is_named_with_what_is_wanted():
    with pytest.raises(ShapeError, match=r"'boxes' is a tensor of shape \(A 4\), not list"):
        fg.metrics.localisation.iou([[0, 0, 1, 1]], torch.zeros(1, 4))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"not a tensor of float32 of shape \(1 1 8 8\)"):
        fg.metrics.localisation.best_overlaps(
            torch.rand(1, 1, 8, 8), [torch.ones(1, 4)], thresholds=[0.5]
        )
    with pytest.raises(OptionError, match="'k' is int, not str 'x'"):
        fg.metrics.classification.recall_at_k(torch.rand(3), torch.ones(3) > 0, k="x")  # type: ignore[arg-type]
