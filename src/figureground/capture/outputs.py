"""What layers return: tensors, tuples, dicts and objects."""

__all__ = ["first_tensor", "with_first_tensor"]

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from figureground.base.errors import ShapeError


def first_tensor(output: object) -> Tensor | None:
    """The first tensor in what a module returned, looking into tuples, lists, dicts and dataclasses.

    Args:
        output: What the module returned.

    Returns:
        The tensor, or None where there is none.
    """
    if isinstance(output, Tensor):
        return output
    for value in _values(output):
        found = first_tensor(value)
        if found is not None:
            return found
    return None


def with_first_tensor(output: Any, tensor: Tensor) -> Any:  # noqa: ANN401 - whatever a module returns
    """The same structure with its first tensor exchanged; the given structure is not changed.

    Args:
        output: What a module returned.
        tensor: What to put in place of its first tensor.

    Returns:
        A structure of the same kind.

    Raises:
        ShapeError: The structure holds no tensor.
    """
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, Mapping):
        return _exchange_in_mapping(output, tensor)
    if isinstance(output, list | tuple):
        position = _first_position(output)
        items = [with_first_tensor(v, tensor) if i == position else v for i, v in enumerate(output)]
        return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
    if is_dataclass(output) and not isinstance(output, type):
        names = [field.name for field in fields(output)]
        name = names[_first_position([getattr(output, name) for name in names])]
        return replace(output, **{name: with_first_tensor(getattr(output, name), tensor)})
    raise ShapeError(f"a layer returned {type(output).__name__}, which holds no tensor")


def _values(output: object) -> list[object]:
    """What a structure holds, in order."""
    if isinstance(output, Mapping):
        return list(output.values())
    if isinstance(output, list | tuple):
        return list(output)
    if is_dataclass(output) and not isinstance(output, type):
        return [getattr(output, field.name) for field in fields(output)]
    return []


def _first_position(values: list[Any] | tuple[Any, ...]) -> int:
    """Where the first tensor is."""
    for position, value in enumerate(values):
        if first_tensor(value) is not None:
            return position
    raise ShapeError("a layer returned a structure that holds no tensor")


def _exchange_in_mapping(output: Mapping[Any, Any], tensor: Tensor) -> Any:  # noqa: ANN401
    """A copy of a dict-like output (plain dict, OrderedDict, transformers' ModelOutput) with one value exchanged."""
    keys = list(output)
    key = keys[_first_position([output[k] for k in keys])]
    changed = {k: with_first_tensor(v, tensor) if k == key else v for k, v in output.items()}
    kind: Any = type(output)
    return kind(**changed) if hasattr(kind, "__dataclass_fields__") else kind(changed)
