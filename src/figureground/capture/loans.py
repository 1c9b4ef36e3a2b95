"""Modules on loan: in evaluation mode while somebody looks at them; the last to leave restores mode and buffers."""

__all__ = ["LOCK", "lend", "uninterrupted"]

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

LOCK = threading.Lock()
"""Held while what is borrowed is counted."""


@dataclass
class _Kept:
    """A buffer as it was found: the tensor itself, its version, and its numbers."""

    buffer: Tensor
    version: int | None
    numbers: Tensor


@dataclass
class _Loan:
    """How a module stood when the first of its present borrowers came."""

    training: bool
    buffers: dict[str, _Kept] = field(default_factory=dict)
    borrowers: int = 0


_LOANS: WeakKeyDictionary[nn.Module, _Loan] = WeakKeyDictionary()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the end of the block, so that nothing is left half done.

    Yields:
        Nothing.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield  # other threads are never interrupted
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def lend(modules: Iterable[nn.Module], undo: ExitStack) -> None:
    """Put modules into evaluation mode, and have what they were restored by the last of their borrowers.

    Counted for each module, since two networks can share some. Batch norms do not write their buffers in evaluation
    mode; those of other modules are kept: a counter, an observer's range, what a ``forward`` writes.

    Args:
        modules: All modules of a network.
        undo: Gives them back when it is closed.
    """
    _watch_forks()
    with LOCK:
        lent = [
            module for module in modules if module.training or _writes(module) or module in _LOANS
        ]
        for module in lent:
            loan = _LOANS.setdefault(module, _Loan(module.training))
            if loan.borrowers == 0:
                loan.buffers = _kept(module)
                module.training = False
            loan.borrowers += 1
    undo.callback(_give_back, lent)


def _give_back(modules: Iterable[nn.Module]) -> None:
    with LOCK:
        for module in modules:
            loan = _LOANS[module]
            loan.borrowers -= 1
            if loan.borrowers == 0:
                _restore(module, _LOANS.pop(module))


def _restore(module: nn.Module, loan: _Loan) -> None:
    module.training = loan.training
    for name, kept in loan.buffers.items():
        now = module._buffers.get(name)  # noqa: SLF001 - assigning past a module's own __setattr__
        if now is kept.buffer and kept.version is not None and now._version == kept.version:  # noqa: SLF001
            continue
        if kept.buffer.shape == kept.numbers.shape:
            with torch.no_grad():
                kept.buffer.copy_(kept.numbers)
            module._buffers[name] = kept.buffer  # noqa: SLF001
        else:
            module._buffers[name] = kept.numbers  # noqa: SLF001


def _writes(module: nn.Module) -> bool:
    """Whether a pass in evaluation mode may write a buffer."""
    return bool(module._buffers) and not isinstance(module, _BatchNorm)  # noqa: SLF001


def _kept(module: nn.Module) -> dict[str, _Kept]:
    """The buffers that a pass may write."""
    if not _writes(module):
        return {}
    return {
        name: _Kept(buffer, _version(buffer), buffer.detach().clone())
        for name, buffer in module._buffers.items()  # noqa: SLF001
        if buffer is not None
    }


def _version(tensor: Tensor) -> int | None:
    """Counts the writes into a tensor; None for tensors made in inference mode, which do not count."""
    return None if tensor.is_inference() else tensor._version  # noqa: SLF001


@cache
def _watch_forks() -> None:
    """A forked process has none of the threads that hold the lock or borrow."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_anew)


def _begin_anew() -> None:
    global LOCK  # noqa: PLW0603 - the old one may be held for ever
    LOCK = threading.Lock()
    for module, loan in list(_LOANS.items()):
        _restore(module, loan)
    _LOANS.clear()
