"""Background images from a folder."""

__all__ = ["Folder"]

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from figureground.base.errors import DataError, unknown_option
from figureground.data.background.source import ImageArray, InOrder, checked_index
from figureground.data.decoding import decode_image, image_size
from figureground.data.finding import image_files

_ORDERS = ("natural", "string")


class Folder(InOrder):
    """The images of a folder, each an original.

    Args:
        root: The folder; folders inside it are searched too.
        rows: Which of the sorted images: a range (one that the folder does not fill is an error),
            or numbers.
        exclude: File names to leave out afterwards.
        order: ``natural`` (``2.jpg`` before ``10.jpg``) or ``string`` (as Python sorts names).
        provenance: Address, licence and the like.
        decode: The upright image in a file.

    Raises:
        DataError: There is no folder, no image, or too few for ``rows``.
        OptionError: The order is unknown.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        rows: range | Sequence[int] | None = None,
        exclude: Collection[str] = (),
        order: str = "natural",
        provenance: dict[str, str] | None = None,
        decode: Callable[[Path], Image.Image] = decode_image,
    ) -> None:
        _check_order(order)
        place = Path(root)
        if not place.is_dir():
            raise DataError(f"no folder {place}")
        found = image_files(place)
        if order == "string":
            found = sorted(found, key=str)
        if rows is not None and len(rows) and max(rows) >= len(found):
            raise DataError(f"image {max(rows)} of {place} is asked for; it holds {len(found)}")
        chosen = found if rows is None else [found[row] for row in rows]
        self.paths = tuple(path for path in chosen if path.name not in exclude)
        self.name = place.name
        self._decode = decode
        rule = f"{order} order" if rows is None else f"{order} order, images {_shown(rows)}"
        self.provenance = {"folder": place.name, "rule": rule, **(provenance or {})}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> ImageArray:
        return np.array(self._decode(self.paths[checked_index(index, len(self))]))

    def group(self, index: int) -> str:
        """The file, whatever folder object it is reached through.

        Args:
            index: Of the image.

        Returns:
            Its full path.
        """
        return os.path.abspath(self.paths[checked_index(index, len(self))])  # noqa: PTH100 - links stay apart

    def size(self, index: int) -> tuple[int, int]:
        """How large an image is, from its header.

        Args:
            index: Of the image.

        Returns:
            Width and height in pixels.
        """
        return image_size(self.paths[checked_index(index, len(self))])


def _check_order(order: str) -> None:
    if order not in _ORDERS:
        raise unknown_option("order", order, _ORDERS)


def _shown(rows: range | Sequence[int]) -> str:
    if isinstance(rows, range):
        return f"{rows.start} to {rows.stop - 1}"
    return ", ".join(map(str, rows))
