"""The numbers of ``evaluate information`` as tables."""

__all__ = ["class_table", "overall_table"]

from collections.abc import Sequence
from typing import Any

from figureground.metrics.information import Information

_NAMES = {
    "cmi": "I(X; Ŷ | Y), conditional mutual information",
    "separation": "separation",
    "ncmi": "NCMI, their ratio",
    "h_yhat": "H(Ŷ)",
    "h_yhat_given_y": "H(Ŷ | Y)",
    "h_yhat_given_x": "H(Ŷ | X)",
    "mi_x": "I(X; Ŷ)",
    "mi_y": "I(Y; Ŷ)",
    "nll": "negative log-likelihood",
    "accuracy": "accuracy",
}
_UNITS = {"ncmi": "", "accuracy": "share"}
_CAPTION = (
    "Ŷ is drawn from the model's output for the picture X of class Y. I(X; Ŷ | Y) = H(Ŷ | Y) − H(Ŷ | X): how much the "
    "answers to pictures of one class differ; I(X; Ŷ) = I(Y; Ŷ) + I(X; Ŷ | Y). None has a good direction by itself."
)


def overall_table(found: Information, separation: str) -> dict[str, Any]:
    """One row a quantity.

    Args:
        found: The numbers.
        separation: Kind of the separation.

    Returns:
        The table.
    """
    titles = _NAMES | {"separation": f"separation, {separation}"}
    rows = [
        [title, round(float(getattr(found, name)), 5), _UNITS.get(name, "nats")]
        for name, title in titles.items()
    ]
    return {
        "title": "Information",
        "caption": _CAPTION,
        "columns": ["quantity", "value", "unit"],
        "rows": rows,
    }


def class_table(found: Information, class_names: Sequence[str]) -> dict[str, Any]:
    """One row a class; empty cells where a class has no picture.

    Args:
        found: The numbers.
        class_names: Of the classes.

    Returns:
        The table.
    """
    columns = (
        found.cmi_per_class,
        found.entropy_per_class,
        found.centroids.diagonal(),
        found.accuracy_per_class,
    )
    values = [column.tolist() for column in columns]
    rows = [
        [name, int(count), *(None if one != one else round(one, 5) for one in numbers)]  # noqa: PLR0124 - NaN
        for name, count, *numbers in zip(class_names, found.counts.tolist(), *values, strict=True)
    ]
    return {
        "title": "By class",
        "caption": "I(X; Ŷ | Y = y) and mean entropy of the outputs in nats; mean probability of the class.",
        "columns": ["class", "pictures", "CMI", "mean entropy", "mean probability", "accuracy"],
        "rows": rows,
    }
