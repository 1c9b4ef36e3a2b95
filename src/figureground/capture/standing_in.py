"""Functions that stand in for a module's ``forward`` inside a block, in one thread: a hook cannot skip a module."""

__all__ = ["standing_in"]

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from figureground.capture import loans
from figureground.capture.loans import uninterrupted

Forward = Callable[..., Any]


class _StandIn:
    """One for each module, whatever the number of threads; the last of them takes it away.

    Args:
        module: Whose ``forward`` it takes the place of.
    """

    def __init__(self, module: nn.Module) -> None:
        self.real: Forward = module.forward
        self.was_set = "forward" in vars(module)
        self.acting: dict[int, Forward] = {}

    def __call__(self, *inputs: Any, **named: Any) -> Any:  # noqa: ANN401 - as any module
        """What this thread put there, else the module's own."""
        act = self.acting.get(threading.get_ident())
        return self.real(*inputs, **named) if act is None else act(self.real, *inputs, **named)


@contextmanager
def standing_in(acts: Mapping[nn.Module, Forward]) -> Iterator[None]:
    """Call these functions in place of the modules' ``forward``, in this thread, inside the block.

    Hooks of the modules run as they would. Other threads that run the modules meanwhile are not disturbed.

    Args:
        acts: Module -> what is called in place of its ``forward``: with that first, then the inputs.

    Yields:
        Nothing; the modules' attributes are as before afterwards, whatever happens.

    Examples:
        >>> net = nn.Sequential(nn.Identity())
        >>> with standing_in({net[0]: lambda forward, x: forward(x) + 1}):
        ...     net(1)
        2
        >>> net(1), "forward" in vars(net[0])
        (1, False)
    """
    thread, undo = threading.get_ident(), ExitStack()
    try:
        with uninterrupted():
            for module, act in acts.items():
                with loans.LOCK:
                    there = vars(module).get("forward")
                    found = there if isinstance(there, _StandIn) else _StandIn(module)
                    found.acting[thread] = act
                    vars(module)["forward"] = found
                undo.callback(_leave, module, found, thread)
        yield
    finally:
        with uninterrupted():
            undo.close()


def _leave(module: nn.Module, found: _StandIn, thread: int) -> None:
    with loans.LOCK:
        del found.acting[thread]
        if found.acting or vars(module).get("forward") is not found:
            return
        if found.was_set:
            vars(module)["forward"] = found.real
        else:
            del vars(module)["forward"]
