"""What both interfaces refuse: maps that are no numbers, and targets that are no single number."""

__all__ = ["one_number", "refuse_non_finite"]

from typing import Any

import torch
from torch import Tensor

from figureground.base.errors import MapError, ShapeError
from figureground.methods import Explanation


def refuse_non_finite(found: Explanation, *, first: int = 0) -> None:
    """Refuse maps that hold NaN or infinity, as arrays and tensors have no place to report them in.

    Args:
        found: What the explainer found.
        first: Position of its first image in the caller's batch.

    Raises:
        MapError: There is such a map; names the image.
    """
    for problem in found.problems:
        if problem.kind == "non-finite":
            raise MapError(
                f"{problem.method} of image {first + problem.image}: {problem.message}; the image, the weights or the "
                "activations hold NaN or infinity"
            )


def one_number(value: Any, target: object) -> Tensor:
    """What a target gave, as a scalar.

    Args:
        value: A number, or a tensor of one.
        target: Gave it.

    Returns:
        ``()``, part of the graph.

    Raises:
        ShapeError: It is several numbers, or none.
    """
    tensor = torch.as_tensor(value)
    if tensor.numel() != 1:
        name = getattr(target, "__name__", type(target).__name__)
        raise ShapeError(
            f"a target gives one number for each image; {name} gave {tuple(tensor.shape)}: choose one of them, or add "
            "them up in the target"
        )
    return tensor.reshape(())
