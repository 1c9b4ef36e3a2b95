"""The part of a network above a layer: logits of other maps in the layer's place, at the cost of that part alone."""

__all__ = ["Above"]

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from figureground.base.errors import FigureGroundError
from figureground.base.outputs import find_logits
from figureground.base.shapes import FeatureMaps, Images, Logits
from figureground.capture.below import Below, Kept, record_below
from figureground.capture.grid import first_tensor, with_first_tensor
from figureground.capture.head import tolerance
from figureground.capture.naming import module_of
from figureground.capture.run import Layer, Precision, autocast
from figureground.capture.standing_in import standing_in
from figureground.capture.untouched import borrowed, listening

Way = Literal["pixel", "memo", "broadcast", "single", "full"]
_WAYS: tuple[Way, ...] = ("pixel", "memo", "broadcast", "single", "full")
_FAILURES = (RuntimeError, TypeError, ValueError, IndexError, AssertionError, FigureGroundError)


class Above:
    """The part of a network above a layer, for one image.

    One pass keeps what every module gave that had finished when the layer ran. After it a map costs what lies above the
    layer. How the rest is left out depends on the network, so that the ways are tried in this order, and the first one
    that gives the network's own logits for the layer's own map, repeated, is taken:

    - ``pixel``: modules below return what they gave; what lies between them runs on one pixel of the image.
    - ``memo``: the same on the whole image, repeated as often as there are maps.
    - ``broadcast``: one image runs below the layer, and all maps enter at it.
    - ``single``: as ``memo``, one map at a time.
    - ``full``: the whole network runs for every map.

    The network is left as found, also after an exception and while other threads run it.

    Args:
        model: The network (unwrapped).
        image: ``(1, C, H, W)``; what reaches the logits around the layer comes from it.
        layer: The layer, with its grid. Of one that runs several times, the run that its name says is exchanged, else
            the last.
        precision: As for ``run_once``.
        output: How to find the logits in what the model returns.

    Attributes:
        way: The way that was found.
    """

    def __init__(
        self,
        model: nn.Module,
        image: Images,
        layer: Layer,
        *,
        precision: Precision | None = None,
        output: Callable[[Any], Tensor] | None = None,
    ) -> None:
        assert layer.grid is not None  # noqa: S101 - the caller has run the layer
        self.model, self.grid, self.output = model, layer.grid, output
        self.precision, self.module = precision, module_of(model, layer.name)
        self.image = image.clone() if image.is_inference() else image
        with self._at_work():
            self.below: Below = record_below(model, self.image, layer.name, output=output)
            self.way: Way = next(way for way in _WAYS if way == "full" or self._is_right(way))

    def logits(self, maps: FeatureMaps, *, keep: bool = True, graph: bool = False) -> Logits:
        """Logits of the network with these maps in the place of the layer's output.

        Args:
            maps: ``(M, C, h, w)``, all for the one image.
            keep: Whether the maps stay as they are. Without, a copy is saved, and the network may write into them.
            graph: Whether a graph leads from the logits back to the maps; for maps that are kept.

        Returns:
            ``(M, L)`` float32.
        """
        with self._at_work(graph=graph):
            if self.way == "single":
                return torch.cat(
                    [self._run("single", one, keep=keep) for one in torch.split(maps, 1)]
                )
            return self._run(self.way, maps, keep=keep)

    @contextmanager
    def _at_work(self, *, graph: bool = False) -> Iterator[None]:
        """As ``run_once`` runs the network, without a graph unless one is asked for."""
        with (
            torch.inference_mode(mode=False),
            torch.set_grad_enabled(graph),
            borrowed(self.model),
            autocast(self.image, self.precision),
        ):
            yield

    def _is_right(self, way: Way) -> bool:
        """Whether this way gives the network's own logits for the layer's own map, repeated."""
        raw, wanted = first_tensor(self.below.own.output), self.below.logits
        assert raw is not None  # noqa: S101 - a layer with a grid has a tensor
        own = self.grid.to_grid(raw).expand(1 if way == "single" else 3, -1, -1, -1)
        try:
            found = self._run(way, own, keep=True)
        except torch.OutOfMemoryError:
            raise
        except _FAILURES:  # this network cannot go that way
            return False
        exact = raw.dtype == torch.float32 and self.precision in {None, "fp32"}
        near = tolerance(exact) * float(wanted.nan_to_num(0, 0, 0).abs().amax())
        return torch.allclose(found, wanted.expand_as(found), rtol=0, atol=near, equal_nan=True)

    def _run(self, way: Way, maps: FeatureMaps, *, keep: bool) -> Logits:
        """Logits by one of the ways."""
        given = maps.clone() if keep else maps
        image = self.image[..., :1, :1] if way == "pixel" else self.image
        rows = 1 if way == "broadcast" else len(maps)
        # a copy of a single row: a network may normalise in place
        copies = image.expand(rows, -1, -1, -1) if rows > 1 else image.clone()
        if way in {"broadcast", "full"}:
            with listening([self.module], self._exchange(given)):
                returned = self.model(copies)
        else:
            with standing_in(self._stand_ins(given)):
                returned = self.model(copies)
        return find_logits(returned, len(maps), self.output).float()

    def _exchange(self, maps: FeatureMaps) -> Callable[..., Any]:
        """What puts the maps into the layer's output, in the run that is meant."""
        runs = count(1)

        def exchange(_module: nn.Module, _inputs: tuple[Any, ...], out: Any) -> Any:  # noqa: ANN401
            return self._with_maps(out, maps) if next(runs) == self.below.own.run else None

        return exchange

    def _with_maps(self, out: Any, maps: FeatureMaps) -> Any:  # noqa: ANN401 - whatever a module returns
        raw = first_tensor(out)
        if raw is None:
            return out
        several = raw if len(raw) == len(maps) else raw[:1].expand(len(maps), *raw.shape[1:])
        return with_first_tensor(out, self.grid.from_grid(maps, several))

    def _stand_ins(self, maps: FeatureMaps) -> dict[nn.Module, Callable[..., Any]]:
        """What stands in for the modules: calls that were recorded return what they gave."""
        recorded: dict[nn.Module, dict[int, Kept]] = {self.module: {}}
        for one in self.below.calls:
            recorded.setdefault(one.module, {})[one.run] = one
        again = partial(_repeated, times=len(maps))
        runs: Counter[nn.Module] = Counter()

        def act(module: nn.Module, real: Callable[..., Any], /, *inputs: Any, **named: Any) -> Any:  # noqa: ANN401
            runs[module] += 1
            if module is self.module and runs[module] == self.below.own.run:
                return self._with_maps(tree_map(again, self.below.own.output), maps)
            kept = recorded[module].get(runs[module])
            return real(*inputs, **named) if kept is None else tree_map(again, kept.output)

        return {module: partial(act, module) for module in recorded}


def _repeated(value: Any, times: int) -> Any:  # noqa: ANN401 - whatever a module returns
    """What one image gave, for several; of tensors with one row without copies, which cannot be written into."""
    if not isinstance(value, Tensor):
        return value
    if times > 1 and value.ndim and len(value) == 1:
        return value.expand(times, *value.shape[1:])
    return value.repeat(times, *[1] * (value.ndim - 1)) if value.ndim else value.clone()
