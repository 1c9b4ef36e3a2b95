"""Pointing: does the map's peak, or its mass, lie on the object?"""

__all__ = ["energy_pointing_game", "mask_pointing_game", "pointing_game"]

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import MapError, OptionError, ShapeError
from figureground.base.shapes import Maps


@checked
def pointing_game(
    maps: Maps, true_boxes: Sequence[Real[Tensor, "_ 4"]], *, tolerance: float = 15.0
) -> Bool[Tensor, " N"]:
    """Whether the brightest pixel lies in a true box or at most ``tolerance`` pixels away.

    The distance is Euclidean, from pixel centre to pixel centre. Of equally bright pixels the
    first in reading order counts.

    Args:
        maps: One map an image, at the size that the boxes refer to.
        true_boxes: For each image its boxes, xyxy in pixels, half-open, at least one.
        tolerance: Pixels; 15 as in the paper's evaluation, 0 for the strict game.

    Returns:
        True for a hit.

    Raises:
        MapError: A map is constant or not finite: it points nowhere.
        OptionError: The tolerance is negative.
        ShapeError: The numbers of images differ, or an image has no box.

    References:
        Zhang, Lin, Brandt, Shen, Sclaroff (2016). Top-down Neural Attention by Excitation Backprop. ECCV,
        section 4.1, arXiv 1608.00507.

    Examples:
        >>> one_map = torch.zeros(1, 9, 9).index_put((torch.tensor(0),) * 3, torch.tensor(1.0))
        >>> box = [torch.tensor([[3.0, 4, 9, 9]])]
        >>> [pointing_game(one_map, box, tolerance=t).item() for t in (4.9, 5.0)]
        [False, True]
    """
    if tolerance < 0:
        raise OptionError(f"tolerance must not be negative, got {tolerance}")
    _check(maps, true_boxes)
    peak = maps.flatten(1).argmax(1)
    row, column = peak // maps.shape[2], peak % maps.shape[2]
    points = torch.stack([column, row], dim=1).double().cpu()
    near = [
        _distance(point, boxes.double().cpu()) <= tolerance
        for point, boxes in zip(points, true_boxes, strict=True)
    ]
    return torch.stack(near).to(maps.device)


@checked
def mask_pointing_game(
    maps: Maps, masks: Bool[Tensor, "N h w"], *, tolerance: float = 15.0
) -> Bool[Tensor, " N"]:
    """Whether the brightest pixel lies on the object's mask or at most ``tolerance`` pixels away.

    The same as ``pointing_game``, with the object's outline in the place of boxes. Its mass is ``mass_inside``.

    Args:
        maps: One map an image, at the size of the masks.
        masks: True on the object, in one pixel at least.
        tolerance: Pixels; 15 as in the paper's evaluation, 0 for the strict game.

    Returns:
        True for a hit.

    Raises:
        MapError: A map is constant or not finite: it points nowhere.
        OptionError: The tolerance is negative.
        ShapeError: An image's mask is empty.

    References:
        Zhang et al. (2016), Top-down Neural Attention by Excitation Backprop, section 4.1, arXiv 1608.00507.

    Examples:
        >>> one_map = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]])
        >>> mask = torch.tensor([[[True, True, False, False]]])
        >>> [mask_pointing_game(one_map, mask, tolerance=t).item() for t in (1.9, 2.0)]
        [False, True]
    """
    if tolerance < 0:
        raise OptionError(f"tolerance must not be negative, got {tolerance}")
    empty = ~masks.flatten(1).any(1)
    if empty.any():
        raise ShapeError(
            f"the masks {empty.nonzero()[:10, 0].tolist()} are empty; leave such images out"
        )
    _refuse_blank(maps)
    peak = maps.flatten(1).argmax(1)[:, None]
    height, width = maps.shape[1:]
    places = torch.arange(height * width, device=maps.device)
    across, down = places % width - peak % width, places // width - peak // width
    squares = (across.double().square() + down.double().square()).view(maps.shape)
    return squares.masked_fill(~masks.to(maps.device), torch.inf).amin((1, 2)).sqrt() <= tolerance


@checked
def energy_pointing_game(
    maps: Maps, true_boxes: Sequence[Real[Tensor, "_ 4"]]
) -> Float[Tensor, " N"]:
    """Share of the map's positive mass that lies inside the union of the true boxes.

    Args:
        maps: One map an image, at the size that the boxes refer to; negative values count as zero.
        true_boxes: For each image its boxes, xyxy in whole pixels, half-open, at least one.

    Returns:
        Shares in [0, 1]; higher is better. A uniform map has the boxes' share of the image.

    Raises:
        MapError: A map is constant or not finite, or has no positive value.
        ShapeError: The numbers of images differ, or an image has no box.

    References:
        Wang et al. (2020). Score-CAM. CVPR Workshops, section 4.3, arXiv 1910.01279. *Differs:* the
        published helper reads x as rows.

    Examples:
        >>> one_map = torch.tensor([[[1.0, 2.0], [0.0, 1.0]]])
        >>> energy_pointing_game(one_map, [torch.tensor([[1, 0, 2, 2]])])
        tensor([0.7500])
    """
    _check(maps, true_boxes)
    mass = maps.clamp_min(0).double()
    total = mass.flatten(1).sum(1)
    if (total == 0).any():
        raise MapError(f"maps {(total == 0).nonzero()[:10, 0].tolist()} have no positive value")
    inside = torch.stack([_union(boxes, maps) for boxes in true_boxes])
    return ((mass * inside).flatten(1).sum(1) / total).float()


def _check(maps: Tensor, true_boxes: Sequence[Tensor]) -> None:
    """Refuse blank maps and images without boxes."""
    if len(maps) != len(true_boxes):
        raise ShapeError(f"{len(maps)} maps but {len(true_boxes)} lists of true boxes")
    without = [position for position, boxes in enumerate(true_boxes) if len(boxes) == 0]
    if without:
        raise ShapeError(f"images {without[:10]} have no true box; leave such images out")
    _refuse_blank(maps)


def _refuse_blank(maps: Tensor) -> None:
    """Refuse maps that point nowhere."""
    flat = maps.flatten(1)
    blank = ~flat.isfinite().all(1) | (flat.amax(1) == flat.amin(1))
    if blank.any():
        raise MapError(f"maps {blank.nonzero()[:10, 0].tolist()} are constant or not finite")


def _distance(point: Tensor, boxes: Tensor) -> Tensor:
    """From a pixel to the nearest pixel of any of the half-open boxes."""
    beyond = torch.maximum(boxes[:, :2] - point, point - (boxes[:, 2:] - 1)).clamp_min(0)
    return beyond.square().sum(1).amin().sqrt()


def _union(boxes: Tensor, maps: Tensor) -> Tensor:
    """Mask of the pixels in any of the boxes."""
    mask = torch.zeros(maps.shape[1:], dtype=torch.bool, device=maps.device)
    for x0, y0, x1, y1 in boxes.round().int().tolist():
        mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return mask
