"""What a comparison is asked, and what it leaves behind."""

__all__ = ["BackgroundSection", "CompareOptions", "ComparisonRecord", "Example"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from figureground.base.options import Options, option
from figureground.base.record import Provenance

if TYPE_CHECKING:
    from figureground.studies.answers import Answer
    from figureground.studies.evaluation.tables import Chart

_WHAT, _DATA = "What is compared", "Data"


@dataclass(frozen=True, kw_only=True)
class CompareOptions(Options):
    """What to compare.

    Args:
        data: Held-out images; None for the test split of the first run's data.
        limit: So many test images at most, drawn at random.
        ood: Sets of unknown images; ``none`` for none.
        corrupted: So many test images are corrupted at most; 0 for none.
        corruptions: Their names; empty for all.
        maps: So many test images are explained at most; 0 for none.
        methods: Make the maps; the first one's are shown.
        examples: So many test images are shown; 0 for none.
        background: Whether it is measured how much each arm rests on the background; needs test images with boxes.
        delta: Gap that matters there, a share of accuracy.
        seed: Of all that is drawn and resampled.
        batch_size: Images at a time.

    Raises:
        OptionError: A number that cannot be.
    """

    data: str | None = option(
        None,
        "Held-out images: a data set, NAME or NAME:PLACE, whose test split is taken, or a folder of class folders, "
        "all of it. Default: the test split of the first run's data.",
        panel=_DATA,
    )
    limit: int | None = option(
        None, "Only a random subset of this many images.", least=1, panel=_DATA
    )
    ood: tuple[str, ...] = option(
        ("noise", "patch-shuffle"),
        "Unknown images: noise, patch-shuffle, background (the data's own), textures (pack dtd10), a data set "
        "NAME[:PLACE], or a folder; repeatable. Default: noise and patch-shuffle; 'none' for none.",
        panel=_WHAT,
        repeat=True,
    )
    corrupted: int = option(
        500, "Test images that are corrupted; 0 for none.", least=0, panel=_WHAT
    )
    corruptions: tuple[str, ...] = option(
        (), "Comma-separated. Default: all seven, at five severities.", panel=_WHAT
    )
    maps: int = option(
        200, "Test images whose maps are measured; 0 for none.", least=0, panel=_WHAT
    )
    methods: tuple[Any, ...] | Mapping[str, Any] = option(
        ("grad-cam",), "Make the maps, comma-separated; the first one's are shown.", panel=_WHAT
    )
    examples: int = option(8, "Test images shown side by side; 0 for none.", least=0, panel=_WHAT)
    background: bool = option(
        False,
        "How much each arm rests on the background, and whether it does so less than the first: test images with "
        "boxes are put on each other's backgrounds, 18 composites an image and run.",
        flag="--background",
        panel=_WHAT,
    )
    delta: float = option(
        0.05,
        "Accuracy lost on other classes' backgrounds from where on it matters, for --background.",
        least=0,
        most=1,
        panel=_WHAT,
    )
    seed: int = option(0, "Of all that is random.", least=0)
    batch_size: int = option(128, "Images at a time.", least=1, panel="Speed")

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the unknown sets."""
        return () if self.ood == ("none",) else self.ood or ("noise", "patch-shuffle")


@dataclass(frozen=True)
class Example:
    """An image as each arm sees it, as the page holds it.

    Args:
        number: Position among the test images.
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
class BackgroundSection:
    """How much the arms rest on the background, as the page shows it.

    Args:
        reference: Name of the first arm.
        verdicts: ``arm``, ``word``, what the word rests on, ``told``, and a sentence, ``short``, of each other arm.
        gaps: Rows of a chart: ``name``, ``value``, ``low``, ``high``, and whether it is ``marked``.
        strips: Images on other backgrounds, with the answers of every arm.
        largest: Arm -> its largest gap and both ends of the interval, what the verdicts are of.
    """

    reference: str
    verdicts: tuple[dict[str, str], ...]
    gaps: tuple[dict[str, Any], ...]
    strips: tuple[dict[str, Any], ...]
    largest: dict[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonRecord:
    """A finished comparison; saved as ``record.json``, last, beside ``per_image.npz`` and ``examples.png``.

    Args:
        data: Description of the test images.
        images: How many.
        arms: Arm -> folders of its runs; the first is the reference.
        methods: What made the maps.
        options: Everything that changes the numbers.
        tables: Title, caption, columns, rows.
        charts: Line charts.
        examples: Images as each arm sees them.
        concepts: Arm -> colour and description of each concept in the examples.
        notes: What the reader must know.
        seconds: Wall-clock time.
        provenance: Command, versions, machine, seeds.
        left_out: Images that could not be used, and why.
        background: How much the arms rest on the background; None where that was not asked.
        answer: What the page leads with.
        numbers: Measure -> arm -> seed -> number of that run, from which the statistics over seeds can be done again.
        kind: ``comparison``.
        schema: Version of this form.
    """

    data: str
    images: int
    arms: dict[str, tuple[str, ...]]
    methods: dict[str, str]
    options: dict[str, str]
    tables: tuple[dict[str, Any], ...]
    charts: "tuple[Chart, ...]"
    examples: tuple[Example, ...]
    concepts: dict[str, list[tuple[str, str]]]
    notes: tuple[str, ...]
    seconds: float
    provenance: Provenance
    left_out: tuple[str, ...] = ()
    background: BackgroundSection | None = None
    answer: "Answer | None" = None
    numbers: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    kind: str = "comparison"
    schema: int = 2
