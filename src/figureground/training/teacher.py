"""The trained network that another one learns from: found by name, or in the folder of a finished run."""

__all__ = ["TeacherSpec", "load_teacher"]

from pathlib import Path
from typing import Any

import torch
from pydantic import Field, model_validator

from figureground.models import Classifier, load_classifier
from figureground.training.recipe import RecipePart, as_tuples, is_run
from figureground.training.streams import forked_rng
from figureground.training.trained import at_key, load_trained


class TeacherSpec(RecipePart):
    """A finished run or a trained network; a name alone may stand for it.

    ``name`` is the folder of a run, whose ``checkpoint`` (``best``, ``last``, ``step-N``) is loaded with the run's own
    preprocessing; or a network, as for ``load_classifier``, which comes with the weights that its source has unless
    ``weights`` names a file.
    """

    name: str
    checkpoint: str = "best"
    weights: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    preprocessing: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_name(cls, given: object) -> object:
        """``runs/plain`` means ``{name: runs/plain}``."""
        return {"name": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _fits_together(self) -> "TeacherSpec":
        """Refuse options that would be without effect."""
        if not self.names_a_run and self.checkpoint != "best":
            raise ValueError(
                f"checkpoint belongs to the folder of a run; {self.name} is a network, which takes weights"
            )
        if self.names_a_run and (self.weights or self.arguments or self.preprocessing):
            raise ValueError(
                f"the teacher {self.name} is a run, which has its own weights, arguments and preprocessing"
            )
        return self

    @property
    def names_a_run(self) -> bool:
        """Whether the name is a folder; a network's name has a source and a colon before it."""
        return ":" not in self.name or is_run(self.name)


def load_teacher(spec: TeacherSpec, *, key: str = "teacher") -> Classifier:
    """The teacher, frozen and in evaluation mode, on the CPU. Torch's global RNG stays as it is.

    Args:
        spec: A finished run, or a network by name.
        key: Of the recipe that asks for it, which errors begin with.

    Returns:
        The teacher.

    Raises:
        OptionError: No network or checkpoint has this name.
        DataError: The folder holds no run with this checkpoint.
        ModelError: The weights do not fit, or the network has none.
    """
    with at_key(key, spec.weights), forked_rng(torch.device("cpu")):
        if spec.names_a_run:
            found = load_trained(Path(spec.name), spec.checkpoint)
        else:
            found = load_classifier(
                spec.name,
                weights=spec.weights,
                arguments=spec.arguments,
                preprocessing=as_tuples(spec.preprocessing) or None,
            )
    return found.eval().requires_grad_(False)  # noqa: FBT003 - torch's own signature
