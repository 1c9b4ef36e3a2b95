"""Weights files read as tensors by name, without running any code in them."""

__all__ = ["IDENTITY", "averaged", "flat", "read_tensors", "read_weights", "weights_identity"]

import argparse
import collections
import pathlib
import pickle
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from figureground.base.errors import ModelError
from figureground.base.identity import digest, tensor_identity

IDENTITY = "figureground identity"
"""Name under which a file of a run's weights says what they are."""

_DEEPEST = 5
_RESTORED = ("best", "last")  # which a resumed run writes again
_AVERAGED = ("ema", "averag", "shadow", "swa")


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """The tensors in a weights file, by name, without what is wrapped around them.

    Args:
        path: A safetensors file, or one written by ``torch.save``; told apart by content, not by name.

    Returns:
        Name -> tensor on the CPU: of averaged weights where there are some, else of the largest mapping in the file.

    Raises:
        ModelError: The file is missing, is not a weights file, or holds code.
    """
    found = read_tensors(path)
    ranked = sorted(found, key=lambda place: (not averaged(place), -len(found[place])))
    return found[ranked[0]]


def read_tensors(path: Path | str) -> dict[str, dict[str, Tensor]]:
    """Every mapping of names to tensors in a weights file.

    Args:
        path: As for ``read_weights``.

    Returns:
        Where the mapping is, keys joined by dots (an empty text for the outermost), -> its tensors on the CPU.

    Raises:
        ModelError: The file is missing, damaged, or not a weights file, holds code, or holds no tensors.
    """
    file = Path(path)
    if not file.is_file():
        raise ModelError(f"no weights file {file}")
    try:
        content = load_file(file) if _is_safetensors(file) else _unpickled(file)
    except ModelError:
        raise
    except Exception as error:  # readers raise nearly anything on files that are none
        raise ModelError(f"{file} is not a weights file: {_first_line(error)}") from error
    _refuse_damaged(file, content)
    found = {place: tensors for place, tensors in _mappings(content) if tensors}
    if not found:
        raise ModelError(f"{file} holds no weights: no mapping of names to tensors in it")
    return found


def weights_identity(state: Mapping[str, Tensor]) -> str:
    """Stands for named tensors; a run writes it into the files of its weights, so that damage is seen.

    Args:
        state: Name -> tensor.

    Returns:
        Sixteen hexadecimal digits; the same in every order.
    """
    names = sorted(state)
    return digest(names, tensor_identity(*(state[name] for name in names)))


def flat(found: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """All tensors of a file under full names.

    Args:
        found: As ``read_tensors`` gives them.

    Returns:
        ``place.name`` -> tensor.
    """
    return {
        f"{place}.{key}" if place else key: value
        for place, tensors in found.items()
        for key, value in tensors.items()
    }


def averaged(name: str) -> bool:
    """Whether weights under this name are averages over training, which are those that a training reports.

    Args:
        name: Of a mapping, or a prefix.

    Returns:
        Whether it says so.
    """
    return any(word in name.lower() for word in _AVERAGED)


def _refuse_damaged(file: Path, content: object) -> None:
    """Refuse weights that are not those that a training wrote; safetensors has no checksums of its own."""
    if not (_is_safetensors(file) and isinstance(content, dict)):
        return
    with safe_open(file, "pt") as opened:
        held = (opened.metadata() or {}).get(IDENTITY)
    if held is not None and held != weights_identity(content):
        again = file.stem in _RESTORED and (file.parent / "resume.pt").is_file()
        remedy = (
            f"'figureground train {file.parent} --resume' writes it again"
            if again
            else "bring back a copy, or train anew in another folder"
        )
        raise ModelError(f"{file} is damaged: its weights are not those that were saved; {remedy}")


def _mappings(content: object, place: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Each mapping inside, and its own tensors."""
    if not isinstance(content, Mapping) or depth > _DEEPEST:
        return
    yield place, {str(key): one for key, one in content.items() if isinstance(one, Tensor)}
    for key, inner in content.items():
        yield from _mappings(inner, f"{place}.{key}" if place else str(key), depth + 1)


def _is_safetensors(file: Path) -> bool:
    """Whether the file begins as safetensors do: the length of a JSON object, and the object."""
    with file.open("rb") as stream:
        start = stream.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < file.stat().st_size


def _unpickled(file: Path) -> object:
    """What ``torch.save`` wrote, refused where it would run code."""
    try:
        # a stream, because torch would go by the name of a file
        with torch.serialization.safe_globals(_harmless()), file.open("rb") as stream:
            return torch.load(stream, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):
            raise
        raise ModelError(
            f"{file} holds Python objects besides weights and loading it could run code: refused. "
            "Save model.state_dict() alone, best as .safetensors"
        ) from error


def _harmless() -> list[Any]:
    """What trainings store beside weights, and what only holds values: options, numbers of numpy, paths."""
    numpy_core = getattr(np, "_core", None) or np.core
    kinds = {type(np.dtype(code)) for code in "?bhilqBHILQefdSU"}
    paths = [
        (getattr(pathlib, f"Pure{kind}Path"), f"{module}.{pure}{kind}Path")
        for kind in ("Posix", "Windows")
        for pure in ("", "Pure")
        for module in ("pathlib", "pathlib._local")
    ]
    scalar = numpy_core.multiarray.scalar
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [
        *(argparse.Namespace, types.SimpleNamespace, np.dtype),
        (_plain_dict, "collections.defaultdict"),
        *((scalar, name) for name in names),
        *kinds,
        *paths,
        *(dict, list, int, float, set),
    ]


def _plain_dict(*_factory: object) -> collections.OrderedDict[Any, Any]:
    """What stands for a ``defaultdict``."""
    return collections.OrderedDict()


def _first_line(error: Exception) -> str:
    """A message short enough to stand inside another."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
