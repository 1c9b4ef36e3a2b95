"""Weights from a file into a network, checked key by key before anything changes."""

__all__ = ["load_weights", "read_weights"]

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError
from figureground.models.weights_file import averaged, flat, read_tensors, read_weights

_COUNTERS = ("num_batches_tracked", "n_averaged")
_WRAPPERS = ("_orig_mod.", "module.")  # left in names by compilation and by data-parallel training


def load_weights(network: nn.Module, path: Path | str) -> tuple[str, ...]:
    """Put the weights of a file into a network, all of them or none.

    The names in the file may stand under a prefix, whatever it is (``state_dict``, ``model.``, ``module.``,
    ``student.``): one is right where the names under it are exactly those of the network. Of several that are,
    averaged weights are taken; else the path says which, ``file.pth::teacher``. Pickled files are read without running
    any code in them.

    Args:
        network: Changed in place; left as it was where the file does not fit.
        path: A safetensors file, or one written by ``torch.save``.

    Returns:
        What the user should know: which weights of several were taken, and what was left over beside them.

    Raises:
        ModelError: The file is missing, is not a weights file, holds code, or does not fit the network.
    """
    name, _, place = str(path).partition("::")
    file, target = Path(name), network.state_dict()
    found = read_tensors(file)
    given = flat(found)
    for dropped in ("", *_WRAPPERS):
        given = {_without(key, dropped, target): value for key, value in given.items()}
        prefixes = [one for one in _fitting(given, target) if one.startswith(place and f"{place}.")]
        if prefixes:
            break
    if not prefixes:
        raise ModelError(_misfit(given, target, file))
    prefix = _chosen(prefixes, given, file)
    weights = _under(given, prefix)
    _check_values(weights, target, file)
    # non-strict because the counters of batch normalisation, which old files lack, were set aside in the check
    network.load_state_dict({key: weights[key] for key in weights if key in target}, strict=False)
    return _notes(given, prefix, found=list(found), several=len(prefixes) > 1, file=file)


def _without(key: str, dropped: str, target: Mapping[str, Tensor]) -> str:
    """A name without a wrapper's, unless the network has such names itself."""
    own = not dropped or any(f".{dropped}" in f".{name}" for name in target)
    return key if own else f".{key}".replace(f".{dropped}", ".").removeprefix(".")


def _matches(given: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Counter[str]:
    """Prefix -> how many of the network's weights have their name under it."""
    wanted, found = _without_counters(target), Counter[str]()
    for key in [one for one in given if not one.endswith(_COUNTERS)]:
        parts = key.split(".")
        for at in range(len(parts)):
            if ".".join(parts[at:]) in wanted:
                found["".join(f"{part}." for part in parts[:at])] += 1
    return found


def _fitting(given: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> list[str]:
    """Prefixes under which the names are exactly those of the network."""
    wanted = _without_counters(target)
    full = [prefix for prefix, count in _matches(given, target).items() if count == len(wanted)]
    return [one for one in full if _without_counters(_under(given, one)) == wanted]


def _chosen(prefixes: list[str], given: Mapping[str, Tensor], file: Path) -> str:
    """The prefix that is meant; averaged weights are what a training reports."""
    means = [prefix for prefix in prefixes if averaged(prefix)] or prefixes
    first = _under(given, means[0])
    for other in means[1:]:
        values = _under(given, other)
        if not all(torch.equal(values[key], first[key]) for key in _without_counters(first)):
            names = [one.rstrip(".") for one in (means[0], other)]
            raise ModelError(
                f"{file} holds several networks that fit, under '{names[0]}' and '{names[1]}': say which, "
                f"{file}::{names[1]}"
            )
    return means[0]


def _under(given: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights whose names begin with the prefix, without it."""
    length = len(prefix)
    return {key[length:]: value for key, value in given.items() if key.startswith(prefix)}


def _notes(
    given: Mapping[str, Tensor], prefix: str, *, found: list[str], several: bool, file: Path
) -> tuple[str, ...]:
    """Which weights were taken where that is a choice, and what lay beside them."""
    place = max((one for one in found if prefix.startswith(f"{one}.")), key=len, default="")
    beside = [
        key
        for key in _under(given, f"{place}." if place else "")
        if not f"{place}.{key}".removeprefix(".").startswith(prefix) and not key.endswith(_COUNTERS)
    ]
    inner = [one for one in found if one != place and one.startswith(f"{place}.".removeprefix("."))]
    own = [key for key in beside if not any(key.startswith(f"{one}.") for one in inner)]
    if not own and not several:
        return ()
    left = f"; left over: {len(own)} ({_three(own)})" if own else ""
    return (f"{file.name}: the weights under '{prefix.rstrip('.')}' were taken{left}",)


def _misfit(given: Mapping[str, Tensor], target: Mapping[str, Tensor], file: Path) -> str:
    """What does not fit, naming the first three of each kind, under the prefix that comes closest."""
    matches = _matches(given, target)
    prefix = max(matches, key=lambda one: (matches[one], averaged(one), -len(one)), default="")
    near, want = _under(given, prefix), _without_counters(target)
    have = _without_counters(near)
    kinds = {
        "missing": [key for key in target if key in want - have],
        "unexpected": [key for key in near if key in have - want],
        "of another shape": _shapes(near, target),
    }
    found = [f"{len(keys)} {kind} ({_three(keys)})" for kind, keys in kinds.items() if keys]
    where = f" under '{prefix.rstrip('.')}'" if prefix else ""
    fit = f"; {matches[prefix]} fit{where}" if matches else ""
    return f"{file} does not fit the network's {len(want)} weights: {'; '.join(found or ['none under this name'])}{fit}"


def _check_values(given: Mapping[str, Tensor], target: Mapping[str, Tensor], file: Path) -> None:
    """Refuse weights of other shapes, and such as hold no plain numbers."""
    shapes = _shapes(given, target)
    if shapes:
        count, said = len(_without_counters(target)), _three(shapes)
        raise ModelError(
            f"{file} does not fit the network's {count} weights: {len(shapes)} of another shape ({said})"
            + _other_outputs(given, target)
        )
    strange = [key for key in target if key in given and not _plain(given[key], target[key])]
    if strange:
        raise ModelError(
            f"{file} holds weights that are no plain numbers (sparse, quantised, complex, whole or without data): "
            f"{_three(strange)}"
        )


def _plain(value: Tensor, wanted: Tensor) -> bool:
    """Whether a tensor can be copied into another without losing its meaning."""
    dense = value.layout == torch.strided and not value.is_meta and not value.is_quantized
    return dense and value.is_floating_point() == wanted.is_floating_point()


def _shapes(given: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> list[str]:
    """Weights of another shape, and both shapes."""
    return [
        f"{key} {tuple(given[key].shape)} for {tuple(target[key].shape)}"
        for key in target
        if key in given and given[key].shape != target[key].shape
    ]


def _other_outputs(given: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> str:
    """What to do where all misfits have another number of rows, one and the same: the outputs of the last layer."""
    wrong = [key for key in target if key in given and given[key].shape != target[key].shape]
    rows = {tuple(given[key].shape[:1]) for key in wrong}
    alike = all(given[key].shape[1:] == target[key].shape[1:] for key in wrong)
    if len(rows) != 1 or not alike or not all(rows):
        return ""
    count = rows.pop()[0]
    return (
        f"; they are of a network with {count} logits: set the model argument num_classes={count} (--model-arg; "
        "model.arguments in a recipe)"
    )


def _without_counters(weights: Mapping[str, Tensor]) -> set[str]:
    """Names, less the counters of batches and averages, which many files leave out and evaluation never reads."""
    return {key for key in weights if not key.endswith(_COUNTERS)}


def _three(keys: list[str]) -> str:
    """The first three, and a mark where there are more."""
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
