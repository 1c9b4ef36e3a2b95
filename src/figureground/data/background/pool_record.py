"""What is known of a finished pool of background pictures, and its pictures."""

__all__ = ["POOL_PARTS", "PoolEntry", "PoolPart", "PoolRecord", "SourceCount", "read_pool"]

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from figureground.base.errors import DataError, unknown_option
from figureground.base.record import Provenance, read_json
from figureground.data.background.screening import Dropped
from figureground.data.background.source import InOrder, Picture, checked_index
from figureground.data.photos import decode_image

POOL_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class SourceCount:
    """A source and what became of its pictures.

    Args:
        name: Short.
        provenance: Address, licence, rule.
        offered: Pictures that it had.
        written: Pictures in the pool.
    """

    name: str
    provenance: dict[str, str]
    offered: int
    written: int


@dataclass(frozen=True)
class PoolEntry:
    """A picture of the pool.

    Args:
        file: Inside the pool's folder.
        source: Name of its source.
        group: Number of its original, the same for all that was made from it.
        part: ``train``, ``val`` or ``test``.
    """

    file: str
    source: str
    group: int
    part: str


@dataclass(frozen=True)
class PoolRecord:
    """A finished pool.

    Args:
        provenance: How it came to be.
        fractions: Shares of the parts that were asked for.
        sources: What went in.
        dropped: What was left out and why.
        not_chosen: Good pictures that were not needed for the count that was asked for.
        targets: Target pictures that the sources were compared with.
        unreadable_targets: Those that could not be decoded.
        pictures: What is there.
        schema: Version of this form.
    """

    provenance: Provenance
    fractions: tuple[float, ...]
    sources: tuple[SourceCount, ...]
    dropped: tuple[Dropped, ...]
    not_chosen: int
    targets: int
    unreadable_targets: tuple[str, ...]
    pictures: tuple[PoolEntry, ...]
    schema: int = 1

    def part_counts(self) -> dict[str, int]:
        """Pictures of each part."""
        parts = [entry.part for entry in self.pictures]
        return {part: parts.count(part) for part in POOL_PARTS}


class PoolPart(InOrder):
    """One part of a pool on disk, as a source.

    Args:
        folder: Of the pool.
        entries: Its pictures.
        name: Short.
    """

    def __init__(self, folder: Path, entries: tuple[PoolEntry, ...], *, name: str) -> None:
        self.folder = folder
        self.entries = entries
        self.name = name
        self.provenance = {"pool": folder.name}

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Picture:
        entry = self.entries[checked_index(index, len(self))]
        return np.array(decode_image(self.folder / entry.file))

    def group(self, index: int) -> str:
        """The original.

        Args:
            index: Of the picture.

        Returns:
            Its number in the pool.
        """
        return f"{self.folder.name} {self.entries[checked_index(index, len(self))].group}"


def read_pool(folder: Path | str, part: str = "train") -> PoolPart:
    """The pictures of one part of a pool that `build_pool` made.

    Args:
        folder: Of the pool.
        part: ``train``, ``val`` or ``test``.

    Returns:
        A source.

    Raises:
        DataError: There is no finished pool.
    """
    place = Path(folder)
    _check_part(part)
    record = read_json(place / "record.json")
    try:
        if record["schema"] != 1:
            raise DataError(f"{place}: its record has schema {record['schema']}; 1 can be read")
        entries = tuple(PoolEntry(**entry) for entry in record["pictures"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{place}: its record is not that of a pool ({error})") from error
    chosen = tuple(entry for entry in entries if entry.part == part)
    return PoolPart(place, chosen, name=f"{place.name}/{part}")


def _check_part(part: str) -> None:
    if part not in POOL_PARTS:
        raise unknown_option("part", part, POOL_PARTS)
