"""What goes into a pool of background images."""

__all__ = ["PoolRequest"]

from dataclasses import dataclass
from pathlib import Path

from figureground.base.errors import OptionError
from figureground.base.options import Options, option
from figureground.base.value_range import FULL, ValueRange

_SOURCES, _CHOICE, _OUTPUT = "Sources", "What is taken", "Output"


@dataclass(frozen=True, kw_only=True)
class PoolRequest(Options):
    """What goes into a pool, what it is compared with, and how it is written.

    Args:
        sources: Folders, or ``KIND:WHERE`` with one of ``IMAGE_KINDS``.
        monochrome: Add the 216 monochromes.
        procedural: How many images made by rule to add.
        clutter: How many images of digit clutter to add.
        grid_crops: Add crops of the large images of the folders: squares side by side.
        crop: Side of these, pixels.
        invert: Add the inverse of every folder's images and crops.
        paper: Folder with the folders of the paper's mix, named as in ``PAPER_PARTS``.
        screen_against: Folders, or ``set:NAME``, of the classes' images.
        max_hamming: Bits of 64 in which a copy may differ.
        value_range: As for ``decode_image``; the paper's mix has 8 bits.
        ratio: Training images as a multiple of the mean class size of the first ``screen_against``; None takes all that
            pass.
        count: Images in all; None for all that pass.
        split: Fractions of train, val and test.
        seed: Of choice and split.
        longest: Longest side in pixels; larger images are made smaller.

    Raises:
        OptionError: A value that cannot be, or a ratio without the classes' images.
    """

    sources: tuple[str, ...] = option(
        (),
        "A folder; outside-boxes:ANNOTATIONS; held-out:FOLDER:CLASS,CLASS; patch-shuffle:FOLDER; set:NAME[:ROOT]. "
        "Repeatable.",
        panel=_SOURCES,
        repeat=True,
        flag="--from",
    )
    monochrome: bool = option(False, "Add 216 plain colours.", panel=_SOURCES)
    procedural: int = option(
        0, "Add this many gradients, noises, stripes and blobs.", least=0, panel=_SOURCES
    )
    clutter: int = option(0, "Add this many images of digit clutter.", least=0, panel=_SOURCES)
    grid_crops: bool = option(
        False, "Add crops of the folders' and sets' large images.", panel=_SOURCES
    )
    crop: int = option(512, "Side of these crops, pixels.", least=1, panel=_SOURCES)
    invert: bool = option(False, "Add inverses of folders, sets and crops.", panel=_SOURCES)
    paper: Path | None = option(
        None,
        "A folder with the twelve folders of the paper's mix: its 3,001 images.",
        panel=_SOURCES,
    )
    screen_against: tuple[str, ...] = option(
        (),
        "Images of the classes, a folder or set:NAME: copies of them are left out. Repeatable.",
        panel=_CHOICE,
        repeat=True,
    )
    max_hamming: int = option(
        8, "Bits of 64 in which a copy may differ.", least=0, most=31, panel=_CHOICE
    )
    value_range: str = option(
        FULL,
        "Of images with more than 8 bits a channel, what becomes black to white: full, data, 12-bit or lo,hi.",
        flag="--range",
        panel=_SOURCES,
    )
    ratio: float | None = option(
        None,
        "Background in training, as a multiple of the mean class size of the first --screen-against.",
        panel=_CHOICE,
    )
    count: int | None = option(None, "Images in all.", least=1, panel=_CHOICE)
    split: tuple[float, ...] = option(
        (0.8, 0.1, 0.1), "Fractions of train, val and test.", least=0, panel=_OUTPUT
    )
    seed: int = option(0, "Of choice and split.", least=0, panel=_OUTPUT)
    longest: int | None = option(None, "Longest side, pixels.", least=1, panel=_OUTPUT)

    def __post_init__(self) -> None:
        super().__post_init__()
        ValueRange(self.value_range)
        if len(self.split) != 3:
            raise OptionError(f"split is three fractions, such as 0.8,0.1,0.1, not {self.split}")
        if self.ratio is not None and (not self.screen_against or self.count):
            raise OptionError("a ratio needs the classes' images to compare with, and no count")
