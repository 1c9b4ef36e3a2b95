"""All maps of a job as a Parquet file, a row each: what millions of lines are looked through by."""

__all__ = ["TABLE", "write_table"]

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from figureground.base.record import replaced

TABLE = "maps.parquet"
_AT_ONCE = 10_000  # rows in memory
_TEXTS = ("image", "method", "layer", "class", "first_answer", "problem", "png", "npz")
_NUMBERS = ("score", "first_probability", "x0", "y0", "x1", "y1", "truth_iou")


def write_table(folder: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write ``maps.parquet`` where pyarrow is installed; an old one is removed where it is not.

    Args:
        folder: Of the job.
        entries: Lines of its images.

    Raises:
        DataError: The folder cannot be written to.
    """
    if find_spec("pyarrow") is None:
        (folder / TABLE).unlink(missing_ok=True)
        return
    arrow = import_module("pyarrow")
    kinds = {name: arrow.string() for name in _TEXTS}
    kinds |= {name: arrow.float64() for name in _NUMBERS} | {"position": arrow.int64()}
    schema = arrow.schema(kinds)
    rows = (row for entry in entries for row in _rows(entry))
    with (
        replaced(folder / TABLE) as file,
        import_module("pyarrow.parquet").ParquetWriter(file, schema) as writer,
    ):
        while some := list(islice(rows, _AT_ONCE)):
            writer.write_table(arrow.Table.from_pylist(some, schema=schema))


def _rows(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What is told of each map: of several boxes the first, which is the largest."""
    first = (entry["predictions"] or [{}])[0]
    classes = entry["classes"] or []
    for panel in entry["panels"]:
        position = panel["class"]
        about = classes[position] if position is not None and position < len(classes) else {}
        corners = panel["boxes"][0] if panel["boxes"] else [None] * 4
        yield {
            "image": entry["image"],
            "method": panel["method"],
            "layer": panel["layer"],
            "position": position,
            "class": panel["label"],
            "score": about.get("score"),
            "first_answer": first.get("name"),
            "first_probability": first.get("score"),
            **dict(zip(("x0", "y0", "x1", "y1"), corners, strict=True)),
            "truth_iou": panel["truth_iou"],
            "problem": panel["problem"],
            "png": panel["png"],
            "npz": entry["npz"],
        }
