"""Where the image that a network sees lies in the original that it was cropped from."""

__all__ = ["View"]

from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.shapes import Boxes


@dataclass(frozen=True)
class View:
    """The mapping between an original image and the resized, cropped one made from it.

    A point at ``x`` pixels in the original lies at ``x * scale_x - offset_x`` in the view, both counted from the left
    edge of the left pixel; likewise for ``y``.

    Args:
        original_size: Width and height of the original, pixels.
        scale_x: Resized width over original width.
        scale_y: Resized height over original height.
        offset_x: Columns of the resized image left of the view; negative where the view has a border there.
        offset_y: Rows of the resized image above the view; negative where the view has a border there.
        view_size: Width and height of the view, pixels.

    Examples:
        >>> import torch
        >>> view = View((500, 250), 0.5, 0.5, 63.0, 0.0, view_size=(125, 125))
        >>> view.boxes_to_original(torch.tensor([[0.0, 0.0, 125.0, 125.0]]))
        tensor([[126.,   0., 376., 250.]])
    """

    original_size: tuple[int, int]
    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    view_size: tuple[int, int]

    def boxes_to_original(self, boxes_xyxy: Boxes) -> Boxes:
        """The same boxes in pixels of the original.

        Args:
            boxes_xyxy: ``(B, 4)`` half-open boxes in pixels of the view.

        Returns:
            ``(B, 4)`` boxes, clipped to the original.
        """
        scale, offset = self._scale_and_offset(boxes_xyxy)
        return _clip((boxes_xyxy + offset) / scale, self.original_size)

    def boxes_from_original(self, boxes_xyxy: Boxes) -> Boxes:
        """The same boxes in pixels of the view.

        Args:
            boxes_xyxy: ``(B, 4)`` half-open boxes in pixels of the original.

        Returns:
            ``(B, 4)`` boxes, clipped to the view; a box that the crop cut away whole has no area.
        """
        scale, offset = self._scale_and_offset(boxes_xyxy)
        return _clip(boxes_xyxy * scale - offset, self.view_size)

    def _scale_and_offset(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and offset once for each of x0, y0, x1, y1."""
        scale = like.new_tensor([self.scale_x, self.scale_y] * 2)
        return scale, like.new_tensor([self.offset_x, self.offset_y] * 2)


def _clip(boxes_xyxy: Boxes, size: tuple[int, int]) -> Boxes:
    """Boxes cut at the edges of an image of this width and height."""
    limit = boxes_xyxy.new_tensor([*size, *size])
    return torch.minimum(boxes_xyxy.clamp(min=0), limit)
