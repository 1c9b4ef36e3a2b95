"""What lies around the boxes of annotated images: background from the images themselves."""

__all__ = ["OutsideBox"]

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from figureground.base.errors import OptionError
from figureground.base.places import located
from figureground.base.storage import RemoteFile
from figureground.data.annotations import AnnotatedImages
from figureground.data.background.source import ImageArray, InOrder, checked_index
from figureground.data.decoding import decode_image, image_size
from figureground.data.labeled import LabeledImages

_Square = tuple[int, int, int, int]  # row, x, y, side)


class OutsideBox(InOrder):
    """Square tiles from the strips left of, right of, above and below all boxes of an image.

    A strip is as wide as the space between the boxes' common hull and the image's edge and is
    cut into as many squares of that side as fit, evenly spaced. An image without boxes gives
    nothing: nobody has said that it is empty. Strips overlap at the corners.

    Args:
        images: ``decode(i)``, one for each of ``sizes``.
        boxes: Of each image, (B, 4) xyxy pixels, half-open.
        sizes: Width and height of each image, pixels.
        groups: Name of each original.
        min_side: Squares with fewer pixels are left out.
        margin: Pixels to keep away from the boxes.

    Raises:
        OptionError: ``min_side`` is below 1 or ``margin`` negative.

    References:
        The author of arXiv:2305.03238 cuts backgrounds so from chest X-rays and ultrasound scans.
        *Differs:* squares, so that nothing is stretched later.
    """

    def __init__(
        self,
        images: Callable[[int], Image.Image],
        boxes: Sequence[np.ndarray],
        *,
        sizes: Sequence[tuple[int, int]],
        groups: Sequence[str],
        min_side: int = 16,
        margin: int = 0,
    ) -> None:
        if min_side < 1 or margin < 0:
            raise OptionError(f"min_side {min_side} is at least 1, margin {margin} at least 0")
        self.name = "outside boxes"
        self.provenance = {"rule": f"squares of {min_side} pixels or more, {margin} from any box"}
        self._groups = groups
        self._image = lru_cache(maxsize=2)(images)
        self._squares = [
            (row, *square)
            for row, (marked, size) in enumerate(zip(boxes, sizes, strict=True))
            for square in _outside(marked, size, min_side=min_side, margin=margin)
        ]

    @classmethod
    def of_annotations(
        cls,
        annotated: AnnotatedImages,
        *,
        min_side: int = 16,
        margin: int = 0,
        decode: Callable[[Path | RemoteFile], Image.Image] = decode_image,
    ) -> "OutsideBox":
        """From files; the boxes of all classes of an image count together.

        Args:
            annotated: What `read_annotations` gave.
            min_side: Squares with fewer pixels are left out.
            margin: Pixels to keep away from the boxes.
            decode: The upright image in a file.

        Returns:
            The tiles.
        """
        marked: dict[str, list[np.ndarray]] = {}
        places: dict[str, Path | RemoteFile] = {}
        for entry in annotated:
            group = located(entry.path)
            places[group] = entry.path
            marked.setdefault(group, []).append(entry.boxes)
        paths = list(places.values())
        return cls(
            lambda row: decode(paths[row]),
            [np.concatenate(boxes) for boxes in marked.values()],
            sizes=[image_size(path) for path in paths],
            groups=list(places),
            min_side=min_side,
            margin=margin,
        )

    @classmethod
    def of_labeled(
        cls, data: LabeledImages, *, name: str, min_side: int = 16, margin: int = 0
    ) -> "OutsideBox":
        """From a data set that has boxes.

        Args:
            data: The images.
            name: Of the set, for the names of groups.
            min_side: Squares with fewer pixels are left out.
            margin: Pixels to keep away from the boxes.

        Returns:
            The tiles.

        Raises:
            OptionError: It has no boxes.
        """
        if data.boxes is None:
            raise OptionError(f"the set '{name}' has no boxes")
        rows = range(len(data))
        return cls(
            data.image,
            [boxes.numpy() for boxes in data.boxes],
            sizes=[data.image(row).size for row in rows],
            groups=[
                f"{name} {row if data.groups is None else int(data.groups[row])}" for row in rows
            ],
            min_side=min_side,
            margin=margin,
        )

    def __len__(self) -> int:
        return len(self._squares)

    def __getitem__(self, index: int) -> ImageArray:
        row, x, y, side = self._squares[checked_index(index, len(self))]
        cut = self._image(row).crop((x, y, x + side, y + side))
        return np.array(cut.convert("RGB"))

    def group(self, index: int) -> str:
        """The annotated image.

        Args:
            index: Of the tile.

        Returns:
            Its name.
        """
        return self._groups[self._squares[checked_index(index, len(self))][0]]


def _outside(
    boxes: np.ndarray, size: tuple[int, int], *, min_side: int, margin: int
) -> list[tuple[int, int, int]]:
    """Squares x, y, side between the boxes' hull and the edges."""
    if not len(boxes):
        return []
    width, height = size
    x0, y0 = (math.floor(low) - margin for low in boxes[:, :2].min(axis=0))
    x1, y1 = (math.ceil(high) + margin for high in boxes[:, 2:].max(axis=0))
    strips = [(0, 0, x0, height), (x1, 0, width, height), (0, 0, width, y0), (0, y1, width, height)]
    squares: list[tuple[int, int, int]] = []
    for left, top, right, bottom in strips:
        side = min(right - left, bottom - top)
        if side < min_side:
            continue
        for x in _even(left, right, side):
            squares += [(x, y, side) for y in _even(top, bottom, side)]
    return squares


def _even(start: int, end: int, side: int) -> list[int]:
    """As many whole pieces as fit, from edge to edge; one alone lies in the middle."""
    count = (end - start) // side
    if count == 1:
        return [start + (end - start - side) // 2]
    return [round(at) for at in np.linspace(start, end - side, count)]
