"""The same picture seen a little differently, and its map brought back into place."""

__all__ = ["View", "crop_view", "flip_view", "maps_of_views", "same_view", "standard_views"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from figureground.base.errors import OptionError
from figureground.base.shapes import Images, Labels
from figureground.maps.resize import resize
from figureground.metrics.faithfulness.scoring import Explain


@dataclass(frozen=True)
class View:
    """A way to look, and the way back.

    Args:
        name: For reports.
        change: Images ``(N, C, H, W)`` -> images of the same size.
        align: Maps of the changed images, at image size ``(N, H, W)`` -> maps laid over the
            originals; NaN where the view did not see.
    """

    name: str
    change: Callable[[Tensor], Tensor]
    align: Callable[[Tensor], Tensor]


def same_view() -> View:
    """The picture as it is.

    Returns:
        The view.
    """
    return View("same", torch.clone, torch.clone)


def flip_view() -> View:
    """Left and right exchanged.

    Returns:
        The view.
    """
    return View("flip", _mirror, _mirror)


def crop_view(top: float, left: float, *, share: float = 0.875) -> View:
    """A window of the picture, enlarged to full size.

    Args:
        top: Where the window sits: 0 at the upper, 1 at the lower end of its room.
        left: 0 at the left, 1 at the right end.
        share: Side of the window over the side of the picture, in (0, 1].

    Returns:
        The view; it does not see what lies outside its window.

    Raises:
        OptionError: A number out of its range.

    Examples:
        >>> seen = crop_view(1.0, 0.0, share=0.5).align(torch.ones(1, 4, 4))
        >>> seen.isnan().logical_not().int().tolist()
        [[[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]]
    """
    if not (0 <= top <= 1 and 0 <= left <= 1 and 0 < share <= 1):
        raise OptionError(f"top, left and share must be in [0, 1], not {top}, {left}, {share}")
    place = _Window(top, left, share)
    return View(f"crop {top:g} {left:g}", place.enlarged, place.put_back)


def standard_views() -> tuple[View, ...]:
    """The picture, its mirror image, and windows in the four corners.

    Returns:
        Six views.
    """
    corners = [crop_view(top, left) for top in (0.0, 1.0) for left in (0.0, 1.0)]
    return (same_view(), flip_view(), *corners)


def maps_of_views(
    explain: Explain, images: Images, *, classes: Labels, views: Sequence[View]
) -> Float[Tensor, "R N H W"]:
    """The maps of all views, each laid over the original picture.

    Args:
        explain: Makes the maps, ``(N, h, w)``; resized bilinearly to image size.
        images: ``(N, C, H, W)`` in [0, 1].
        classes: ``(N,)``, the same for every view.
        views: How to look.

    Returns:
        ``(R, N, H, W)``, one layer per view, for ``cam_instability``; NaN where a view did not see.
    """
    size = (images.shape[-2], images.shape[-1])
    return torch.stack(
        [view.align(resize(explain(view.change(images), classes), size)) for view in views]
    )


def _mirror(tensor: Tensor) -> Tensor:
    return tensor.flip(-1)


@dataclass(frozen=True)
class _Window:
    """A window of a picture, in shares of its sides."""

    top: float
    left: float
    share: float

    def slices(self, like: Tensor) -> tuple[slice, slice]:
        """Rows and columns of the window in whole pixels."""
        height, width = like.shape[-2:]
        rows, columns = max(1, round(self.share * height)), max(1, round(self.share * width))
        first_row = round(self.top * (height - rows))
        first_column = round(self.left * (width - columns))
        return slice(first_row, first_row + rows), slice(first_column, first_column + columns)

    def enlarged(self, images: Tensor) -> Tensor:
        """The window at the size of the picture."""
        rows, columns = self.slices(images)
        size = (images.shape[-2], images.shape[-1])
        return interpolate(images[..., rows, columns], size, mode="bilinear", antialias=True)

    def put_back(self, maps: Tensor) -> Tensor:
        """The map at its place in the picture, NaN around it."""
        rows, columns = self.slices(maps)
        canvas = torch.full_like(maps, torch.nan)
        inside = (rows.stop - rows.start, columns.stop - columns.start)
        canvas[..., rows, columns] = resize(maps, inside)
        return canvas
