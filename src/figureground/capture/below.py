"""What the modules below a layer gave in one pass, so that they need not run again for other maps of the layer."""

__all__ = ["Below", "Kept", "record_below"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_map

from figureground.base.errors import LayerError
from figureground.base.outputs import find_logits
from figureground.base.shapes import Images, Logits
from figureground.capture.naming import module_of, named_run, shown_layer
from figureground.capture.untouched import listening

_CONTAINERS = nn.ModuleList | nn.ModuleDict | nn.Sequential


@dataclass(frozen=True)
class Kept:
    """One call of a module.

    Args:
        module: The module.
        run: Which of its calls, from 1.
        output: A copy of what it returned.
    """

    module: nn.Module
    run: int
    output: Any


@dataclass(frozen=True)
class Below:
    """One image's way up to a layer.

    Args:
        own: The call of the layer that is meant: the one that its name says, else its last.
        calls: The outermost calls that had finished by then, in order.
        logits: ``(1, L)`` float32 of the whole network.
    """

    own: Kept
    calls: tuple[Kept, ...]
    logits: Logits


def record_below(
    model: nn.Module, image: Images, layer: str, *, output: Callable[[Any], Tensor] | None
) -> Below:
    """Run the network once and keep what had been computed when the layer had run.

    Args:
        model: The network, borrowed by the caller, with gradients off.
        image: ``(1, C, H, W)``.
        layer: Its name, with its run where one is meant.
        output: How to find the logits in what the model returns.

    Returns:
        The calls.

    Raises:
        LayerError: The layer was not reached.
    """
    recorder = _Recorder(model, layer)
    with listening(recorder.heard, recorder):
        logits = find_logits(model(image), 1, output).float()
    if recorder.own is None:
        raise LayerError(f"layer '{shown_layer(layer)}' was not reached when the model ran")
    return Below(recorder.own, recorder.before, logits)


class _Recorder:
    """Copies what the modules beside the way to a layer return; those inside a finished one are dropped."""

    def __init__(self, model: nn.Module, layer: str) -> None:
        self.layer, self.wanted = module_of(model, layer), named_run(layer)[1]
        self.heard = dict.fromkeys(_beside(model, named_run(layer)[0]))
        self.runs: dict[nn.Module, int] = {}
        self.finished: list[Kept] = []
        self.own: Kept | None = None
        self.before: tuple[Kept, ...] = ()

    def __call__(self, module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
        """After a module."""
        self.runs[module] = run = self.runs.get(module, 0) + 1
        kept = Kept(module, run, tree_map(_copied, output))
        inside = set(module.modules())
        self.finished = [one for one in self.finished if one.module not in inside - {module}]
        if module is self.layer and self.wanted in {None, run}:
            self.own, self.before = kept, tuple(self.finished)
        self.finished.append(kept)


def _copied(value: Any) -> Any:  # noqa: ANN401 - whatever a module returns
    return value.detach().clone() if isinstance(value, Tensor) else value


def _beside(model: nn.Module, layer: str) -> Iterator[nn.Module]:
    """The layer, and the modules that its ancestors call themselves."""
    parts = layer.split(".")
    way = [model.get_submodule(".".join(parts[:end])) for end in range(len(parts) + 1)]
    for ancestor in way[:-1]:
        for child in ancestor.children():
            if child is way[-1] or child not in way:
                yield from _opened(child)


def _opened(module: nn.Module) -> Iterator[nn.Module]:
    """A module; of a container its parts, too, since they may be called one by one."""
    yield module
    for part in module.children() if isinstance(module, _CONTAINERS) else ():
        yield from _opened(part)
