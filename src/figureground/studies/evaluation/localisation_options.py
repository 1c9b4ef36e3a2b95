"""What a localisation study is asked and what it answers."""

__all__ = ["LocalisationOptions", "LocalisationRecord"]

from dataclasses import dataclass, field

from figureground.base.errors import OptionError
from figureground.studies.evaluation.localisation_cases import Case
from figureground.studies.evaluation.localisation_measures import LocalisationGrid
from figureground.studies.evaluation.measure_record import MeasureRecord
from figureground.studies.evaluation.post_processing import PostProcessing


@dataclass(frozen=True)
class LocalisationOptions:
    """What is measured and how.

    Args:
        post: From raw maps to maps that are boxed.
        grid: Thresholds, overlaps, box rule, pointing tolerance.
        validation_share: Share of the pictures on which thresholds are chosen; they are not reported.
        seed: Of that division and of the resampling.
        reference: Every other row is compared with this one, pair by pair; the first one where None.
        cases: How many of the worst and of the best pictures of each method are drawn.
        batch_size: Pictures at a time.
        overwrite: Measure again what an earlier run measured.

    Raises:
        OptionError: The share is not between 0 and 1, or there is less than one picture at a time.
    """

    post: PostProcessing = field(default_factory=PostProcessing)
    grid: LocalisationGrid = field(default_factory=LocalisationGrid)
    validation_share: float = 0.2
    seed: int = 0
    reference: str | None = None
    cases: int = 3
    batch_size: int = 16
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.validation_share < 1:
            share = self.validation_share
            raise OptionError(f"the validation share must lie between 0 and 1, got {share}")
        if self.batch_size < 1 or self.cases < 0:
            raise OptionError(f"{self.batch_size} pictures at a time, {self.cases} cases: too few")


@dataclass(frozen=True)
class LocalisationRecord(MeasureRecord):
    """A finished study; saved as ``record.json``, last, beside ``per_image.npz``.

    Args:
        cases: The worst and best pictures of each method.
    """

    cases: tuple[Case, ...] = ()
