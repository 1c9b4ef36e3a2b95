"""What annotated images look like once read, and what was wrong with them."""

__all__ = ["AnnotatedImage", "AnnotatedImages", "Problem", "ProblemKind", "RawEntry"]

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

ProblemKind: TypeAlias = Literal[
    "bad-box",
    "bad-row",
    "clipped-box",
    "counted-from-0",
    "crowd-box",
    "empty-box",
    "missing-file",
    "no-boxes",
    "outside-box",
    "size-mismatch",
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
class AnnotatedImage:
    """One class in one image; an image that shows two classes has two entries.

    Args:
        path: The image.
        label: Class index where class names or numbers allow it, else the name; None where the
            annotation names no class.
        boxes: Where the class is: xyxy in pixels of the upright image, half-open, inside it;
            no row where nothing is marked.
        mask: File whose pixels that are not black mark the class.
    """

    path: Path
    label: int | str | None
    boxes: Float[np.ndarray, "B 4"]
    mask: Path | None = None


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
        mask: Mask file, or None.
    """

    where: str
    path: Path
    label: int | str | None
    boxes: tuple[tuple[float, ...], ...] = ()
    size: tuple[int, int] | None = None
    mask: Path | None = None
