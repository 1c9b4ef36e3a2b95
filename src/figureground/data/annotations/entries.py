"""What annotated images look like once read, and what was wrong with them."""

__all__ = ["AnnotatedImage", "AnnotatedImages", "MaskFiles", "Problem", "ProblemKind", "RawEntry"]

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, UInt8

from figureground.base.errors import ImageError
from figureground.base.storage import RemoteFile
from figureground.data.decoding import decode_mask

ProblemKind: TypeAlias = Literal[
    "bad-box",
    "bad-row",
    "clipped-box",
    "counted-from-0",
    "crowd-box",
    "empty-box",
    "missing-file",
    "no-boxes",
    "no-prediction",
    "outside-box",
    "size-mismatch",
    "unknown-image",
    "unknown-label",
    "unreadable-file",
]


@dataclass(frozen=True)
class Problem:
    """One thing that was not as it should be.

    Args:
        kind: One of a closed list of words, for counting.
        where: The file, and the row or entry in it.
        message: What came and what was done about it.
    """

    kind: ProblemKind
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class MaskFiles:
    """Which files mark a class in an image.

    Args:
        marked: Files whose pixels that are not black mark the class; together where there are several.
        ignored: File whose pixels that are not black, and not marked, are not to be judged.
    """

    marked: tuple[Path | RemoteFile, ...]
    ignored: Path | RemoteFile | None = None

    @property
    def files(self) -> tuple[Path | RemoteFile, ...]:
        """All of them."""
        return self.marked if self.ignored is None else (*self.marked, self.ignored)

    def decode(self) -> UInt8[np.ndarray, "H W"]:
        """The mask.

        Returns:
            1 where marked, 255 where not to be judged, else 0.

        Raises:
            ImageError: A file cannot be decoded, or two are not of one size.
        """
        found = decode_mask(self.marked[0])
        for file in self.marked[1:]:
            found = found | _of_size(decode_mask(file), found.shape, file)
        if self.ignored is None:
            return found.astype(np.uint8)
        ignored = _of_size(decode_mask(self.ignored), found.shape, self.ignored)
        return np.where(found, 1, np.where(ignored, 255, 0)).astype(np.uint8)


@dataclass(frozen=True)
class AnnotatedImage:
    """One class in one image; an image that shows two classes has two entries.

    Args:
        path: The image.
        label: Class index where class names or numbers allow it, else the name; None where the
            annotation names no class.
        boxes: Where the class is: xyxy in pixels of the upright image, half-open, inside it;
            no row where nothing is marked.
        mask: Where the class is, pixel by pixel; None where only boxes tell.
        size: Width and height of the image; None where neither its file nor the annotation tells.
    """

    path: Path | RemoteFile
    label: int | str | None
    boxes: Float[np.ndarray, "B 4"]
    mask: MaskFiles | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class AnnotatedImages:
    """Annotated images in the order of the source, and every problem met on the way.

    Args:
        source: What was read.
        format: Which of the known formats it was.
        images: The entries.
        problems: What was repaired or left out.
    """

    source: Path
    format: str
    images: tuple[AnnotatedImage, ...]
    problems: tuple[Problem, ...]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> AnnotatedImage:
        return self.images[index]

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return iter(self.images)

    @property
    def problem_counts(self) -> dict[str, int]:
        """How often each kind of problem occurred, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())


@dataclass(frozen=True)
class RawEntry:
    """One class in one image as a format's reader found it, not yet checked.

    Args:
        where: For messages: the file, and the row or entry in it.
        path: The image, which may not exist.
        label: As it was written.
        boxes: Four numbers each, xyxy, half-open, unchecked.
        size: Width and height that the annotation claims, or None.
        mask: Mask files, or None.
    """

    where: str
    path: Path | RemoteFile
    label: int | str | None
    boxes: tuple[tuple[float, ...], ...] = ()
    size: tuple[int, int] | None = None
    mask: MaskFiles | None = None


def _of_size(mask: np.ndarray, shape: tuple[int, ...], file: Path | RemoteFile) -> np.ndarray:
    """The mask, unless it is of another size than the first one."""
    if mask.shape != shape:
        raise ImageError(
            str(file),
            f"the mask is {mask.shape[1]}x{mask.shape[0]}, the others {shape[1]}x{shape[0]}",
        )
    return mask
