"""What the page shows of one image, in order and in words."""

__all__ = ["Card", "Cell", "PanelColumn", "Prediction", "Rectangle", "Row"]

from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    """A box in pixels of the image, ready for SVG."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Prediction:
    """A class the model named: text, probability as text, and 0 to 100 for its bar."""

    name: str
    score: str
    percent: float


@dataclass(frozen=True)
class PanelColumn:
    """One method at one layer; ``class_free`` where none of its maps belongs to a class."""

    method: str
    layer: str
    class_free: bool = False


@dataclass(frozen=True)
class Cell:
    """One map: over the image and alone, where the large picture lies, and what is to be said about it."""

    thumbnail: str | None
    heat: str | None
    link: str | None
    alt: str
    label: str
    problem: str
    boxes: tuple[Rectangle, ...]
    overlap: str


@dataclass(frozen=True)
class Row:
    """The maps of one class; ``cells[i]`` are those in column ``i``, mostly one.

    Those of class-free columns stand in the first row.
    """

    name: str
    score: str
    cells: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Card:
    """Everything the page shows of one image.

    Args:
        number: Position in the page, from 1.
        image: Path as it was saved.
        words: What the filter searches, in lower case.
        size: Width and height in pixels.
        window: The part of the image that the network saw, and that the pictures show.
        thumbnail: ``data:`` address or None.
        predictions: The model's best classes.
        columns: Methods, in the order of the entry.
        rows: Classes, in the order of the entry; last, where needed, a row for no class.
        problems: Number of maps that are blank or broken.
        truth_label: The true class in words, or an empty text.
        truth_boxes: The true boxes.
        concepts: Colour -> its classes and their shares, in words.
        numbers: Name -> value, in words.
    """

    number: int
    image: str
    words: str
    size: tuple[int, int]
    window: Rectangle
    thumbnail: str | None
    predictions: tuple[Prediction, ...]
    columns: tuple[PanelColumn, ...]
    rows: tuple[Row, ...]
    problems: int
    truth_label: str
    truth_boxes: tuple[Rectangle, ...]
    concepts: tuple[tuple[str, str], ...]
    numbers: tuple[tuple[str, str], ...]

    @property
    def has_found_boxes(self) -> bool:
        """Whether any map carries a box."""
        return any(map_.boxes for row in self.rows for cell in row.cells for map_ in cell)
