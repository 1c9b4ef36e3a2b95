"""What is known of a finished pool of background images, and its images."""

__all__ = [
    "LEFT_OUT_FOLDER",
    "POOL_FILES",
    "POOL_PARTS",
    "LeftOut",
    "PoolEntry",
    "PoolPart",
    "PoolRecord",
    "SourceCount",
    "files_of_pool",
    "read_pool",
    "read_pool_record",
]

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from figureground.base.claim import Claim
from figureground.base.errors import DataError, unknown_option
from figureground.base.record import Provenance, read_json
from figureground.base.verdicts import CANNOT_TELL
from figureground.data.background.screening import Dropped
from figureground.data.background.source import ImageArray, InOrder, checked_index
from figureground.data.decoding import decode_image

POOL_PARTS = ("train", "val", "test")
LEFT_OUT_FOLDER = "left-out"
_COPIES = frozenset({"exact", "near", "derived"})
POOL_FILES = (
    *POOL_PARTS,
    LEFT_OUT_FOLDER,
    "record.json",
    "report.html",
    "report.md",
    "images.png",
    "dropped.png",
)
_IMAGE = re.compile(rf"(?:{'|'.join((*POOL_PARTS, LEFT_OUT_FOLDER))})/\d+(?:-match)?\.png")


@dataclass(frozen=True)
class SourceCount:
    """A source and what became of its images.

    Args:
        name: Short.
        provenance: Address, licence, rule.
        offered: Images that it had.
        written: Images in the pool.
    """

    name: str
    provenance: dict[str, str]
    offered: int
    written: int


@dataclass(frozen=True)
class PoolEntry:
    """An image of the pool.

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
class LeftOut(Dropped):
    """An image that is not in the pool.

    Args:
        name: Source, number in it, and original.
        images: Files inside the pool's folder: for some of each reason the image, and what it matches.
    """

    name: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class PoolRecord:
    """A finished pool.

    Args:
        provenance: How it came to be.
        fractions: Shares of the parts that were asked for.
        sources: What went in.
        dropped: What was left out and why.
        not_chosen: Good images that were not needed for the count that was asked for.
        targets: Target images that the sources were compared with.
        unreadable_targets: Those that could not be decoded.
        images: What is there.
        notes: What was odd about images that were used.
        schema: Version of this form.
        kind: ``background``.
    """

    provenance: Provenance
    fractions: tuple[float, ...]
    sources: tuple[SourceCount, ...]
    dropped: tuple[LeftOut, ...]
    not_chosen: int
    targets: int
    unreadable_targets: tuple[str, ...]
    images: tuple[PoolEntry, ...]
    notes: tuple[str, ...] = ()
    schema: int = 1
    kind: str = "background"

    def files(self) -> list[str]:
        """All images that the pool has written, those that show what was left out included."""
        return [entry.file for entry in self.images] + [
            name for one in self.dropped for name in one.images
        ]

    def sentences(self) -> tuple[str, ...]:
        """Whether the classes' images are among these, and how many there are: what the report leads with."""
        count, offered = len(self.images), sum(source.offered for source in self.sources)
        copies = sum(one.reason in _COPIES for one in self.dropped)
        if not self.targets:
            first = (
                f"{CANNOT_TELL.capitalize()} whether images of the classes are among these {count:,} background "
                "images: nothing was compared with them."
            )
        elif copies:
            first = (
                f"No copy of the {self.targets:,} target images is left among the {count:,} background images: "
                f"{copies:,} of {offered:,} offered ones were found to be one and left out."
            )
        else:
            first = (
                f"No copy of the {self.targets:,} target images was found among the {offered:,} offered ones; "
                f"{count:,} became background images."
            )
        parts = ", ".join(f"{part} {one:,}" for part, one in self.part_counts().items())
        originals = len({entry.group for entry in self.images})
        return (
            first,
            f"They come from {originals:,} originals ({parts}), of which none is in two parts.",
        )

    def part_counts(self) -> dict[str, int]:
        """Images of each part."""
        parts = [entry.part for entry in self.images]
        return {part: parts.count(part) for part in POOL_PARTS}


class PoolPart(InOrder):
    """One part of a pool on disk, as a source.

    Args:
        folder: Of the pool.
        entries: Its images.
        name: Short.
    """

    def __init__(self, folder: Path, entries: tuple[PoolEntry, ...], *, name: str) -> None:
        self.folder = folder
        self.entries = entries
        self.name = name
        self.provenance = {"pool": folder.name}

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> ImageArray:
        entry = self.entries[checked_index(index, len(self))]
        return np.array(decode_image(self.folder / entry.file))

    def group(self, index: int) -> str:
        """The original.

        Args:
            index: Of the image.

        Returns:
            Its number in the pool.
        """
        return f"{self.folder.name} {self.entries[checked_index(index, len(self))].group}"


def read_pool(folder: Path | str, part: str = "train") -> PoolPart:
    """The images of one part of a pool that `build_pool` made.

    Args:
        folder: Of the pool.
        part: ``train``, ``val`` or ``test``.

    Returns:
        A source.

    Raises:
        DataError: There is no finished pool.
    """
    _check_part(part)
    place = Path(folder)
    chosen = tuple(entry for entry in read_pool_record(place).images if entry.part == part)
    return PoolPart(place, chosen, name=f"{place.name}/{part}")


def read_pool_record(folder: Path | str) -> PoolRecord:
    """What is known of a finished pool.

    Args:
        folder: Of the pool.

    Returns:
        The record as `build_pool` wrote it.

    Raises:
        DataError: There is no finished pool.
    """
    place = Path(folder)
    content = read_json(place / "record.json")
    try:
        if content["schema"] != 1:
            raise DataError(f"{place}: its record has schema {content['schema']}; 1 can be read")
        made = content["provenance"]
        return PoolRecord(
            Provenance(**{**made, "seeds": tuple(made["seeds"])}),
            tuple(content["fractions"]),
            tuple(SourceCount(**one) for one in content["sources"]),
            tuple(_left_out(one) for one in content["dropped"]),
            content["not_chosen"],
            content["targets"],
            tuple(content["unreadable_targets"]),
            tuple(PoolEntry(**one) for one in content.get("images") or content["pictures"]),
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"{place}: its record is not that of a pool ({error})") from error


def files_of_pool(claim: Claim) -> list[str]:
    """Images that earlier pools in a folder have written: what the mark lists, of a pool without one its record.

    Args:
        claim: The folder.

    Returns:
        Files relative to the folder, of parts and of what was left out, whatever else is listed.
    """
    listed = claim.files
    if not listed and (claim.folder / "record.json").exists():
        listed = read_pool_record(claim.folder).files()
    return [name for name in listed if _IMAGE.fullmatch(name)]


def _left_out(content: dict[str, Any]) -> LeftOut:
    return LeftOut(**{**content, "images": tuple(content.get("images", ()))})


def _check_part(part: str) -> None:
    if part not in POOL_PARTS:
        raise unknown_option("part", part, POOL_PARTS)
