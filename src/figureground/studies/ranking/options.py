"""What may be said about ranking images, and what is known of a finished ranking."""

__all__ = ["RankOptions", "RankRecord", "Ranked"]

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from figureground.base.errors import OptionError
from figureground.base.options import Options, option
from figureground.base.record import Provenance
from figureground.studies.failures import Failure

if TYPE_CHECKING:
    from figureground.studies.answers import Answer


@dataclass(frozen=True, kw_only=True)
class RankOptions(Options):
    """What to rank by, and how.

    Args:
        classes: Names or numbers of the classes sought; without any, all but ``background``.
        score: ``softmax``, the log odds of a class's probability, which has its order; or ``logit``.
        top: How many images come into ``top.csv`` and onto the contact sheet.
        methods: The method of the maps on the sheet.
        batch_size: Images at a time; None chooses by the device.
        workers: Threads that decode; None for one per core, at most 8, or 32 for images at URLs.
        parquet: Whether the scores are written as Parquet too; None where pyarrow is installed.
        unit: Images of a unit, which a killed job does not do again.

    Raises:
        OptionError: A name that does not exist, a number that cannot be, or Parquet without pyarrow.
    """

    classes: tuple[str | int, ...] = option(
        (), "Classes sought, by name or number, comma-separated. Default: all but background."
    )
    score: str = option(
        "softmax", "softmax (log odds of the probability) or logit.", choices=("softmax", "logit")
    )
    top: int = option(200, "Images on the contact sheet and in top.csv.", least=1)
    methods: str = option("grad-cam", "The method of the maps on the sheet.")
    batch_size: int | None = option(None, "Images at a time. Default: by the device.", least=1)
    workers: int | None = option(
        None,
        "Threads that decode. Default: one per core, at most 8; 32 for images at URLs.",
        least=1,
    )
    parquet: bool | None = option(
        None, "Scores as Parquet too. Default: where pyarrow is installed."
    )
    unit: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit < 1:
            raise OptionError(f"unit must be at least 1, got {self.unit}")
        if self.parquet and not self.writes_parquet:
            raise OptionError("scores as Parquet need pyarrow: pip install 'figureground[parquet]'")

    @property
    def writes_parquet(self) -> bool:
        """Whether the scores will be there as Parquet too."""
        return self.parquet is not False and find_spec("pyarrow") is not None


@dataclass(frozen=True)
class Ranked:
    """An image near the top.

    Args:
        path: Where it is.
        score: The highest of the classes sought.
        class_name: Whose score that is.
        probability: Of that class, by the softmax over all outputs.
        image: Stands for its place, also where names cannot be told apart in print: its line of the sheet's entries.
    """

    path: str
    score: float
    class_name: str
    probability: float
    image: str = ""


@dataclass(frozen=True)
class RankRecord:
    """A finished ranking; saved as ``record.json``, last.

    Args:
        model: Name, input in words, preprocessing, device.
        classes: Names of the classes sought.
        score: What was ranked by.
        images: Images that were scored.
        skipped: How many of them an earlier run had scored.
        failed: Images that could not be used, with reasons.
        top: The first ones, best first.
        seconds: Wall-clock time of this run, the sheet left out.
        provenance: Command, versions, machine.
        notes: What was odd about the images.
        answer: What the page leads with.
        schema: Version of this form.
        kind: ``rank``.
    """

    model: dict[str, Any]
    classes: tuple[str, ...]
    score: str
    images: int
    skipped: int
    failed: tuple[Failure, ...]
    top: tuple[Ranked, ...]
    seconds: float
    provenance: Provenance
    notes: tuple[str, ...] = ()
    answer: "Answer | None" = None
    schema: int = 1
    kind: str = "rank"
