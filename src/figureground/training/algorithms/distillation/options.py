"""What a recipe may say about distillation."""

__all__ = ["DistillationOptions"]

from pydantic import Field, StrictBool, model_validator

from figureground.base.errors import unknown_option
from figureground.training.algorithms.distillation.losses import DISTILLATION_LOSSES
from figureground.training.recipe import RecipePart
from figureground.training.teacher import TeacherSpec


class DistillationOptions(RecipePart):
    """What a recipe may say about distillation.

    ``teacher`` is the folder of a finished run or a network by name, see ``TeacherSpec``. ``loss`` is
    one of ``DISTILLATION_LOSSES``, with its own ``loss_options``. The total is ``cross_entropy`` · cross-entropy +
    ``kd`` · KD at ``temperature`` + ``other`` · the loss, where that is another one; each weight has the standard
    benchmark's value unless it is given. ``ramp`` is the share of the run in which ``other`` grows from 0. Layers to
    compare are found by looking unless ``student_layers`` and ``teacher_layers`` name them, in pairs. The teacher's
    logits are divided by ``teacher_temperature`` first; one that fits validation images best is the control for a
    teacher that was trained to be less sure.
    ``cache_logits`` runs the teacher once over the training images, for losses of logits and images that never
    change.
    """

    teacher: TeacherSpec | None = None
    loss: str = "kd"
    loss_options: dict[str, int | float] = Field(default_factory=dict)
    cross_entropy: float | None = Field(default=None, ge=0)
    kd: float | None = Field(default=None, ge=0)
    other: float | None = Field(default=None, ge=0)
    temperature: float = Field(default=4.0, gt=0)
    teacher_temperature: float = Field(default=1.0, gt=0)
    ramp: float | None = Field(default=None, ge=0, le=1)
    student_layers: tuple[str, ...] = ()
    teacher_layers: tuple[str, ...] = ()
    cache_logits: StrictBool = False

    @model_validator(mode="after")
    def _fits_together(self) -> "DistillationOptions":
        """Refuse options that would be without effect, and losses that do not exist."""
        if self.loss not in DISTILLATION_LOSSES:
            raise unknown_option("distillation loss", self.loss, DISTILLATION_LOSSES)
        if self.loss == "kd" and (self.other is not None or self.loss_options):
            raise ValueError("the loss kd is weighted by 'kd' and softened by 'temperature'")
        if self.cache_logits and self.layered:
            raise ValueError(
                f"cache_logits caches the teacher's logits; the loss {self.loss} compares its layers too"
            )
        if (self.student_layers or self.teacher_layers) and not self.layered:
            raise ValueError(f"the loss {self.loss} looks at logits alone, not at layers")
        named = max(len(self.student_layers), len(self.teacher_layers))
        if named > 1 and DISTILLATION_LOSSES[self.loss].looks_at != "maps":
            raise ValueError(f"the loss {self.loss} compares one layer of each, not {named}")
        return self

    @property
    def layered(self) -> bool:
        """Whether the loss looks at layers."""
        return not DISTILLATION_LOSSES[self.loss].looks_at.endswith("logits")

    def weights(self) -> tuple[float, float, float]:
        """Of cross-entropy, KD and the loss; the last is 0 for KD itself.

        Returns:
            γ, α, β.

        Examples:
            >>> DistillationOptions(loss="kd").weights(), DistillationOptions(loss="sp").weights()
            ((0.1, 0.9, 0.0), (1.0, 0.0, 3000.0))
        """
        chosen = DISTILLATION_LOSSES[self.loss]
        plain = self.loss == "kd"
        gamma = chosen.gamma if self.cross_entropy is None else self.cross_entropy
        alpha = (chosen.weight if plain else 0.0) if self.kd is None else self.kd
        beta = chosen.weight if self.other is None else self.other
        return gamma, alpha, 0.0 if plain else beta
