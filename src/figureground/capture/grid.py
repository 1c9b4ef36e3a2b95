"""From what a layer returns to a grid of positions: NCHW maps, NHWC maps and sequences of tokens."""

__all__ = ["Grid", "find_grid", "first_tensor", "with_first_tensor"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from figureground.base.errors import ShapeError
from figureground.base.shapes import FeatureMaps


def first_tensor(output: object) -> Tensor | None:
    """The first tensor in what a module returned, looking into tuples, lists, dicts and dataclasses.

    Args:
        output: What the module returned.

    Returns:
        The tensor, or None where there is none.
    """
    if isinstance(output, Tensor):
        return output
    for value in _values(output):
        found = first_tensor(value)
        if found is not None:
            return found
    return None


def with_first_tensor(output: Any, tensor: Tensor) -> Any:  # noqa: ANN401 - whatever a module returns
    """The same structure with its first tensor exchanged; the given structure is not changed.

    Args:
        output: What a module returned.
        tensor: What to put in place of its first tensor.

    Returns:
        A structure of the same kind.

    Raises:
        ShapeError: The structure holds no tensor.
    """
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, Mapping):
        return _exchange_in_mapping(output, tensor)
    if isinstance(output, list | tuple):
        position = _first_position(output)
        items = [with_first_tensor(v, tensor) if i == position else v for i, v in enumerate(output)]
        return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
    if is_dataclass(output) and not isinstance(output, type):
        names = [field.name for field in fields(output)]
        name = names[_first_position([getattr(output, name) for name in names])]
        return replace(output, **{name: with_first_tensor(getattr(output, name), tensor)})
    raise ShapeError(f"a layer returned {type(output).__name__}, which holds no tensor")


def _values(output: object) -> list[object]:
    """What a structure holds, in order."""
    if isinstance(output, Mapping):
        return list(output.values())
    if isinstance(output, list | tuple):
        return list(output)
    if is_dataclass(output) and not isinstance(output, type):
        return [getattr(output, field.name) for field in fields(output)]
    return []


def _first_position(values: list[Any] | tuple[Any, ...]) -> int:
    """Where the first tensor is."""
    for position, value in enumerate(values):
        if first_tensor(value) is not None:
            return position
    raise ShapeError("a layer returned a structure that holds no tensor")


def _exchange_in_mapping(output: Mapping[Any, Any], tensor: Tensor) -> Any:  # noqa: ANN401
    """A copy of a dict-like output (plain dict, OrderedDict, transformers' ModelOutput) with one value exchanged."""
    keys = list(output)
    key = keys[_first_position([output[k] for k in keys])]
    changed = {k: with_first_tensor(v, tensor) if k == key else v for k, v in output.items()}
    kind: Any = type(output)
    return kind(**changed) if hasattr(kind, "__dataclass_fields__") else kind(changed)


_MOST_PREFIX_TOKENS = 16
_ASPECT_TOLERANCE = 0.2


@dataclass(frozen=True)
class Grid:
    """How the raw output of a layer is laid out over the image.

    Args:
        layout: ``nchw`` (N,C,h,w), ``nhwc`` (N,h,w,C) or ``tokens`` (N, prefix + h·w, C).
        size: ``(h, w)``.
        channels: C.
        prefix: Class, distillation and register tokens before the first image token.
    """

    layout: Literal["nchw", "nhwc", "tokens"]
    size: tuple[int, int]
    channels: int
    prefix: int = 0

    def of_shape(self, shape: Sequence[int]) -> "Grid":
        """The same reading of a map of another size.

        Args:
            shape: ``(N, C, h, w)``, or ``(N, h, w, C)`` for NHWC.

        Returns:
            The grid.
        """
        _, a, b, c = shape
        nhwc = self.layout == "nhwc"
        return Grid(self.layout, (a, b) if nhwc else (b, c), c if nhwc else a)

    def read_the_other_way(self) -> "Grid":
        """The same map with its channels read from the other end: NHWC for NCHW, NCHW for NHWC."""
        (h, w), c = self.size, self.channels
        return Grid("nhwc", (c, h), w) if self.layout == "nchw" else Grid("nchw", (w, c), h)

    def to_grid(self, raw: Tensor) -> FeatureMaps:
        """A layer's output (or its gradient) as ``(N, C, h, w)``; prefix tokens are left out.

        Args:
            raw: As the layer returned it.

        Returns:
            A view where the layout allows.
        """
        if self.layout == "nchw":
            return raw
        if self.layout == "nhwc":
            return raw.permute(0, 3, 1, 2)
        return raw[:, self.prefix :].reshape(len(raw), *self.size, -1).permute(0, 3, 1, 2)

    def from_grid(self, maps: FeatureMaps, raw: Tensor) -> Tensor:
        """The inverse: put maps back into the layout of a layer's output.

        Args:
            maps: ``(N, C, h, w)``.
            raw: An output of the layer for N images; lends its prefix tokens.

        Returns:
            A tensor shaped like ``raw``.
        """
        if self.layout == "nchw":
            return maps.to(raw.dtype)
        if self.layout == "nhwc":
            return maps.permute(0, 2, 3, 1).to(raw.dtype)
        tokens = raw.clone()
        tokens[:, self.prefix :] = maps.flatten(2).transpose(1, 2).to(raw.dtype)
        return tokens


def find_grid(
    raw: Tensor, image_size: tuple[int, int], *, model: nn.Module, layer: nn.Module
) -> Grid | None:
    """How a layer's output lies over the image, or None where it has no positions.

    Args:
        raw: The output, ``(N, C, h, w)``, ``(N, h, w, C)`` or ``(N, T, C)``.
        image_size: ``(H, W)`` of the images that went in; a grid has about the same proportions.
        model: The network; timm's ``num_prefix_tokens`` and ``patch_embed`` are believed where they fit.
        layer: The layer; a layer norm tells which axis holds the channels.

    Returns:
        The grid; ``h · w`` may be 1, which the caller may not want.
    """
    if raw.ndim == 4:
        return _map_grid(raw, image_size, layer)
    if raw.ndim == 3 and raw.is_floating_point():
        return _token_grid(raw, image_size, model)
    return None


def _map_grid(raw: Tensor, image_size: tuple[int, int], layer: nn.Module) -> Grid:
    """NCHW unless a layer norm over the last axis or the image's proportions say NHWC."""
    _, a, b, c = raw.shape
    normed: Any = getattr(layer, "normalized_shape", None)
    looks_nhwc = (
        _aspect_error((a, b), image_size) < _ASPECT_TOLERANCE < _aspect_error((b, c), image_size)
    )
    if (normed is not None and tuple(normed) == (c,) and a != c) or looks_nhwc:
        return Grid("nhwc", (a, b), c)
    return Grid("nchw", (b, c), a)


def _token_grid(raw: Tensor, image_size: tuple[int, int], model: nn.Module) -> Grid | None:
    """The grid that the model states, else the one of the image's proportions with the fewest prefix tokens."""
    count, channels = raw.shape[1], raw.shape[2]
    for prefix, size in [*_stated_grids(model, image_size), *_fitting_grids(count, image_size)]:
        if prefix >= 0 and count == prefix + size[0] * size[1]:
            return Grid("tokens", size, channels, prefix)
    return None


def _stated_grids(
    model: nn.Module, image_size: tuple[int, int]
) -> list[tuple[int, tuple[int, int]]]:
    """Prefix and size as timm's and torchvision's transformers state them."""
    stated: list[tuple[int, tuple[int, int]]] = []
    for module in model.modules():
        embed: Any = getattr(module, "patch_embed", None)
        prefix = getattr(module, "num_prefix_tokens", None)
        if isinstance(prefix, int) and hasattr(embed, "dynamic_feat_size"):
            stated.append((prefix, tuple(embed.dynamic_feat_size(image_size))))
        patch = getattr(module, "patch_size", None)
        if isinstance(patch, int) and hasattr(module, "class_token"):
            stated.append((1, (image_size[0] // patch, image_size[1] // patch)))
    return stated


def _fitting_grids(count: int, image_size: tuple[int, int]) -> list[tuple[int, tuple[int, int]]]:
    """Every way to read ``count`` tokens as a few prefix tokens and a grid of the image's proportions."""
    fitting = []
    for prefix in range(min(_MOST_PREFIX_TOKENS, count - 1)):
        positions = count - prefix
        h = max(1, round(math.sqrt(positions * image_size[0] / image_size[1])))
        exact = positions % h == 0
        if exact and _aspect_error((h, positions // h), image_size) < _ASPECT_TOLERANCE / 2:
            fitting.append((prefix, (h, positions // h)))
    return fitting


def _aspect_error(size: tuple[int, int], image_size: tuple[int, int]) -> float:
    """How far two proportions are apart, in natural logarithms; infinite where a side is larger than the image's."""
    if size[0] > image_size[0] or size[1] > image_size[1]:
        return math.inf
    return abs(math.log(size[0] * image_size[1] / (size[1] * image_size[0])))
