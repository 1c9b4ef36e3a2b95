"""Two or more ways to train, on the same held-out pictures: one record with all that tells them apart."""

__all__ = ["compare"]

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from figureground.base.errors import DataError, OptionError
from figureground.base.record import provenance, write_atomically, write_json
from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.held_out import held_out
from figureground.studies.comparison.job import CompareWatch, Job
from figureground.studies.comparison.pictures import PictureRow, Sheet
from figureground.studies.comparison.quality import cost_table
from figureground.studies.comparison.record import CompareOptions, ComparisonRecord, ShownPicture
from figureground.studies.comparison.sheet import joined
from figureground.studies.comparison.unknown_sets import unknown_sets
from figureground.studies.pictures import png_bytes, thumbnail

_THUMBNAIL = 200


def _unwatched(_stage: str, _done: int, _total: int) -> None:
    """For callers who do not watch."""


def compare(
    arms: Sequence[Arm],
    *,
    out: Path,
    data: str | None = None,
    limit: int | None = None,
    options: CompareOptions | None = None,
    watch: CompareWatch = _unwatched,
) -> ComparisonRecord:
    """Compare arms on pictures that none of their runs was trained or chosen on.

    Args:
        arms: As ``read_arms`` reads them; the first is the reference.
        out: Gets ``per_image.npz``, ``pictures.png`` and, last, ``record.json``.
        data: As for ``held_out``; None for the test part of the first run's data.
        limit: So many test pictures at most.
        options: What to compare.
        watch: Told of progress.

    Returns:
        The record.

    Raises:
        OptionError: Names or numbers that cannot be, before any work; or an unknown set without pictures.
        DataError: The test pictures cannot be used, or the folder cannot be written to.
    """
    start = time.monotonic()
    chosen = options or CompareOptions()
    if len(arms) < 2:
        raise OptionError(f"a comparison needs two arms at least, not {len(arms)}")
    pictures = held_out(arms, data, limit=limit, seed=chosen.seed)
    job = Job(arms, pictures, chosen, watch)
    unknown = unknown_sets(chosen.unknown, arms, pictures, seed=chosen.seed)
    _forget(out / "record.json")
    job.quality()
    job.unknown(unknown)
    job.corruption()
    job.maps()
    job.over_seeds()
    sheet = job.sheet()
    job.tables.append(cost_table(arms))
    record = _record(job, sheet, seconds=round(time.monotonic() - start, 1))
    _write(out, record, columns=job.columns, sheet=sheet)
    return record


def _record(job: Job, sheet: Sheet | None, *, seconds: float) -> ComparisonRecord:
    """Everything, as it is kept."""
    shown = () if sheet is None else tuple(map(_shown, sheet.rows))
    images = {
        key: len(one.labels) for given in job.answers.values() for one in given for key in [one.key]
    }
    seeds = sorted({run.seed for arm in job.arms for run in arm.runs})
    options = job.options
    return ComparisonRecord(
        data=job.pictures.words,
        images=sum(images.values()),
        arms={arm.name: tuple(str(run.folder) for run in arm.runs) for arm in job.arms},
        methods={row: repr(method) for row, method in job.methods.items()},
        options={
            "reference": job.reference,
            "unknown": ", ".join(options.unknown) or "none",
            "seed": f"{options.seed}; of the runs: {', '.join(map(str, seeds))}",
            "batch size": str(options.batch_size),
        },
        tables=tuple(job.tables),
        curves=tuple(job.curves),
        pictures=shown,
        concepts={} if sheet is None else sheet.concepts,
        notes=(*job.pictures.notes, *(() if sheet is None else sheet.notes)),
        seconds=seconds,
        provenance=provenance(seeds=(options.seed,)),
    )


def _shown(row: PictureRow) -> ShownPicture:
    cells = [
        {"title": title, "picture": thumbnail(picture, _THUMBNAIL)}
        for title, picture in row.cells.items()
    ]
    return ShownPicture(row.number, row.label, row.why, row.predicted, tuple(cells))


def _forget(record: Path) -> None:
    """An earlier comparison's record: from here on the folder is not a finished one."""
    try:
        record.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot write {record.parent}: {error.strerror or error}") from error


def _write(
    out: Path, record: ComparisonRecord, *, columns: Mapping[str, np.ndarray], sheet: Sheet | None
) -> None:
    """Numbers and pictures, then the record."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(columns))  # type: ignore[arg-type]
    write_atomically(out / "per_image.npz", buffer.getvalue())
    if sheet is not None and sheet.rows:
        write_atomically(out / "pictures.png", png_bytes(joined(sheet.rows)))
    write_json(out / "record.json", record)
