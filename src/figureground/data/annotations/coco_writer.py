"""Boxes of explained images as one COCO-style file."""

__all__ = ["write_boxes"]

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from figureground.base.record import write_atomically

_NO_CLASS = -1


def write_boxes(path: Path, entries: Iterable[dict[str, Any]]) -> Path:
    """Write the boxes of explained images: ``images``, ``annotations`` and ``categories``.

    A box is ``[x, y, width, height]`` in pixels of the image; ``score`` is the probability of its class, and
    ``method`` and ``layer`` say where it comes from. ``category_id`` is the number of the class, -1 for
    methods that know no classes.

    Args:
        path: The file.
        entries: Lines of finished images.

    Returns:
        The path.
    """
    images: list[str] = []
    annotations: list[str] = []
    categories: dict[int, str] = {}
    for number, entry in enumerate(entries, start=1):
        images.append(_line(_image(number, entry)))
        for panel, box in _boxes(entry):
            category, place = _category(panel, entry), {"id": len(annotations) + 1}
            categories[category["category_id"]] = panel["label"] or "any class"
            annotations.append(_line(place | {"image_id": number} | category | _box(panel, box)))
    named = [_line({"id": index, "name": name}) for index, name in sorted(categories.items())]
    parts = {"images": images, "annotations": annotations, "categories": named}
    blocks = [f'"{key}": [\n' + ",\n".join(lines) + "\n]" for key, lines in parts.items()]
    return write_atomically(path, ("{\n" + ",\n".join(blocks) + "\n}\n").encode())


def _boxes(entry: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[float]]]:
    for panel in entry["panels"]:
        for box in panel["boxes"]:
            yield panel, box


def _image(number: int, entry: dict[str, Any]) -> dict[str, Any]:
    width, height = entry["size"]
    return {"id": number, "file_name": entry["image"], "width": width, "height": height}


def _category(panel: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """The panel's class and its probability."""
    if panel["class"] is None:
        return {"category_id": _NO_CLASS}
    chosen = entry["classes"][panel["class"]]
    return {"category_id": chosen["index"], "score": chosen["score"]}


def _box(panel: dict[str, Any], box: list[float]) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    width, height = round(x1 - x0, 2), round(y1 - y0, 2)
    size = {"bbox": [x0, y0, width, height], "area": round(width * height, 2), "iscrowd": 0}
    return size | {"method": panel["method"], "layer": panel["layer"]}


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False)
