"""What a recipe may say about background splitting."""

__all__ = ["BackgroundSplittingOptions"]

from typing import Literal

from pydantic import Field, StrictBool, model_validator

from figureground.training.algorithms.background_splitting.losses import check_main_settings
from figureground.training.recipe import RecipePart
from figureground.training.teacher import TeacherSpec

MainName = Literal["cross-entropy", "class-balanced", "focal", "ldam", "logit-adjusted", "binary"]


class BackgroundSplittingOptions(RecipePart):
    """Pseudo-labels, both losses, the background's logit, and what is trained.

    ``teacher`` is the folder of a finished run or a network by name, see ``TeacherSpec``. ``pseudo`` says what comes
    of it: its most probable class (``hard``), shares of all (``soft``), or clusters of its features (``kmeans``,
    ``clusters`` of them, which without a teacher are those of the network itself before training). Without ``pseudo``
    it is ``hard`` with a teacher and ``kmeans`` without. ``aux_weight: 0`` leaves it all out: plain training, with
    whatever of the rest was asked for. ``permuted`` gives the labels to other images, a control that must not help.
    ``main_settings`` are numbers of the main loss (``scale`` and ``max_margin`` of ``ldam``, ``beta``, ``gamma``,
    ``tau``). ``fixed_logit`` fixes the background's logit; without it the logit is learned. ``deferred`` is the
    fraction of the run after which ``ldam`` weights classes. ``afterwards`` replaces the last layer when all epochs
    are done: ``retrained`` (cRT) and ``scaled`` (LWS) on balanced batches of fixed features, or ``tau-normalized``;
    ``best`` is then the network with that layer. ``extra_positives`` is how many images of rare classes are added to
    every batch. ``cache`` is a folder for pseudo-labels, the run's own where omitted.
    """

    teacher: TeacherSpec | None = None
    pseudo: Literal["hard", "soft", "kmeans"] | None = None
    clusters: int = Field(default=20, ge=2)
    temperature: float = Field(default=1.0, gt=0)
    aux_weight: float = Field(default=0.1, ge=0)
    aux_on: Literal["all", "background", "labeled"] = "all"
    aux_init: Literal["teacher", "fresh"] = "teacher"
    permuted: StrictBool = False
    main: MainName = "cross-entropy"
    main_settings: dict[str, float] = Field(default_factory=dict)
    deferred: float = Field(default=0.8, ge=0, le=1)
    fixed_logit: float | None = None
    trunk: Literal["trained", "frozen"] = "trained"
    afterwards: Literal["retrained", "scaled", "tau-normalized"] | None = None
    extra_positives: int = Field(default=0, ge=0)
    cache: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "BackgroundSplittingOptions":
        """Refuse options that would be without effect."""
        if self.aux_weight and self.teacher is None and self.pseudo in {"hard", "soft"}:
            raise ValueError(f"pseudo: {self.pseudo} needs a teacher")
        if self.aux_weight and self.trunk == "frozen":
            raise ValueError("an auxiliary loss cannot reach a frozen trunk; set aux_weight: 0")
        if self.afterwards and self.fixed_logit is not None:
            raise ValueError(f"afterwards: {self.afterwards} would undo the fixed_logit")
        check_main_settings(self.main, self.main_settings)
        return self

    @property
    def kind(self) -> str:
        """``hard``, ``soft`` or ``kmeans``."""
        return self.pseudo or ("kmeans" if self.teacher is None else "hard")
