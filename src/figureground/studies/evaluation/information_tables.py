"""The numbers of ``evaluate information`` as tables."""

__all__ = ["class_table", "omitted_tables", "overall_table"]

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from figureground.data.labeled import LabeledImages
from figureground.metrics.classification import omitted_class_report
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


def overall_table(
    found: Information, separation: str, *, calibration: float, temperature: float
) -> dict[str, Any]:
    """One row a quantity.

    Args:
        found: The numbers.
        separation: Kind of the separation.
        calibration: Expected calibration error.
        temperature: Of the logits, that fits the labels best.

    Returns:
        The table.
    """
    titles = _NAMES | {"separation": f"separation, {separation}"}
    rows = [
        [title, round(float(getattr(found, name)), 5), _UNITS.get(name, "nats")]
        for name, title in titles.items()
    ]
    rows += [
        ["expected calibration error, 15 bins", round(calibration, 5), "share"],
        ["temperature that fits best", round(temperature, 4), ""],
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


def omitted_tables(
    logits: Tensor, data: LabeledImages, omitted: Sequence[int]
) -> tuple[dict[str, Any], ...]:
    """What is known of classes that training left out, and of the others; empty cells where undefined.

    Args:
        logits: ``(N, C)`` of the pictures.
        data: Labels and names.
        omitted: Numbers of the classes.

    Returns:
        One table; none where no class was left out.
    """
    if not omitted:
        return ()
    found = omitted_class_report(logits, data.labels, omitted)
    names = [f"of '{data.class_names[row]}'" for row in omitted]
    quantities = [
        ("accuracy on the kept classes", found.kept_accuracy),
        ("recall of the omitted classes, mean", found.omitted_recall),
        *zip([f"recall {name}" for name in names], found.recall, strict=True),
        ("precision where one of them is answered", found.omitted_precision),
        *zip([f"precision {name}" for name in names], found.precision, strict=True),
        ("harmonic mean of kept accuracy and omitted recall", found.harmonic_mean),
    ]
    values = [(name, float(value)) for name, value in (*quantities, ("chance", found.chance))]
    table = {
        "title": "Omitted classes",
        "caption": "Training pictures showed none of these classes. Recall: share of a class's pictures that are "
        "recognised; precision: share of the pictures so called that are of it, empty where none is so called.",
        "columns": ["quantity", "value", "unit"],
        "rows": [[name, None if one != one else round(one, 5), "share"] for name, one in values],  # noqa: PLR0124 - NaN
    }
    return (table,)
