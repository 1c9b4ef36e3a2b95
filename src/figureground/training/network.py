"""The classifier that a recipe asks for, with as many outputs as the data and the algorithms need."""

__all__ = ["make_classifier"]

from collections.abc import Sequence
from typing import Any

from figureground.models import Classifier, load_classifier, replace_head
from figureground.training.recipe import ModelSpec

_COUNTED = ("figureground:", "timm:")  # networks that are built for a number of classes


def make_classifier(
    spec: ModelSpec, class_names: Sequence[str], *, background: bool = False
) -> Classifier:
    """A classifier in evaluation mode; initial weights are drawn from torch's global numbers.

    A head that has another number of outputs than needed is replaced by a fresh linear one; weights below it are kept.

    Args:
        spec: Which network.
        class_names: One for each class of the data.
        background: Whether it has an output more, the last, for backgrounds.

    Returns:
        The classifier.
    """
    names = (*class_names, "background") if background else tuple(class_names)
    arguments = dict(spec.arguments)
    untrained = spec.weights is None and not spec.pretrained
    if untrained and spec.name.startswith(_COUNTED):
        arguments.setdefault("num_classes", len(names))
    classifier = load_classifier(
        spec.name,
        weights=spec.weights,
        random=untrained,
        arguments=arguments,
        preprocessing=_tuples(spec.preprocessing) or None,
    )
    if spec.head != "own":
        classifier, _ = replace_head(classifier, len(names), head=spec.head)
    elif classifier.num_classes != len(names):
        classifier, _ = replace_head(classifier, len(names))
    classifier.class_names, classifier.num_classes = names, len(names)
    return classifier


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """YAML's lists as the tuples that preprocessing holds."""
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
