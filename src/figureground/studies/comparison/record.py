"""What a comparison is asked, and what it leaves behind."""

__all__ = ["CompareOptions", "ComparisonRecord", "ShownPicture"]

from dataclasses import dataclass
from typing import Any

from figureground.base.errors import OptionError, unknown_option
from figureground.base.record import Provenance
from figureground.methods import find_methods
from figureground.methods.explainer import MethodSpec
from figureground.metrics.robustness.corruptions import CORRUPTIONS
from figureground.studies.evaluation.measure_record import Curves


@dataclass(frozen=True)
class CompareOptions:
    """What to compare.

    Args:
        unknown: Sets of unknown pictures.
        corruptions: Names of corruptions.
        corrupted: So many test pictures are corrupted at most; 0 for none.
        methods: Make the maps; the first one's are shown.
        maps: So many test pictures are explained at most; 0 for none.
        pictures: So many are shown; 0 for none.
        batch_size: Pictures at a time.
        seed: Of all that is drawn and resampled.

    Raises:
        OptionError: A name that does not exist or a number that cannot be.
    """

    unknown: tuple[str, ...] = ("noise", "patch-shuffle")
    corruptions: tuple[str, ...] = tuple(CORRUPTIONS)
    corrupted: int = 500
    methods: MethodSpec = ("grad-cam",)
    maps: int = 200
    pictures: int = 8
    batch_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.corruptions:
            if name not in CORRUPTIONS:
                raise unknown_option("corruption", name, CORRUPTIONS)
        for key in ("corrupted", "maps", "pictures", "seed"):
            if getattr(self, key) < 0:
                raise OptionError(f"{key} is 0 at least, not {getattr(self, key)}")
        if self.batch_size < 1:
            raise OptionError(f"batch_size is 1 at least, not {self.batch_size}")
        if "dff" in find_methods(self.methods):
            raise OptionError("dff makes a map per concept, not one per class that can be measured")


@dataclass(frozen=True)
class ShownPicture:
    """A row of pictures as the page holds it.

    Args:
        number: Position among the test pictures.
        label: Its true class.
        why: ``drawn``, or ``disagreement`` of the arms.
        predicted: Arm -> its best known class.
        cells: Title and ``data:`` address of each picture.
    """

    number: int
    label: str
    why: str
    predicted: dict[str, str]
    cells: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class ComparisonRecord:
    """A finished comparison; saved as ``record.json``, last, beside ``per_image.npz`` and ``pictures.png``.

    Args:
        data: The test pictures, in words.
        images: How many.
        arms: Arm -> folders of its runs; the first is the reference.
        methods: What made the maps.
        options: Everything that changes the numbers, in words.
        tables: Title, caption, columns, rows.
        curves: Charts.
        pictures: Rows of pictures.
        concepts: Arm -> colour and words of each concept in the pictures.
        notes: What the reader must know.
        seconds: Wall-clock time.
        provenance: Command, versions, machine, seeds.
        kind: ``comparison``.
        schema: Version of this form.
    """

    data: str
    images: int
    arms: dict[str, tuple[str, ...]]
    methods: dict[str, str]
    options: dict[str, str]
    tables: tuple[dict[str, Any], ...]
    curves: tuple[Curves, ...]
    pictures: tuple[ShownPicture, ...]
    concepts: dict[str, list[tuple[str, str]]]
    notes: tuple[str, ...]
    seconds: float
    provenance: Provenance
    kind: str = "comparison"
    schema: int = 1
