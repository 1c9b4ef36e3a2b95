"""Overlap of boxes, in both readings of a corner, and boxes carried to another image size."""

__all__ = ["CONVENTIONS", "iou", "scale_boxes"]

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError, unknown_option

CONVENTIONS = ("half-open", "inclusive")


def iou(
    boxes: Shaped[Tensor, "A 4"], others: Shaped[Tensor, "B 4"], *, convention: str = "half-open"
) -> Float[Tensor, "A B"]:
    """Intersection over union of every box with every other.

    Args:
        boxes: xyxy in pixels.
        others: xyxy in pixels.
        convention: "half-open": a box is ``x1 - x0`` wide. "inclusive": x1 is the last pixel and
            the box is ``x1 - x0 + 1`` wide, as in PASCAL VOC, ILSVRC and Choe et al.

    Returns:
        Overlaps in [0, 1], higher is better; 0 where both boxes are empty.

    Raises:
        ShapeError: A box is not finite, or its second corner comes before the first.

    Examples:
        >>> iou(
        ...     torch.tensor([[1.0, 2, 5, 6]]),
        ...     torch.tensor([[3.0, 1, 4, 5]]),
        ...     convention="inclusive",
        ... )
        tensor([[0.2963]])
    """
    extra = _extra(convention)
    one, other = _checked(boxes, extra), _checked(others, extra)
    low = torch.maximum(one[:, None, :2], other[None, :, :2])
    high = torch.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = (high - low + extra).clamp_min(0).prod(-1)
    areas = [(b[:, 2:] - b[:, :2] + extra).prod(-1) for b in (one, other)]
    union = areas[0][:, None] + areas[1][None] - shared
    return (shared / union.clamp_min(torch.finfo(union.dtype).tiny)).float()


def scale_boxes(
    boxes: Shaped[Tensor, "B 4"],
    size: tuple[int, int],
    new_size: tuple[int, int],
    *,
    whole: bool = False,
) -> Float[Tensor, "B 4"]:
    """Boxes of an image of one size on the same image stretched to another.

    Args:
        boxes: xyxy in pixels.
        size: Width and height that the boxes refer to.
        new_size: Width and height wanted.
        whole: Cut to whole pixels towards zero, as the protocol of Choe et al. does.

    Returns:
        xyxy in pixels of the new size.

    Raises:
        OptionError: A size is not positive.

    Examples:
        >>> scale_boxes(torch.tensor([[1.0, 2, 4, 3]]), (10, 20), (35, 10), whole=True).tolist()
        [[3.0, 1.0, 14.0, 1.0]]
    """
    if min(*size, *new_size) < 1:
        raise OptionError(f"sizes must be positive, got {size} and {new_size}")
    numbers = [new * 1.0 for new in new_size * 2]
    scaled = boxes.double() * torch.tensor(numbers) / torch.tensor([s * 1.0 for s in size * 2])
    return (scaled.trunc() if whole else scaled).float()


def _extra(convention: str) -> int:
    """How many pixels a side is longer than the difference of its corners."""
    if convention not in CONVENTIONS:
        raise unknown_option("convention", convention, CONVENTIONS)
    return int(convention == "inclusive")


def _checked(boxes: Tensor, extra: int) -> Tensor:
    """Boxes as float64, if they are boxes."""
    numbers = boxes.double()
    bad = ~(numbers.isfinite().all(1) & (numbers[:, 2:] >= numbers[:, :2] - extra).all(1))
    if bad.any():
        where = bad.nonzero()[0].item()
        raise ShapeError(f"box {where} is not xyxy in order: {boxes[int(where)].tolist()}")
    return numbers
