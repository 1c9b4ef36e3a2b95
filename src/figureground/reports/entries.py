"""Saved entries of an explain job: checked, and turned into what the page shows."""

__all__ = ["card_of", "data_uri", "with_pictures"]

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from figureground.base.errors import DataError
from figureground.base.record import read_json
from figureground.reports.cards import Card, Cell, Prediction, Rectangle, Row
from figureground.reports.places import below
from figureground.reports.tables import cell_text

_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}")
_PAGE_FILE = re.compile(r"images/[0-9a-f]{2}/[^/]+\.page\.json")
_SMALL = 160  # pixels of a side
_HALF = 0.5  # a pixel
_PROBLEMS = {  # all others show nothing
    "non-finite": "not finite",
    "negative-only": "with evidence against the class only",
    "several-runs": "of several runs",
    "incomplete": "incomplete",
}
_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def card_of(entry: Any, number: int, folder: str = "") -> Card:  # noqa: ANN401 - whatever the JSON held
    """What the page shows of one saved entry.

    Args:
        entry: The parsed line of ``entries.jsonl``.
        number: Position in the page, from 1.
        folder: That of all images, which the page does not name.

    Returns:
        The card.

    Raises:
        DataError: The entry is not of the agreed form; the message says where.

    Examples:
        >>> card_of({"image": "cats/Tom.jpg", "size": [4, 3]}, 1).words
        'cats/tom.jpg'
    """
    try:
        return _card(entry, number, folder)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"not an entry of a report: {type(error).__name__}: {error}") from error


def with_pictures(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """An entry with what a page shows of it, which lies in a file of its own where there are very many.

    Args:
        entry: The parsed line of ``entries.jsonl``.
        folder: Of the job.

    Returns:
        The entry as that of a small job.

    Raises:
        DataError: The file is missing or not of the agreed form.
    """
    name = str(entry.get("page", ""))
    if not _PAGE_FILE.fullmatch(name):
        return dict(entry)
    pictures = read_json(folder / name)
    try:
        panels = zip(entry["panels"], pictures["panels"], strict=True)
        whole = [{**panel, **small} for panel, small in panels]
        return {**entry, "thumbnail": pictures["thumbnail"], "panels": whole}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder / name} is damaged: {type(error).__name__}: {error}") from error


def data_uri(value: object) -> str | None:
    """A picture that is held by its address, or None for anything else.

    An address that points elsewhere would make the page ask the network.

    Args:
        value: What the record holds.

    Returns:
        The address, or None.

    Examples:
        >>> data_uri("data:image/png;base64,iVBORw=="), data_uri("https://example.org/a.png")
        ('data:image/png;base64,iVBORw==', None)
    """
    return value if isinstance(value, str) and _PICTURE.fullmatch(value) else None


def _card(entry: dict[str, Any], number: int, folder: str) -> Card:
    truth = entry.get("truth") or {}
    predictions = tuple(_prediction(each) for each in entry.get("predictions") or [])
    image, panels = below(folder, str(entry["image"])), entry.get("panels") or []
    size = (int(entry["size"][0]), int(entry["size"][1]))
    shown = _rectangles([entry.get("window") or [0, 0, *size]])[0]
    seen = _rectangles([entry.get("seen") or [0, 0, *size]])[0]
    return Card(
        number=number,
        image=image,
        words=_words(entry, image, predictions),
        size=size,
        window=shown,
        unseen=_shows_more(shown, seen),
        is_small=max(shown.width, shown.height) < _SMALL,
        thumbnail=data_uri(entry.get("thumbnail")),
        predictions=predictions,
        rows=_rows(entry, panels, image),
        problems=tuple(_problem(panel) for panel in panels if panel.get("problem")),
        truth_label=_text(truth.get("label")),
        truth_boxes=_rectangles(truth.get("boxes")),
        numbers=tuple((str(k), _figure(v)) for k, v in (entry.get("numbers") or {}).items()),
    )


def _problem(panel: dict[str, Any]) -> str:
    """What is wrong with a map, in a word; without a kind, as of an older version, it may be anything."""
    kind = panel.get("problem_kind")
    return _PROBLEMS.get(str(kind), "blank") if kind else "with a problem"


def _shows_more(shown: Rectangle, seen: Rectangle) -> bool:
    """Whether a picture reaches beyond what was seen, by half a pixel at least."""
    right, bottom = shown.x + shown.width, shown.y + shown.height
    return (
        seen.x - shown.x >= _HALF
        or seen.y - shown.y >= _HALF
        or right - seen.x - seen.width >= _HALF
        or bottom - seen.y - seen.height >= _HALF
    )


def _words(entry: dict[str, Any], image: str, predictions: Sequence[Prediction]) -> str:
    """What the filter searches."""
    names = [image, *(each.name for each in predictions[:1])]
    names += [_text(each.get("name")) for each in entry.get("classes") or []]
    names.append(_text((entry.get("truth") or {}).get("label")))
    return " ".join(dict.fromkeys(str(name).lower() for name in names if name))


def _rows(entry: dict[str, Any], panels: list[dict[str, Any]], image: str) -> tuple[Row, ...]:
    """The maps by class, those of any class last; maps that look the same stand once."""
    classes = entry.get("classes") or []
    concepts = tuple(_concept(each) for each in entry.get("concepts") or [])
    several = len({_text(panel.get("layer")) for panel in panels}) > 1
    by_class: dict[int, list[Cell]] = {}
    for panel in panels:
        position = _position(panel, classes)
        cell = _cell(panel, image, layer=_text(panel.get("layer")) if several else "")
        cell = replace(cell, concepts=concepts if _shows_concepts(panel) else ())
        row = by_class.setdefault(position, [])
        twin = next((at for at, one in enumerate(row) if _is_twin(panel, one, cell)), None)
        if twin is None:
            row.append(cell)
        else:
            row[twin] = replace(row[twin], methods=row[twin].methods + cell.methods)
    return tuple(Row(*_row_name(at, classes), tuple(by_class[at])) for at in sorted(by_class))


def _shows_concepts(panel: dict[str, Any]) -> bool:
    """Whether a panel is the one that the entry's concepts belong to."""
    return str(panel["method"]).partition("(")[0] == "dff"


def _is_twin(panel: dict[str, Any], one: Cell, cell: Cell) -> bool:
    """Whether a panel looks like that cell, and says so."""
    return one.layer == cell.layer and one.methods[0] == panel.get("same_as")


def _row_name(position: int, classes: list[dict[str, Any]]) -> tuple[str, str]:
    """Name and probability of a class."""
    if position == len(classes):
        return "any class", ""
    chosen = classes[position]
    return _text(chosen.get("name")) or str(chosen["index"]), _share(chosen.get("score"))


def _position(panel: dict[str, Any], classes: list[dict[str, Any]]) -> int:
    """Where the panel's class stands among the classes; behind the last where it has none."""
    position = panel.get("class")
    if position is None:
        return len(classes)
    if not 0 <= int(position) < len(classes):
        raise ValueError(f"a panel of class {position}, but {len(classes)} classes")
    return int(position)


def _cell(panel: dict[str, Any], image: str, *, layer: str) -> Cell:
    label, overlap = _text(panel.get("label")), panel.get("truth_iou")
    about = f" for {label}" if label else ""
    return Cell(
        methods=(str(panel["method"]),),
        layer=layer,
        thumbnail=data_uri(panel.get("thumbnail")),
        heat=data_uri(panel.get("heat")),
        link=_link(panel.get("png")),
        alt=f"{panel['method']} map{about} on {image}",
        problem=_text(panel.get("problem")),
        boxes=_rectangles(panel.get("boxes")),
        overlap="" if overlap is None else f"{float(overlap):.2f}",
    )


def _link(path: object) -> str | None:
    """An address below the page's own folder, whatever the path holds."""
    return "./" + quote(str(path), errors="replace") if path else None


def _prediction(each: dict[str, Any]) -> Prediction:
    score = each.get("score")
    percent = 0.0 if score is None else min(100.0, max(0.0, 100 * float(score)))
    return Prediction(_text(each.get("name")) or str(each["index"]), _share(score), percent)


def _concept(each: dict[str, Any]) -> tuple[str, str]:
    """A colour and its classes; a colour that is none becomes grey."""
    colour = _text(each.get("colour"))
    labels = ", ".join(f"{name} {_share(share)}" for name, share in each["labels"])
    return (colour if _HEX_COLOUR.fullmatch(colour) else "#808080"), labels


def _rectangles(boxes: object) -> tuple[Rectangle, ...]:
    """Boxes with an area, as corners and sizes."""
    if boxes is None:
        return ()
    if not isinstance(boxes, list):
        raise TypeError("boxes are a list of [x0, y0, x1, y1]")
    found = []
    for box in boxes:
        x0, y0, x1, y1 = (float(value) for value in box)
        if math.isfinite(x0 + y0 + x1 + y1) and x1 > x0 and y1 > y0:
            found.append(Rectangle(x0, y0, x1 - x0, y1 - y0))
    return tuple(found)


def _share(score: object) -> str:
    """A probability in percent."""
    if not isinstance(score, int | float):
        return ""
    percent = 100 * score
    return f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.1f} %"


def _figure(value: object) -> str:
    return cell_text(value) if isinstance(value, str | float | int | None) else str(value)


def _text(value: object) -> str:
    return "" if value is None else str(value)
