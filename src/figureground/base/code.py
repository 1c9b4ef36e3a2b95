"""What a network's own code does: an edited ``forward``, or a function that it calls, is another network."""

__all__ = ["code_identity"]

import functools
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def code_identity(network: nn.Module) -> list[str]:
    """The code that runs in a network and comes from no library, as it is in memory.

    Args:
        network: Any network.

    Returns:
        Classes of its modules, functions in their places, hooks, what these call, and plain numbers and text that they
        read, sorted; equal for equal code.
    """
    found: dict[int, str] = {}
    for module in network.modules():
        kept = vars(module)
        hooks = [*kept["_forward_hooks"].values(), *kept["_forward_pre_hooks"].values()]
        for one in (*type(module).__mro__, *kept.values(), *hooks):
            _follow(one, found)
        if isinstance(module, torch.jit.ScriptModule | torch.fx.GraphModule):
            found[id(module)] = str(module.code)
    return sorted(found.values())


def _follow(value: Any, found: dict[int, str]) -> None:  # noqa: ANN401 - anything that code may name
    """Note a class or function and all that it leads to."""
    value = _plain_function(value)
    if id(value) in found or _is_of_library(value):
        return
    if isinstance(value, type):
        found[id(value)] = f"{value.__qualname__} {_values(vars(value))}"
        for one in vars(value).values():
            _follow(one, found)
    elif isinstance(value, FunctionType):
        names = {name for code in _codes(value.__code__) for name in code.co_names}
        read = {name: value.__globals__[name] for name in names if name in value.__globals__}
        cells = [*_held_by(value)]
        held = dict(enumerate((*(value.__defaults__ or ()), *cells)))
        texts = [_text(code) for code in _codes(value.__code__)]
        found[id(value)] = f"{value.__qualname__} {texts} {_values(read)} {_values(held)}"
        inner = [
            getattr(one, name)
            for one in read.values()
            if isinstance(one, ModuleType) and not _is_file_of_library(one)
            for name in names
            if hasattr(one, name)
        ]
        for one in (*read.values(), *cells, *inner):
            _follow(one, found)


def _plain_function(value: Any) -> Any:  # noqa: ANN401 - as above
    """What stands behind a method, a property, a partial call or a decorator."""
    if isinstance(value, staticmethod | classmethod | MethodType):
        return _plain_function(value.__func__)
    if isinstance(value, functools.partial):
        return _plain_function(value.func)
    if isinstance(value, property):
        return _plain_function(value.fget)
    return inspect.unwrap(value) if isinstance(value, FunctionType) else value


def _held_by(function: FunctionType) -> Iterator[Any]:
    """What a function remembers from where it was made."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing is in it yet
            yield cell.cell_contents


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code and all that is defined in it."""
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)


def _text(code: CodeType) -> str:
    """Instructions and constants, without addresses and lines."""
    constants = [
        sorted(map(repr, one)) if isinstance(one, frozenset) else repr(one)
        for one in code.co_consts
        if not isinstance(one, CodeType)
    ]
    return f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}"


def _values(named: Any) -> str:  # noqa: ANN401 - a mapping of names
    """Plain numbers and text among what is named."""
    told = {
        str(name): repr(value)
        for name, value in named.items()
        if not str(name).startswith("__")
        and all(
            isinstance(one, _PLAIN) for one in (value if isinstance(value, tuple) else (value,))
        )
    }
    return repr(sorted(told.items()))


def _is_of_library(value: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a class or function is of Python, of an installed package, or ours."""
    if not isinstance(value, type | FunctionType):
        return True
    if isinstance(
        value, FunctionType
    ):  # whose module may have been loaded anew under the same name
        file, name = value.__globals__.get("__file__"), value.__module__
    else:
        name = value.__module__
        file = getattr(sys.modules.get(name), "__file__", None)
    if name.partition(".")[0] == "figureground" or name in sys.builtin_module_names:
        return True
    return file is not None and _is_library(file)


def _is_file_of_library(module: ModuleType) -> bool:
    return module.__name__.partition(".")[0] == "figureground" or _is_library(
        getattr(module, "__file__", None) or ""
    )


@functools.cache
def _is_library(file: str) -> bool:
    """Whether a file belongs to Python or to an installed package; what is built in has none."""
    if not file or {"site-packages", "dist-packages"} & {*Path(file).parts}:
        return True
    # the last place may be a folder that PYTHONPATH names
    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    places.append(str(Path(torch.__file__).parents[1]))
    return any(Path(file).is_relative_to(place) for place in places)
