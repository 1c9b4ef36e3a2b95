"""Listening to layers of one call: hooks that answer to one thread only and are always taken away."""

__all__ = ["listening"]

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

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
