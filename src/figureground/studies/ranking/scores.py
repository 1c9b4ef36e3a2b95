"""The scores of a ranking as tables: CSV, Parquet, and the images with the highest ones."""

__all__ = ["best", "failures", "noticed_of", "write_scores", "write_top"]

import csv
import heapq
import io
import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from figureground.base.record import replaced, write_atomically
from figureground.base.store import Store
from figureground.data.notices import Notice, Noticed
from figureground.studies.failures import Failure
from figureground.studies.ranking.options import Ranked

_PROBLEM = "problem"


def write_scores(store: Store, names: Sequence[str], *, parquet: bool) -> None:
    """Write ``scores.csv``, and ``scores.parquet`` where it is wanted; an old one is removed where it is not.

    Args:
        store: Units with ``path``, ``best``, ``probability``, ``scores`` and ``problem``.
        names: Of the classes sought.
        parquet: Whether Parquet is wanted.

    Raises:
        DataError: The folder cannot be written to.
    """
    target = store.folder / "scores.csv"
    with replaced(target) as file:
        text = io.TextIOWrapper(
            file, newline="", encoding="utf-8", errors="replace", write_through=True
        )
        writer = csv.writer(text, lineterminator="\n")
        scores = [f"score of {name}" for name in names]
        writer.writerow(["path", "score", "class", "probability", *scores, _PROBLEM])
        writer.writerows(_cells(store, names))
        text.detach()
    target.with_suffix(".parquet").unlink(missing_ok=True)
    if parquet:
        _to_parquet(target)


def best(
    store: Store, names: Sequence[str], count: int
) -> tuple[tuple[tuple[str, int], Ranked], ...]:
    """The highest scores, best first; of equal ones the earlier image. Memory holds ``count`` rows.

    Args:
        store: As for ``write_scores``.
        names: Of the classes sought.
        count: How many.

    Returns:
        At most so many, each with its unit and its place in that.
    """

    def usable() -> Iterator[tuple[tuple[str, int], Ranked]]:
        for name, unit in store.parts():
            for row, at in enumerate(unit["best"].tolist()):
                if at >= 0:
                    score, share = float(unit["scores"][row, at]), float(unit["probability"][row])
                    yield (name, row), Ranked(str(unit["path"][row]), score, names[at], share)

    return tuple(heapq.nlargest(count, usable(), key=lambda one: one[1].score))


def failures(store: Store) -> tuple[Failure, ...]:
    """Images that could not be used.

    Args:
        store: As for ``write_scores``.

    Returns:
        Paths and reasons, in the order of the images.
    """
    return tuple(
        Failure(str(unit["path"][row]), str(unit["problem"][row]))
        for _, unit in store.parts()
        for row, at in enumerate(unit["best"].tolist())
        if at < 0
    )


def noticed_of(store: Store) -> Iterator[Noticed]:
    """What was odd about images that could be used.

    Args:
        store: As for ``write_scores``, with ``notices``.

    Yields:
        Paths and notices, in the order of the images.
    """
    for _, unit in store.parts():
        for path, told in zip(unit["path"].tolist(), unit["notices"].tolist(), strict=True):
            yield from ((path, Notice(**one)) for one in json.loads(told or "[]"))


def write_top(path: Path, top: Sequence[Ranked]) -> None:
    """The best images as a table.

    Args:
        path: The CSV file.
        top: Best first.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["rank", "path", "score", "class", "probability"])
    for rank, one in enumerate(top, start=1):
        writer.writerow(
            [rank, one.path, f"{one.score:.7g}", one.class_name, f"{one.probability:.6g}"]
        )
    write_atomically(path, text.getvalue().encode("utf-8", "replace"))


def _cells(store: Store, names: Sequence[str]) -> Iterator[list[object]]:
    """One row of the table for every image."""
    for _, unit in store.parts():
        for row, at in enumerate(unit["best"].tolist()):
            path, scores = str(unit["path"][row]), unit["scores"][row].tolist()
            if at < 0:
                yield [path, "", "", "", *[""] * len(names), str(unit["problem"][row])]
                continue
            share = f"{float(unit['probability'][row]):.6g}"
            yield [
                path,
                f"{scores[at]:.7g}",
                names[at],
                share,
                *(f"{one:.7g}" for one in scores),
                "",
            ]


def _to_parquet(table: Path) -> None:
    """The same table as Parquet, a block at a time, in one piece."""
    arrow, read = import_module("pyarrow"), import_module("pyarrow.csv")
    with table.open(newline="", encoding="utf-8") as file:
        names = next(csv.reader(file))
    # given, not guessed: pyarrow guesses by the first block, where a column of problems may be empty
    words = {"path", "class", _PROBLEM}
    types = {name: arrow.string() if name in words else arrow.float64() for name in names}
    reader = read.open_csv(
        table,
        parse_options=read.ParseOptions(newlines_in_values=True),
        convert_options=read.ConvertOptions(column_types=types),
    )
    with (
        replaced(table.with_suffix(".parquet")) as whole,
        import_module("pyarrow.parquet").ParquetWriter(whole, reader.schema) as writer,
    ):
        for block in reader:
            writer.write_batch(block)
