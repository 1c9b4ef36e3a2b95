"""What the page shows of one image, in order and in words."""

__all__ = ["Card", "Cell", "Prediction", "Rectangle", "Row"]

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
class Cell:
    """One map: over the image and alone, where the large picture lies, and what is to be said about it.

    Args:
        methods: The methods that it is the map of: several where theirs look the same.
        layer: Its layer; empty where the card has maps of one layer alone.
        thumbnail: The image with the map over it, a ``data:`` address or None.
        heat: The map alone, likewise.
        link: Where the large picture lies.
        alt: What it is, for those who cannot see it.
        problem: Why it shows nothing, or an empty text.
        boxes: Its boxes.
        overlap: Of its box with the true one, in words.
        concepts: Colour -> its classes and their shares, in words, where it shows concepts.
    """

    methods: tuple[str, ...]
    layer: str
    thumbnail: str | None
    heat: str | None
    link: str | None
    alt: str
    problem: str
    boxes: tuple[Rectangle, ...]
    overlap: str
    concepts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Row:
    """The maps of one class, or those that belong to none."""

    name: str
    score: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Card:
    """Everything the page shows of one image.

    Args:
        number: Position in the page, from 1.
        image: Its path, below the folder of all images.
        words: What the filter searches, in lower case.
        size: Width and height in pixels.
        window: The part of the image that the pictures show.
        unseen: Whether the pictures show more than the network saw.
        is_small: Whether the pixels of the pictures are shown as squares.
        thumbnail: ``data:`` address or None.
        predictions: The model's best classes.
        rows: Classes, in the order of the entry; last, where needed, a row for any class.
        problems: What is wrong with maps, in a word for each of them.
        truth_label: The true class in words, or an empty text.
        truth_boxes: The true boxes.
        numbers: Name -> value, in words.
    """

    number: int
    image: str
    words: str
    size: tuple[int, int]
    window: Rectangle
    unseen: bool
    is_small: bool
    thumbnail: str | None
    predictions: tuple[Prediction, ...]
    rows: tuple[Row, ...]
    problems: tuple[str, ...]
    truth_label: str
    truth_boxes: tuple[Rectangle, ...]
    numbers: tuple[tuple[str, str], ...]

    @property
    def has_found_boxes(self) -> bool:
        """Whether any map carries a box."""
        return any(cell.boxes for row in self.rows for cell in row.cells)
