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
    """

    method: str
    tested: str
    experiment: str
    world: str
    arm: str
    measure: str
    of: str
    claim: str


ROWS: tuple[Row, ...] = ()
