"""What ``docs/what-helps.md`` and the README say of each training method: which numbers, and what the source claims.

command:   none; it is imported by ``tables.py``
expected:  nothing of its own
"""

__all__ = ["ROWS", "Row"]

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One statement.

    Args:
        method: As users know it.
        tested: Data, network and size.
        experiment: File of numbers in ``journal/results``.
        world: Of the experiment.
        arm: Of the world, compared with its first one.
        measure: As the numbers call it.
        of: What is measured, in words.
        claim: Of the source.
        against: The arm that it is compared with; the world's first one where omitted.
    """

    method: str
    tested: str
    experiment: str
    world: str
    arm: str
    measure: str
    of: str
    claim: str
    against: str | None = None


DIGITS = "LeNet from random weights, 3,000 digits in clutter, six epochs"
KABIR = "better accuracy at little cost"

ROWS: tuple[Row, ...] = (
    Row(
        "background class",
        DIGITS,
        "background-start",
        "lenet",
        "from .5 of the run",
        "accuracy ↑",
        "accuracy",
        KABIR,
    ),
    Row(
        "background class, from the first step",
        DIGITS,
        "background-start",
        "lenet",
        "from the first step",
        "accuracy ↑",
        "accuracy",
        KABIR,
    ),
    Row(
        "outlier exposure",
        DIGITS,
        "background-start",
        "lenet",
        "outlier exposure from the first step",
        "accuracy ↑",
        "accuracy",
        "no loss of accuracy",
    ),
)
