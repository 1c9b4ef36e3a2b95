"""What may be said about ranking photos, and what is known of a finished ranking."""

__all__ = ["RankOptions", "RankRecord", "Ranked"]

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from figureground.base.errors import OptionError, unknown_option
from figureground.base.record import Provenance
from figureground.studies.photos import Failure

_SCORES = ("softmax", "logit")


@dataclass(frozen=True)
class RankOptions:
    """What to rank by, and how.

    Args:
        classes: Names or numbers of the classes sought; without any, all but ``background``.
        score: ``softmax``, the log odds of a class's probability, which has its order; or ``logit``.
        top: How many photos come into ``top.csv`` and onto the contact sheet.
        method: Of the maps on the sheet.
        batch_size: Photos at a time; None chooses by the device.
        device: ``cpu``, ``cuda``, …; None takes CUDA if there is one.
        workers: Threads that decode; None for one per core, at most 8.
        part: Photos of a part, which a killed job does not do again.
        parquet: Whether the scores are written as Parquet too; None where pyarrow is installed.

    Raises:
        OptionError: A name that does not exist, a number that cannot be, or Parquet without pyarrow.
    """

    classes: tuple[str | int, ...] = ()
    score: str = "softmax"
    top: int = 200
    method: str = "grad-cam"
    batch_size: int | None = None
    device: str | None = None
    workers: int | None = None
    part: int = 1024
    parquet: bool | None = None

    def __post_init__(self) -> None:
        if self.score not in _SCORES:
            raise unknown_option("score", self.score, _SCORES)
        if self.parquet and not self.writes_parquet:
            raise OptionError("scores as Parquet need pyarrow: pip install 'figureground[parquet]'")
        for name in ("top", "batch_size", "workers", "part"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise OptionError(f"{name} is at least 1, not {number}")

    @property
    def writes_parquet(self) -> bool:
        """Whether the scores will be there as Parquet too."""
        return self.parquet is not False and find_spec("pyarrow") is not None


@dataclass(frozen=True)
class Ranked:
    """A photo near the top.

    Args:
        path: Where it is.
        score: The highest of the classes sought.
        class_name: Whose score that is.
        probability: Of that class, by the softmax over all outputs.
    """

    path: str
    score: float
    class_name: str
    probability: float


@dataclass(frozen=True)
class RankRecord:
    """A finished ranking; saved as ``record.json``, last.

    Args:
        model: Name, preprocessing, device.
        classes: Names of the classes sought.
        score: What was ranked by.
        images: Photos that were scored.
        skipped: How many of them an earlier run had scored.
        failed: Photos that could not be used, with reasons.
        top: The first ones, best first.
        seconds: Wall-clock time of this run, the sheet left out.
        provenance: Command, versions, machine.
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
    schema: int = 1
    kind: str = "rank"
