"""Saved entries of an explain job: checked, and turned into what the page shows."""

__all__ = ["card_of", "data_uri"]

import math
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from figureground.base.errors import DataError
from figureground.reports.cards import Card, Cell, PanelColumn, Prediction, Rectangle, Row
from figureground.reports.tables import cell_text

_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}")
_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def card_of(entry: Any, number: int) -> Card:  # noqa: ANN401 - whatever the JSON held
    """What the page shows of one saved entry.

    Args:
        entry: The parsed line of ``entries.jsonl``.
        number: Position in the page, from 1.

    Returns:
        The card.

    Raises:
        DataError: The entry is not of the agreed form; the message says where.

    Examples:
        >>> card_of({"image": "cats/Tom.jpg", "size": [4, 3]}, 1).words
        'cats/tom.jpg'
    """
    try:
        return _card(entry, number)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"not an entry of a report: {type(error).__name__}: {error}") from error


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


def _card(entry: dict[str, Any], number: int) -> Card:
    truth = entry.get("truth") or {}
    classes, panels = entry.get("classes") or [], entry.get("panels") or []
    columns = _columns(panels)
    predictions = tuple(_prediction(each) for each in entry.get("predictions") or [])
    return Card(
        number=number,
        image=str(entry["image"]),
        words=_words(entry, predictions),
        size=(int(entry["size"][0]), int(entry["size"][1])),
        window=_rectangles([entry.get("window") or [0, 0, *entry["size"]]])[0],
        thumbnail=data_uri(entry.get("thumbnail")),
        predictions=predictions,
        columns=columns,
        rows=_rows(entry["image"], classes, (panels, columns)),
        problems=sum(bool(panel.get("problem")) for panel in panels),
        truth_label=_text(truth.get("label")),
        truth_boxes=_rectangles(truth.get("boxes")),
        concepts=tuple(_concept(each) for each in entry.get("concepts") or []),
        numbers=tuple((str(k), _figure(v)) for k, v in (entry.get("numbers") or {}).items()),
    )


def _words(entry: dict[str, Any], predictions: Sequence[Prediction]) -> str:
    """What the filter searches."""
    names = [entry["image"], *(each.name for each in predictions[:1])]
    names += [_text(each.get("name")) for each in entry.get("classes") or []]
    names.append(_text((entry.get("truth") or {}).get("label")))
    return " ".join(dict.fromkeys(str(name).lower() for name in names if name))


def _columns(panels: list[dict[str, Any]]) -> tuple[PanelColumn, ...]:
    """Methods and layers as they first appear."""
    classes: dict[tuple[str, str], list[object]] = {}
    for panel in panels:
        classes.setdefault(_place(panel), []).append(panel.get("class"))
    return tuple(
        PanelColumn(*place, class_free=all(each is None for each in given))
        for place, given in classes.items()
    )


def _rows(
    image: str,
    classes: list[dict[str, Any]],
    grid: tuple[list[dict[str, Any]], tuple[PanelColumn, ...]],
) -> tuple[Row, ...]:
    """The maps by class; class-free columns fill the first row, whichever it is."""
    panels, columns = grid
    free = {(column.method, column.layer) for column in columns if column.class_free}
    tied = [(_position(each, classes), each) for each in panels if _place(each) not in free]
    loose = [each for each in panels if _place(each) in free]
    rows: list[Row] = []
    for position in sorted({position for position, _ in tied}) or [len(classes)] * bool(loose):
        mine = [each for at, each in tied if at == position] + (loose if not rows else [])
        cells = tuple(
            tuple(_cell(each, image) for each in mine if _place(each) == (one.method, one.layer))
            for one in columns
        )
        rows.append(Row(*_row_name(position, classes), cells))
    return tuple(rows)


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


def _place(panel: dict[str, Any]) -> tuple[str, str]:
    """Method and layer."""
    return str(panel["method"]), _text(panel.get("layer"))


def _cell(panel: dict[str, Any], image: str) -> Cell:
    label, overlap = _text(panel.get("label")), panel.get("truth_iou")
    about = f" for {label}" if label else ""
    return Cell(
        thumbnail=data_uri(panel.get("thumbnail")),
        heat=data_uri(panel.get("heat")),
        link=_link(panel.get("png")),
        alt=f"{panel['method']} map{about} on {image}",
        label=label,
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
