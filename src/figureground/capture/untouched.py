"""Borrow a network: evaluation mode while it is looked at, exactly as found afterwards."""

__all__ = ["borrowed", "listening", "plain_model"]

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.utils import checkpoint as torch_checkpoint

from figureground.base.errors import ModelError

Listener = Callable[[nn.Module, tuple[Any, ...], Any], Any]


@contextmanager
def listening(modules: Iterable[nn.Module], listener: Listener) -> Iterator[None]:
    """Call ``listener(module, inputs, output)`` after each of these modules, in this thread, inside the block.

    What the listener returns, unless None, takes the place of the module's output. Another thread that runs the same
    network meanwhile is not disturbed.

    Args:
        modules: The modules to listen to.
        listener: Called after every call of one of them.

    Yields:
        Nothing.
    """
    owner = threading.get_ident()

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        if threading.get_ident() != owner:
            return None
        return listener(module, inputs, output)

    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class _Loan:
    """How a network stood when the first of its present borrowers came."""

    training: dict[nn.Module, bool]
    borrowers: int = 0


@dataclass
class _Eager:
    """The compiler's stance is one for the whole process: the first takes it, the last gives it back."""

    borrowers: int = 0
    stance: Any = None


_LOCK = threading.Lock()
_EAGER = _Eager()
_CHECKPOINTS: Any = torch_checkpoint  # one stand-in for the whole process, which minds its threads
_LOANS: WeakKeyDictionary[nn.Module, _Loan] = WeakKeyDictionary()


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
    """Evaluation mode inside the block; each module's own mode restored afterwards, whatever happens.

    Flags are set directly rather than through ``model.eval()``: an overridden ``train`` may merge or rewrite weights.
    Several threads may borrow one network; the last to leave restores it. A caller's autocast is not
    allowed to keep the weights it converts: older versions of torch keep those made without a graph, too,
    which would cut a training step's later forward pass off from its parameters. Parts under re-entrant
    checkpointing run as they stand in this thread, since no gradient of a layer comes through a checkpoint.

    Args:
        model: The network.

    Yields:
        Nothing.
    """
    with _LOCK:
        loan = _LOANS.get(model)
        if loan is None:
            loan = _Loan({module: module.training for module in model.modules()})
            _LOANS[model] = loan
            for module in loan.training:
                module.training = False
        loan.borrowers += 1
    caching = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        with _eager(model), _without_checkpoints():
            yield
    finally:
        torch.set_autocast_cache_enabled(caching)
        with _LOCK:
            loan.borrowers -= 1
            if loan.borrowers == 0:
                del _LOANS[model]
                for module, flag in loan.training.items():
                    module.training = flag


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


@contextmanager
def _without_checkpoints() -> Iterator[None]:
    """The first borrower of all puts the stand-in there, the last takes it away."""
    thread = threading.get_ident()
    with _LOCK:
        direct: Any = _CHECKPOINTS.CheckpointFunction
        if not isinstance(direct, _Direct):
            direct = _CHECKPOINTS.CheckpointFunction = _Direct(direct)
        direct.threads.append(thread)
    try:
        yield
    finally:
        with _LOCK:
            direct.threads.remove(thread)
            if not direct.threads:
                _CHECKPOINTS.CheckpointFunction = direct.real


@contextmanager
def _eager(model: nn.Module) -> Iterator[None]:
    """Run compiled parts of the network as ordinary Python, since compiled code skips hooks."""
    compiled = any(
        module._compiled_call_impl is not None or hasattr(module, "_orig_mod")  # noqa: SLF001
        for module in model.modules()
    )
    if not compiled:
        yield
        return
    with _LOCK:
        if _EAGER.borrowers == 0:
            _EAGER.stance = torch.compiler.set_stance("force_eager")
        _EAGER.borrowers += 1
    try:
        yield
    finally:
        with _LOCK:
            _EAGER.borrowers -= 1
            if _EAGER.borrowers == 0:
                _EAGER.stance.__exit__(None, None, None)
