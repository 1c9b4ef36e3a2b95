"""Weights from a file into a network, checked key by key before anything changes."""

__all__ = ["load_weights", "read_weights"]

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from figureground.base.errors import ModelError

# averaged weights first: where a training kept both, they are the ones that it reported
_WRAPPERS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "state_dict", "model_state_dict"),
    *("model_state", "model", "network", "net", "module"),
)
_TECHNICAL_PREFIXES = ("module.", "_orig_mod.")
_OUTER_NAMES = ("model.", "network.", "net.", "backbone.")
_COUNTER = "num_batches_tracked"


def load_weights(network: nn.Module, path: Path | str) -> None:
    """Put the weights of a file into a network, all of them or none.

    Checkpoints that hold the weights under a name such as ``state_dict`` are opened (averaged weights before plain
    ones). Prefixes left by data-parallel training and compilation are dropped, and ``model.`` and its like where every
    key then fits. Pickled files are read without running any code in them.

    Args:
        network: Changed in place; left as it was where the file does not fit.
        path: ``.safetensors``, or a file written by ``torch.save``.

    Raises:
        ModelError: The file is missing, is not a weights file, holds code, or does not fit the network.
    """
    target = network.state_dict()
    given = _renamed(read_weights(path), target)
    _check_fit(given, target, Path(path))
    # non-strict because the counters of batch normalisation, which old files lack, were set aside in the check
    network.load_state_dict({key: given[key] for key in given if key in target}, strict=False)


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """The tensors in a weights file, by name, with wrappers removed.

    Args:
        path: ``.safetensors``, or a file written by ``torch.save``.

    Returns:
        Name -> tensor on the CPU.

    Raises:
        ModelError: The file is missing, is not a weights file, or holds code.
    """
    file = Path(path)
    if not file.is_file():
        raise ModelError(f"no weights file {file}")
    try:
        content = load_file(file) if file.suffix == ".safetensors" else _unpickled(file)
    except (SafetensorError, RuntimeError, ValueError, KeyError, EOFError, OSError) as error:
        raise ModelError(f"{file} is not a weights file: {_first_line(error)}") from error
    return _unwrapped(content, file)


def _unpickled(file: Path) -> object:
    """What ``torch.save`` wrote, refused where it would run code."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):
            raise ModelError(f"{file} is not a weights file: {_first_line(error)}") from error
        raise ModelError(
            f"{file} holds Python objects besides weights and loading it could run code: refused. "
            "Save model.state_dict() alone, best as .safetensors"
        ) from error


def _unwrapped(content: object, file: Path) -> dict[str, Tensor]:
    """The first mapping of names to tensors, at most two wrappers deep."""
    for _ in range(3):
        if not isinstance(content, Mapping):
            break
        wrapper = next((key for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if wrapper is None:
            break
        content = content[wrapper]
    if isinstance(content, Mapping):
        tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
    raise ModelError(f"{file} holds no weights: no mapping of names to tensors in it")


def _renamed(given: dict[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the names that the network uses, as far as prefixes explain the difference."""
    wanted = _without_counters(target)
    if _without_counters(given) == wanted:
        return given
    for prefix in _TECHNICAL_PREFIXES * 2:
        if all(key.startswith(prefix) for key in given):
            given = {key.removeprefix(prefix): value for key, value in given.items()}
    for prefix in _OUTER_NAMES:
        shorter = {key.removeprefix(prefix): value for key, value in given.items()}
        if _without_counters(shorter) == wanted:
            return shorter
    return given


def _check_fit(given: Mapping[str, Tensor], target: Mapping[str, Tensor], file: Path) -> None:
    """Refuse weights that do not fit, naming the first three of each kind of misfit."""
    have, want = _without_counters(given), _without_counters(target)
    shapes = [
        f"{key} {tuple(given[key].shape)} for {tuple(target[key].shape)}"
        for key in target
        if key in given and given[key].shape != target[key].shape
    ]
    misfits = {
        "missing": [key for key in target if key in want - have],
        "unexpected": [key for key in given if key in have - want],
        "of another shape": shapes,
    }
    found = [f"{len(keys)} {kind} ({_three(keys)})" for kind, keys in misfits.items() if keys]
    if found:
        message = f"{file} does not fit the network's {len(want)} weights: {'; '.join(found)}"
        raise ModelError(message + ("" if have ^ want else _other_outputs(given, target)))


def _other_outputs(given: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> str:
    """What to do where all misfits have another number of rows, one and the same: the outputs of the last layer."""
    wrong = [key for key in target if key in given and given[key].shape != target[key].shape]
    rows = {tuple(given[key].shape[:1]) for key in wrong}
    alike = all(given[key].shape[1:] == target[key].shape[1:] for key in wrong)
    if len(rows) != 1 or not alike or not all(rows):
        return ""
    count = rows.pop()[0]
    return f"; they are of a network with {count} logits: set the model argument num_classes={count} (--model-arg)"


def _without_counters(weights: Mapping[str, Tensor]) -> set[str]:
    """Names, less the batch counters, which many files leave out and evaluation never reads."""
    return {key for key in weights if not key.endswith(_COUNTER)}


def _three(keys: list[str]) -> str:
    """The first three, and a mark where there are more."""
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")


def _first_line(error: Exception) -> str:
    """A message short enough to stand inside another."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
