"""Borrow a network: evaluation mode while it is looked at, exactly as found afterwards."""

__all__ = ["borrowed", "listening", "plain_model"]

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.utils import checkpoint as torch_checkpoint
from torch.utils.hooks import RemovableHandle

from figureground.base.errors import ModelError
from figureground.capture import loans
from figureground.capture.loans import lend, uninterrupted

Listener = Callable[[nn.Module, tuple[Any, ...], Any], Any]


@contextmanager
def listening(
    modules: Iterable[nn.Module],
    listener: Listener,
    *,
    before: Callable[[nn.Module, tuple[Any, ...]], None] | None = None,
) -> Iterator[None]:
    """Call ``listener(module, inputs, output)`` after each of these modules, in this thread, inside the block.

    What the listener returns, unless None, takes the place of the module's output. Another thread that runs the same
    network meanwhile is not disturbed.

    Args:
        modules: The modules to listen to.
        listener: Called after every call of one of them.
        before: Called before every call of one of them, with what goes in.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: Ctrl-C; the hooks are gone by then.
    """
    owner = threading.get_ident()

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        if threading.get_ident() != owner:
            return None
        return listener(module, inputs, output)

    def begin(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if before is not None and threading.get_ident() == owner:
            before(module, inputs)

    handles: list[RemovableHandle] = []
    try:
        with uninterrupted():
            for module in modules:
                handles.append(module.register_forward_hook(hook))
                if before is not None:
                    handles.append(module.register_forward_pre_hook(begin))
        yield
    finally:
        try:
            _remove(handles)
        except KeyboardInterrupt:  # it came before Ctrl-C waits, or when all was done
            _remove(handles)
            raise


def _remove(handles: Iterable[RemovableHandle]) -> None:
    with uninterrupted():
        for handle in handles:
            handle.remove()


@dataclass
class _Eager:
    """The compiler's stance is one for the whole process: the first takes it, the last gives it back."""

    borrowers: int = 0
    stance: Any = None


_EAGER = _Eager()
_CHECKPOINTS: Any = torch_checkpoint  # one stand-in for the whole process, which minds its threads


def plain_model(model: nn.Module) -> nn.Module:
    """The network inside ``DataParallel``, ``DistributedDataParallel`` and ``torch.compile`` wrappers.

    A map needs the plain modules: replicas run in other threads and compiled code skips hooks. The
    parameters are shared, so the maps are those of the wrapped model.

    Args:
        model: Any network, wrapped or not.

    Returns:
        The innermost plain module.

    Raises:
        ModelError: The model is TorchScript, whose layers cannot be observed.
    """
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner = model.module if isinstance(model, wrappers) else getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            break
        model = inner
    if isinstance(model, torch.jit.ScriptModule):
        message = "a TorchScript model cannot be explained: its layers cannot be observed"
        raise ModelError(f"{message}; give the nn.Module it was made from")
    return model


@contextmanager
def borrowed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; each module's own mode and buffers restored afterwards, whatever happens.

    Flags are set directly rather than through ``model.eval()``: an overridden ``train`` may merge or rewrite weights.
    Several threads may borrow one network, or networks that share modules; the last to leave restores them. A thread
    that trains the network meanwhile would train it in evaluation mode. A caller's autocast is not
    allowed to keep the weights it converts: older versions of torch keep those made without a graph, too,
    which would cut a training step's later forward pass off from its parameters. Parts under re-entrant
    checkpointing run as they stand in this thread, since no gradient of a layer comes through a checkpoint.

    Args:
        model: The network.

    Yields:
        Nothing.

    Raises:
        ModelError: Some weights are not made yet (lazy modules).
        KeyboardInterrupt: Ctrl-C; all is restored by then.
    """
    lazy = [name for name, module in model.named_modules() if _is_lazy(module)]
    if lazy:
        raise ModelError(
            f"the weights of {', '.join(lazy)} are made by the first call; run the network once on an image"
        )
    undo = ExitStack()
    try:
        with uninterrupted():
            undo.callback(torch.set_autocast_cache_enabled, torch.is_autocast_cache_enabled())
            torch.set_autocast_cache_enabled(False)
            lend(model.modules(), undo)
            _run_eagerly(model, undo)
            _skip_checkpoints(undo)
        yield
    finally:
        try:
            _close(undo)
        except KeyboardInterrupt:  # as above
            _close(undo)
            raise


def _close(undo: ExitStack) -> None:
    with uninterrupted():
        undo.close()


def _is_lazy(module: nn.Module) -> bool:
    return isinstance(module, LazyModuleMixin) and module.has_uninitialized_params()


class _Direct:
    """Stands in for torch's re-entrant checkpoint: threads that borrow a network run the part as it stands."""

    def __init__(self, real: Any) -> None:  # noqa: ANN401 - torch.utils.checkpoint.CheckpointFunction
        self.real = real
        self.threads: list[int] = []

    def apply(self, function: Callable[..., Any], preserve: bool, *args: Any) -> Any:  # noqa: ANN401, FBT001
        """As torch calls it."""
        if threading.get_ident() in self.threads:
            return function(*args)
        return self.real.apply(function, preserve, *args)


def _skip_checkpoints(undo: ExitStack) -> None:
    """The first borrower of all puts the stand-in there, the last takes it away."""
    with loans.LOCK:
        direct: Any = _CHECKPOINTS.CheckpointFunction
        if not isinstance(direct, _Direct):
            direct = _CHECKPOINTS.CheckpointFunction = _Direct(direct)
        direct.threads.append(threading.get_ident())
    undo.callback(_with_checkpoints, direct, threading.get_ident())


def _with_checkpoints(direct: _Direct, thread: int) -> None:
    with loans.LOCK:
        direct.threads.remove(thread)
        if not direct.threads:
            _CHECKPOINTS.CheckpointFunction = direct.real


def _run_eagerly(model: nn.Module, undo: ExitStack) -> None:
    """Run compiled parts of the network as ordinary Python, since compiled code skips hooks."""
    compiled = any(
        module._compiled_call_impl is not None or hasattr(module, "_orig_mod")  # noqa: SLF001
        for module in model.modules()
    )
    if not compiled:
        return
    with loans.LOCK:
        if _EAGER.borrowers == 0:
            _EAGER.stance = torch.compiler.set_stance("force_eager")
        _EAGER.borrowers += 1
    undo.callback(_run_compiled)


def _run_compiled() -> None:
    with loans.LOCK:
        _EAGER.borrowers -= 1
        if _EAGER.borrowers == 0:
            _EAGER.stance.__exit__(None, None, None)
