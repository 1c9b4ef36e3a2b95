"""Evaluations: one declarative file per question, and the engine that runs them."""

__all__ = ["EVALUATIONS", "evaluation_class"]

from importlib import import_module
from typing import TYPE_CHECKING

from figureground.base.errors import unknown_option

if TYPE_CHECKING:
    from figureground.studies.evaluation.engine import Evaluation

EVALUATIONS: dict[str, str] = {
    "localisation": "figureground.studies.evaluation.localisation.Localisation",
    "faithfulness": "figureground.studies.evaluation.faithfulness.Faithfulness",
    "robustness": "figureground.studies.evaluation.robustness.Robustness",
    "uncertainty": "figureground.studies.evaluation.uncertainty.Uncertainty",
    "information": "figureground.studies.evaluation.information.Information",
    "ranking": "figureground.studies.evaluation.ranking.Ranking",
}
"""Name, as the command has it -> where its class is; the first line of that module is the command's help."""


def evaluation_class(name: str) -> "type[Evaluation]":
    """An evaluation by its name.

    Args:
        name: One of ``EVALUATIONS``.

    Returns:
        Its class.

    Raises:
        OptionError: There is no such evaluation.
    """  # noqa: DOC501 - unknown_option makes an OptionError
    if name not in EVALUATIONS:
        raise unknown_option("evaluation", name, EVALUATIONS)
    module, _, kind = EVALUATIONS[name].rpartition(".")
    found: type[Evaluation] = getattr(import_module(module), kind)
    return found
