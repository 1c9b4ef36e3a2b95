"""A pool of background images on disk: chosen, screened, divided, written, accounted for."""

__all__ = ["PoolOptions", "build_pool", "refuse_finished"]

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from figureground.base.claim import claimed
from figureground.base.errors import DataError, ImageError, OptionError
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_json
from figureground.data.background.fetching import fetched
from figureground.data.background.left_out import example_files, saved_examples, write_png
from figureground.data.background.pool_record import (
    POOL_FILES,
    POOL_PARTS,
    PoolEntry,
    PoolRecord,
    SourceCount,
    files_of_pool,
)
from figureground.data.background.screening import Dropped, ScreenReport
from figureground.data.background.source import BackgroundSource, Concat, ImageArray
from figureground.data.lazy import FileDecoder
from figureground.data.notices import summed
from figureground.data.splits import few_shot, split_groups

_AT_ONCE = 64


@dataclass(frozen=True)
class PoolOptions:
    """How a pool is written.

    Args:
        fractions: Shares of train, val and test; an original and all that was made from it stay in one.
        count: How many images to take of those that passed; None for all.
        seed: Which are taken, and how they are divided.
        longest: Longest side in pixels; larger images are made smaller. None keeps their sizes.
        overwrite: Replace a finished pool.
        workers: Threads that decode, and as many that write.

    Raises:
        OptionError: A value is out of range.
    """

    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    count: int | None = None
    seed: int = 0
    longest: int | None = None
    overwrite: bool = False
    workers: int = 4

    def __post_init__(self) -> None:
        if (self.count is not None and self.count < 1) or (
            self.longest is not None and self.longest < 1
        ):
            raise OptionError(f"count {self.count} and longest {self.longest} are at least 1")
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise OptionError(f"fractions are at least 0 and sum to 1, not {self.fractions}")


_DEFAULT = PoolOptions()


def build_pool(
    mix: Concat,
    folder: Path | str,
    *,
    screened: ScreenReport | None = None,
    target: BackgroundSource | None = None,
    options: PoolOptions = _DEFAULT,
    decode: FileDecoder | None = None,
    progress: Progress = no_progress,
) -> PoolRecord:
    """A folder with the images of a pool in ``train/``, ``val/`` and ``test/``, and an account of it.

    The account is ``record.json``, written last; ``left-out/`` holds examples of what is not in the pool.

    Args:
        mix: The sources; each is divided into the parts by itself.
        folder: Where; made where absent.
        screened: Which images passed; None takes all.
        target: What was screened against, to show matches beside what they match.
        options: Shares, count, size.
        decode: What read the files of the sources, for what was odd about them.
        progress: Called as the job goes on, stage ``writing``.

    Returns:
        The record, as written.

    Raises:
        DataError: Nothing is left to write, a finished pool is there, the folder holds something else, is in use, or
            holds what is to be read.
        OptionError: More is asked for than there is.
    """
    with claimed(folder, "background", writes=POOL_FILES) as claim:
        refuse_finished(claim.folder, overwrite=options.overwrite)
        passed = list(range(len(mix)) if screened is None else screened.kept)
        rows = _chosen(passed, options)
        parts = _parts(mix, rows, options)
        report = screened or ScreenReport(tuple(passed), (), 0)
        earlier = files_of_pool(claim)
        examples = [name for one in report.dropped for name in example_files(one.row)]
        planned = [*(entry.file for entry in parts.values()), *examples]
        _check_places(claim.folder, (mix, target), planned=planned, earlier=earlier)
        asked = {
            "sources": ", ".join(one.name for one in mix.sources),
            "options": (options.fractions, options.count, options.seed, options.longest),
        }
        claim.mark(asked, dict.fromkeys([*earlier, *planned]))
        (claim.folder / "record.json").unlink(missing_ok=True)
        pictures, failed = _write(mix, claim.folder, parts, options=options, progress=progress)
        dropped = saved_examples(claim.folder, (*report.dropped, *failed), mix=mix, target=target)
        record = PoolRecord(
            provenance(seeds=(options.seed,)),
            options.fractions,
            _counts(mix, pictures),
            dropped,
            len(passed) - len(rows),
            report.targets,
            report.unreadable_targets,
            tuple(pictures[row] for row in sorted(pictures)),
            notes=summed(decode.noticed if decode is not None else ()),
        )
        current = record.files()
        for name in {*earlier, *planned}.difference(current):
            (claim.folder / name).unlink(missing_ok=True)
        claim.mark(asked, current)
        write_json(claim.folder / "record.json", record)
    return record


def refuse_finished(folder: Path, *, overwrite: bool) -> None:
    """A finished pool is left alone unless it may be replaced.

    Args:
        folder: Where a pool is to go.
        overwrite: Whether one that is there may be replaced.

    Raises:
        DataError: A finished pool is there.
    """
    if (folder / "record.json").exists() and not overwrite:
        raise DataError(
            f"a finished pool is in {folder}; choose another folder, or allow it to be overwritten (--overwrite)"
        )


def _check_places(
    folder: Path,
    sources: Iterable[BackgroundSource | None],
    *,
    planned: Iterable[str],
    earlier: Iterable[str],
) -> None:
    """Refuse to write over what is read, and over files that no pool has written."""
    inside = os.path.realpath(folder)
    for source in sources:
        groups = {source.group(row) for row in range(len(source))} if source is not None else set()
        own = next((one for one in groups if _lies_in(one, inside)), None)
        if own is not None:
            raise DataError(
                f"{own} is to be read, and the pool goes into the same folder; take another --out"
            )
    own = next((n for n in {*planned}.difference(earlier) if (folder / n).exists()), None)
    if own is not None:
        raise DataError(
            f"{folder / own} is there already, and no pool has written it; take another --out"
        )


def _lies_in(group: str, folder: str) -> bool:
    """Whether an original is a file in a folder."""
    return Path(group).is_absolute() and Path(os.path.realpath(group)).is_relative_to(folder)


def _chosen(passed: list[int], options: PoolOptions) -> list[int]:
    """Rows to write."""
    if not passed:
        raise DataError("no background image is left to write")
    if options.count is None:
        return passed
    if options.count > len(passed):
        raise OptionError(f"{options.count} images are asked for; {len(passed)} passed")
    some = few_shot(
        torch.zeros(len(passed), dtype=torch.int64), per_class=options.count, seed=options.seed
    )
    return [passed[at] for at in some.tolist()]


def _parts(mix: Concat, rows: Sequence[int], options: PoolOptions) -> dict[int, PoolEntry]:
    """Row -> what it will be called, its group and part."""
    groups = [mix.group(row) for row in rows]
    strata = [mix.place(row)[0] for row in rows]
    divided = split_groups(groups, options.fractions, strata=strata, seed=options.seed)
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    part_of = {
        int(at): part for part, chosen in zip(POOL_PARTS, divided, strict=True) for at in chosen
    }
    return {
        row: PoolEntry(
            f"{part_of[at]}/{row:06d}.png",
            mix.sources[strata[at]].name,
            numbers[groups[at]],
            part_of[at],
        )
        for at, row in enumerate(rows)
    }


def _write(
    mix: Concat,
    place: Path,
    entries: dict[int, PoolEntry],
    *,
    options: PoolOptions,
    progress: Progress,
) -> tuple[dict[int, PoolEntry], list[Dropped]]:
    """Write the images; those written, and those that could not be decoded."""
    written: dict[int, PoolEntry] = {}
    failed: list[Dropped] = []
    with ThreadPoolExecutor(options.workers) as pool:
        jobs = []
        for done, (row, picture) in enumerate(fetched(mix, entries, workers=options.workers), 1):
            if isinstance(picture, ImageError):
                failed.append(Dropped(row, "unreadable", str(picture)))
                continue
            written[row] = entries[row]
            path = place / entries[row].file
            jobs.append(pool.submit(_save, picture, path, longest=options.longest))
            if len(jobs) >= _AT_ONCE:
                jobs.pop(0).result()
            progress("writing", done, len(entries))
        for job in jobs:
            job.result()
    return written, failed


def _save(picture: ImageArray, path: Path, *, longest: int | None) -> None:
    """One PNG file."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    if longest is not None and max(image.size) > longest:
        image.thumbnail((longest, longest), Image.Resampling.BOX)
    write_png(path, image)


def _counts(mix: Concat, pictures: dict[int, PoolEntry]) -> tuple[SourceCount, ...]:
    """What became of each source."""
    places = [mix.place(row)[0] for row in pictures]
    return tuple(
        SourceCount(source.name, dict(source.provenance), len(source), places.count(number))
        for number, source in enumerate(mix.sources)
    )
