"""The numbers behind the pictures: raw maps as a file, and what each map says of a place in the photo."""

__all__ = ["ShownMap", "told_at", "values_at", "zipped"]

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from figureground.base.shapes import Maps
from figureground.maps import normalise
from figureground.maps.window import Window, place


@dataclass(frozen=True)
class ShownMap:
    """The map that a picture shows.

    Args:
        words: Below the picture.
        methods: Whose map it is; several where theirs look the same.
        position: Of the class among those explained; None where the map is of none.
        maps: ``(1, h, w)``, raw; of concepts ``(k, h, w)``.
        window: Where they lie in the photo, in its pixels.
        size: Width and height of the photo.
    """

    words: str
    methods: tuple[str, ...]
    position: int | None
    maps: Maps
    window: Window
    size: tuple[int, int]

    @property
    def normalised(self) -> Maps:
        """As they are painted: positive values alone, each map from 0 to 1; zeros where nothing can be told."""
        return normalise(self.maps.relu(), on_blank="zeros")


def values_at(
    one: ShownMap, x: int, y: int
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]] | None:
    """What a map is at a pixel of the photo, between its cells as it is painted.

    Args:
        one: The map.
        x: Column of the photo.
        y: Row of the photo.

    Returns:
        Raw and normalised, a value for each concept; None where the network did not see the pixel.

    Examples:
        >>> import torch
        >>> maps = torch.tensor([[[0.0, 4.0, -8.0]]])
        >>> one = ShownMap("cam", ("cam",), 0, maps, window=(1.0, 0.0, 4.0, 1.0), size=(5, 1))
        >>> values_at(one, 2, 0)
        (array([4.], dtype=float32), array([1.], dtype=float32))
        >>> values_at(one, 0, 0) is None
        True
    """
    x0, y0, x1, y1 = (end - at for end, at in zip(one.window, (x, y, x, y), strict=True))
    if not (x0 <= 0.5 < x1 and y0 <= 0.5 < y1):
        return None
    raw, normalised = (
        place(maps, (x0, y0, x1, y1), (1, 1))[:, 0, 0].numpy()
        for maps in (one.maps, one.normalised)
    )
    return raw, normalised


def told_at(maps: Sequence[ShownMap], share: tuple[float, float]) -> str:
    """What every map is at a place, in words.

    Args:
        maps: Of one photo.
        share: The place, of the photo's width and height.

    Returns:
        A line for the place and one for each map; empty where there is no map.
    """
    if not maps:
        return ""
    width, height = maps[0].size
    x, y = (min(int(part * side), side - 1) for part, side in zip(share, maps[0].size, strict=True))
    lines = [f"x {x}, y {y} of {width} × {height} pixels"]
    for one in maps:
        found = values_at(one, x, y)
        if found is None:
            return f"{lines[0]}: the network did not see this place"
        raw, normalised = (", ".join(f"{value:.4g}" for value in values) for values in found)
        lines.append(f"{one.words}: raw {raw}; normalised {normalised}")
    return "\n".join(lines)


def zipped(raw: Mapping[str, Float[np.ndarray, "K h w"]]) -> bytes:
    """Raw maps as a file that ``numpy.load`` reads, as ``explain`` leaves it.

    Args:
        raw: ``method/layer`` -> maps.

    Returns:
        The npz.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **raw)  # type: ignore[arg-type]
    return buffer.getvalue()
