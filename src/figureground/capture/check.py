"""What a layer sees, and whether its cells lie where they are drawn: found once for each network and layer."""

__all__ = ["Finding", "check_layers"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError
from figureground.base.shapes import Images
from figureground.capture.above import Above
from figureground.capture.graph import is_behind
from figureground.capture.grid import Grid, find_grid, first_tensor
from figureground.capture.naming import module_of, named_run, shown_layer
from figureground.capture.probes import PROBES, WHOLE, is_placed, probe_images
from figureground.capture.run import (
    Layer,
    Listener,
    Precision,
    autocast,
    forward,
    other_batch,
)
from figureground.capture.untouched import borrowed, listening

Output = Callable[[Any], Tensor]
Gradient = Literal["arrives", "zero", "cut", "none", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What is known of one layer of one network.

    Args:
        name: The layer, with its run where one is meant.
        runs: How often it runs for one batch; 0 where it was not reached.
        rows: Size of its output's first axis for seven images; 0 where it was not reached.
        grid: How its output lies over the image: the reading under which its cells answer to their places.
        placed: Whether its cells answer to the part of the image that they are drawn over; None where that cannot be
            told.
        sees: Whether it depends on the images.
        gradient: What comes back of a gradient of the logits: ``arrives``; ``zero`` (dead or saturated units, or only
            class tokens count); ``cut`` where the logits change with the layer and yet none comes back; ``none`` where
            the logits do not depend on the layer; ``unknown``.
        ambiguous: Whether it runs several times, one not after the other, and none of its runs is meant.
        doubt: Why nothing was found out; empty where something was.
    """

    name: str
    runs: int = 0
    rows: int = 0
    grid: Grid | None = None
    placed: bool | None = None
    sees: bool = True
    gradient: Gradient = "unknown"
    ambiguous: bool = False
    doubt: str = ""

    @property
    def right(self) -> bool:
        """Whether nothing speaks against maps of this layer."""
        return not self.fault(1)

    def fault(self, images: int) -> str:
        """Why no map of this layer means anything.

        Args:
            images: N, for the message.

        Returns:
            One sentence with the remedy; empty where nothing speaks against it.
        """
        if self.rows not in {0, PROBES}:
            per_image, rest = divmod(self.rows, PROBES)
            rows = self.rows if rest else per_image * images
            tried = PROBES if rows == images else images
            return other_batch(self.name, rows, tried) + self._other_runs()
        if not self.sees:
            other = self._other_runs()
            return (
                f"layer '{shown_layer(self.name)}' does not depend on the images: {_ANOTHER}{other}"
            )
        if self.placed is False and self.grid is not None:
            size = "×".join(map(str, self.grid.size))
            return (
                f"the {size} cells of layer '{shown_layer(self.name)}' ({self.grid.layout}) do not answer to the parts "
                "of the image that they would be drawn over (tokens in another order, or another axis than the place): "
                f"{_ANOTHER}"
            )
        return ""

    @property
    def gradient_fault(self) -> str:
        """Why methods that need gradients cannot use this layer; empty where they can."""
        if self.gradient == "none":
            return (
                f"the logits do not depend on the first tensor that layer '{shown_layer(self.name)}' returns, so no "
                f"gradient reaches it (another of its outputs may feed the head): {_ANOTHER}"
            )
        if self.gradient == "cut":
            return (
                f"the logits change with layer '{shown_layer(self.name)}', but no gradient comes back to it: something "
                "above it works without gradients (int8 arithmetic, a detached tensor, an operation that has none); "
                "name a later layer, or use a method that needs no gradient (eigen-cam)"
            )
        return ""

    @property
    def verdict(self) -> str:
        """A few words for a table: ``in place``, ``cannot tell``, or what is wrong."""
        if self.rows not in {0, PROBES}:
            return (
                f"{self.rows / PROBES:g} rows an image" if self.rows > PROBES else "not the images"
            )
        if not self.sees:
            return "not the images"
        if self.placed is False:
            return "not in place"
        words = "in place" if self.placed else "cannot tell"
        blind = {"none": "logits do not depend on it", "cut": "no gradient"}.get(self.gradient)
        several = "runs apart" if self.ambiguous else None
        return ", ".join(filter(None, [words, blind, several]))

    @property
    def note(self) -> str:
        """What to add to the reason for this layer; empty where its cells are known to lie where they are drawn."""
        if self.placed or (self.grid is None and not self.doubt):
            return ""
        why = f" ({self.doubt})" if self.doubt else ""
        return f"whether its cells answer to the places that they are drawn over could not be told{why}"

    @property
    def several_runs(self) -> str:
        """What to know of a layer whose runs are not told apart; empty where there is nothing to know."""
        if not self.ambiguous:
            return ""
        return (
            f"layer '{shown_layer(self.name)}' runs {self.runs} times on different things; this is its last run: "
            f"name another one as '{shown_layer(self.name)}@1'"
        )

    def _other_runs(self) -> str:
        first = f"{shown_layer(named_run(self.name)[0])}@1"
        return f"; it runs {self.runs} times, and '{first}' is the first" if self.runs > 1 else ""


_ANOTHER = "name another layer, or none to have one chosen ('figureground ls layers' lists them)"
_Known = dict[tuple[str, int], Finding]  # by name and module, since a part may be exchanged
_KNOWN: WeakKeyDictionary[nn.Module, WeakKeyDictionary[Any, _Known]] = WeakKeyDictionary()


def check_layers(
    model: nn.Module,
    images: Images,
    layers: Sequence[Layer],
    *,
    output: Output | None = None,
    precision: Precision | None = None,
    sparing: bool = False,
) -> dict[str, Finding]:
    """What layers see and where their cells lie, from one forward and one backward pass on seven copies of one image.

    The copies differ in one patch each (see ``probe_images``): the layer's cells must answer to the patch that they are
    drawn over. A map ``(N, a, b, c)`` whose cells do not is read the other way, channels first or last, where they then
    do. What was found is kept for as long as the network lives, so that the same layer is not checked again. A layer to
    which no gradient comes back costs one more pass, which tells whether the logits depend on it all the same.

    The network is left as it was: no mode, buffer, ``.grad`` or random state changes.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``; the first one is used.
        layers: The layers.
        output: How to find the logits in what the model returns.
        precision: As for ``run_once``.
        sparing: For many layers at once: the gradient is computed in a pass of its own, on one image.

    Returns:
        Layer name -> finding. Where the network cannot run on seven images, nothing is found and nothing refused.

    Raises:
        LayerError: A layer does not run as often as its name says.
    """
    known = _known(model, output)
    keys = {layer.name: (layer.name, id(module_of(model, layer.name))) for layer in layers}
    new = [name for name, key in keys.items() if key not in known]
    if new:
        image = images[:1]
        with (
            torch.inference_mode(mode=False),
            torch.no_grad(),
            borrowed(model),
            autocast(image, precision),
        ):
            given = image.clone() if image.is_inference() else image
            found = _Check(model, given, output, sparing=sparing)(new)
        known.update({keys[name]: finding for name, finding in found.items()})
    return {name: known[key] for name, key in keys.items()}


def _known(model: nn.Module, output: Output | None) -> _Known:
    """What is known of this network with these logits, to be added to."""
    per_output = _KNOWN.setdefault(model, WeakKeyDictionary())
    try:
        return per_output.setdefault(output or _usual, {})
    except TypeError:  # not every callable can be remembered without being kept alive
        return {}


def _usual() -> None:
    """Stands for networks whose logits are found without help."""


class _Probed(Listener):
    """Judges what layers return for the probes as it comes, so that it need not be kept."""

    def __init__(
        self, model: nn.Module, names: Sequence[str], *, gradient: bool, size: tuple[int, int]
    ) -> None:
        super().__init__(model, names, gradient=gradient, every_run=True)
        self.model, self.size = model, size
        self.seen: dict[nn.Module, dict[int, Finding]] = {}

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        """After a module: as the base says, and what its rows tell is noted."""
        before = self.runs.get(module, 0)
        result = super().__call__(module, inputs, output)
        run = self.runs.get(module, 0)
        if run > before:
            raw = self.raw[module][run]
            self.seen.setdefault(module, {})[run] = self._judged(module, raw.detach())
            if not self.gradient:
                self.raw[module][run] = raw[:0]
        return result

    def _judged(self, module: nn.Module, raw: Tensor) -> Finding:
        """Rows, grid and place; ``sees`` is False where the rows do not follow the images, for whatever reason."""
        finding = Finding("", rows=len(raw) if raw.ndim > 2 else PROBES)
        if finding.rows != PROBES:
            return finding
        values = raw.float()
        most = float(values.abs().amax())
        still = float((values - values[:1]).abs().amax()) <= 1e-5 * most
        # the first two images are the same: rows that differ are noise, or something else than the images
        others = float((values[1] - values[0]).abs().amax()) > 1e-3 * most
        finding = replace(finding, sees=not (still or others) or most == 0)
        grid = find_grid(raw, self.size, model=self.model, layer=module)
        if grid is None or grid.size == (1, 1):
            return finding
        frame = self.stem.frame(self.size) if self.stem is not None else WHOLE
        placed = is_placed(grid.to_grid(raw), frame)
        if placed is False and grid.layout != "tokens":
            other = grid.read_the_other_way()
            if is_placed(other.to_grid(raw), frame):
                return replace(finding, grid=other, placed=True)
        return replace(finding, grid=grid, placed=placed)


class _Check:
    """One check of some layers of a network on one image.

    Args:
        model: The network, borrowed by the caller, with gradients off.
        image: ``(1, C, H, W)``.
        output: How to find the logits.
        sparing: Whether the graph is recorded on the image alone.
    """

    def __init__(
        self, model: nn.Module, image: Images, output: Output | None, *, sparing: bool
    ) -> None:
        self.model, self.image, self.output, self.sparing = model, image, output, sparing

    def __call__(self, names: Sequence[str]) -> dict[str, Finding]:
        """Layer name -> finding."""
        size = (int(self.image.shape[-2]), int(self.image.shape[-1]))
        probed = _Probed(self.model, names, gradient=not self.sparing, size=size)
        try:
            graph, logits = self._graph(probed, names)
            slopes = _slopes(logits, {name: graph.of(self.model, name) for name in names})
        except (ModelError, torch.OutOfMemoryError) as error:
            return {name: Finding(name, doubt=str(error)) for name in names}
        found = {}
        for name in names:
            module, run = module_of(self.model, name), named_run(name)[1]
            runs = probed.runs.get(module, 0)
            if runs == 0:
                found[name] = Finding(name)
                continue
            finding = replace(probed.seen[module][run or runs], name=name, runs=runs)
            if not finding.sees and finding.rows == PROBES:
                finding = replace(finding, sees=self._depends(name))
            apart = run is None and _are_apart(list(graph.raw[module].values()))
            raw = graph.of(self.model, name)
            gradient = self._gradient(finding, raw, slopes.get(name))
            found[name] = replace(finding, ambiguous=apart, gradient=gradient)
        return found

    def _graph(self, probed: _Probed, names: Sequence[str]) -> tuple[Listener, Tensor]:
        """A run with a graph from the layers to the logits, after the probes have been seen."""
        graph: Listener = probed
        logits = forward(self.model, probe_images(self.image), listener=probed, output=self.output)
        given = probe_images(self.image)
        if self.sparing:
            given = self.image
            graph = Listener(self.model, names, gradient=True, every_run=True)
            logits = forward(self.model, given, listener=graph, output=self.output)
        raws = [graph.of(self.model, name) for name in names]
        if all(raw is None or is_behind(logits, raw) for raw in raws):
            return graph, logits
        # the network switches gradients off itself somewhere above a layer: begin with them on
        graph = Listener(self.model, names, gradient=True, every_run=True)
        with torch.enable_grad():
            return graph, forward(self.model, given, listener=graph, output=self.output)

    def _gradient(self, finding: Finding, raw: Tensor | None, slope: Tensor | None) -> Gradient:
        """What comes back to the layer."""
        if raw is None or finding.grid is None:
            return "unknown"
        if slope is not None:
            return "arrives" if bool((finding.grid.to_grid(slope) != 0).any()) else "zero"
        # others take the place of the layer's values, in as many images as the layer has been seen with
        own = finding.grid.to_grid(raw.detach()[:1])
        others = [own.flip(2, 3), torch.zeros_like(own), 1 - 2 * own, -own, 3 * own, own.roll(1, 3)]
        maps = torch.cat([own, *others])
        logits = Above(self.model, self.image, finding, output=self.output).logits(maps)
        equal = torch.allclose(logits, logits[:1].expand_as(logits), rtol=1e-6, atol=1e-7)
        return "none" if equal else "cut"

    def _depends(self, name: str) -> bool:
        """Whether a way leads from the images to the layer at all, although its rows do not follow them."""
        ways: list[bool] = []
        image = self.image.clone().requires_grad_()
        module, wanted = module_of(self.model, name), named_run(name)[1]

        def note(_module: nn.Module, _inputs: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401
            tensor = first_tensor(result)
            # where gradients are off, nothing can be told
            ways.append(tensor is None or not torch.is_grad_enabled() or is_behind(tensor, image))

        with torch.enable_grad(), listening([module], note):
            self.model(image)
        return ways[-1 if wanted is None else wanted - 1] if ways else True


def _slopes(logits: Tensor, raws: Mapping[str, Tensor | None]) -> dict[str, Tensor | None]:
    """Gradient of uneven multiples of all logits; None for layers that are not in the graph."""
    inside = {name: raw for name, raw in raws.items() if raw is not None and is_behind(logits, raw)}
    if not inside:
        return {}
    uneven = torch.linspace(1, 2, logits.shape[1], device=logits.device, dtype=logits.dtype)
    cotangent = uneven.expand_as(logits)
    try:
        found = torch.autograd.grad(logits, list(inside.values()), cotangent, allow_unused=True)
    except torch.OutOfMemoryError:
        raise
    except (
        RuntimeError
    ):  # an operation on the way has no gradient: what stands above it is asked with other values
        return {}
    return dict(zip(inside, found, strict=True))


def _are_apart(runs: Sequence[Tensor]) -> bool:
    """Whether the runs of a layer differ and one of them does not lead to the last."""
    *earlier, last = runs
    return any(
        not is_behind(last, one) and not (one.shape == last.shape and torch.equal(one, last))
        for one in earlier
    )
