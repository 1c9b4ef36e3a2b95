"""Where the logits are in what a classifier returned."""

__all__ = ["find_logits"]

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from figureground.base.errors import ModelError
from figureground.base.shapes import Logits

_NAMES = (
    *("logits", "logit", "cls", "cls_logits", "class_logits", "scores"),
    *("out", "output", "prediction", "predictions"),
)


def find_logits(output: object, count: int, pick: Callable[[Any], Tensor] | None = None) -> Logits:
    """The logits in what a classifier returned for a batch of images.

    A tensor is taken as it is. In a dict, an object or a named tuple the logits stand under one of the usual names
    (``logits``, ``cls``, ``cls_logits``, ``class_logits``, ``scores``, ``out``, ``output``, ...): the first that fits.
    A tuple or a list must hold exactly one float tensor ``(N, L)``. Nothing is guessed beyond that.

    Args:
        output: What the model returned.
        count: N, the number of images that went in.
        pick: The caller's own way to find the logits, where the above does not.

    Returns:
        ``(N, L)`` in the model's own precision; one value per image ``(N,)`` becomes ``(N, 1)``, and ``(N, L, 1, 1)``
        loses its single position.

    Raises:
        ModelError: There is no such tensor, or several; the message lists the tensors with their shapes.

    Examples:
        >>> import torch
        >>> find_logits({"loss": torch.tensor(0.5), "cls": torch.ones(2)}, 2).shape
        torch.Size([2, 1])
        >>> find_logits((torch.ones(2, 3), torch.ones(2, 64, 7, 7)), 2).shape
        torch.Size([2, 3])
    """
    if pick is not None:
        output = pick(output)
    if isinstance(output, Tensor):
        found = _as_logits(output, count)
        if found is not None:
            return found
        raise ModelError(_wanted(count) + f"; the model returned {_described(output)}")
    for name in _NAMES:
        value = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        found = _as_logits(value, count)
        if found is not None:
            return found
    if isinstance(output, list | tuple):
        rows = [one for one in output if isinstance(one, Tensor) and one.ndim == 2]
        fitting = [one for one in rows if _as_logits(one, count) is not None]
        if len(fitting) == 1:
            return fitting[0]
    raise ModelError(_nothing_found(output, count))


def _as_logits(value: object, count: int) -> Logits | None:
    """``(N, L)`` where the value is one row of float scores per image, else None."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim == 0:
        return None
    rows = value[:, None] if value.ndim == 1 else value
    if rows.shape[0] != count or rows.shape[1] == 0 or rows.shape[2:].numel() != 1:
        return None
    return rows if rows.ndim == 2 else rows.flatten(1)


def _wanted(count: int) -> str:
    return f"logits are floats (N, L) with N = {count}"


def _nothing_found(output: object, count: int) -> str:
    """The message that lists what there is and says how to name the right one."""
    listed = ", ".join(
        f"{place} {_described(value)}"
        for place, value in _items(output)
        if isinstance(value, Tensor)
    )
    kind = type(output).__name__
    return (
        f"cannot tell the logits in what the model returned ({kind}: {listed or 'no tensors'}); {_wanted(count)}. "
        "In the library name them with output=lambda returned: ...; in a model file let the network return them alone"
    )


def _items(output: object) -> list[tuple[str, object]]:
    """What a structure holds, with the way to it."""
    if isinstance(output, Mapping):
        return [(f"[{key!r}]", value) for key, value in output.items()]
    if isinstance(output, list | tuple):
        return [(f"[{position}]", value) for position, value in enumerate(output)]
    if is_dataclass(output) and not isinstance(output, type):
        return [(f".{field.name}", getattr(output, field.name)) for field in fields(output)]
    return [(f".{name}", value) for name, value in getattr(output, "__dict__", {}).items()]


def _described(tensor: Tensor) -> str:
    """Shape and type: ``(2, 5, 7, 7) float32``."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
