"""Differences between arms over training seeds: what another run of the same recipes would show."""

__all__ = ["RunValues", "seeds_table"]

from typing import Any

import torch

from figureground.metrics.intervals import seeds_difference

RunValues = dict[str, dict[str, dict[int, float]]]
"""Measure -> arm -> seed -> value."""

_CAPTION = (
    "Arm less reference, run by run of equal seed; mean and Student's 95 % interval over these pairs. Unknown sets: "
    "the arm's s2 where it has a background output, else its msp."
)


def seeds_table(values: RunValues, reference: str) -> dict[str, Any] | None:
    """Paired differences over seeds.

    Args:
        values: Measure -> arm -> seed -> value.
        reference: The arm that the others are compared with.

    Returns:
        A table as records hold it; None where no arm shares two seeds with the reference.
    """
    rows: list[list[object]] = []
    for measure, arms in values.items():
        own = arms.get(reference, {})
        for arm, found in arms.items():
            seeds = sorted(found.keys() & own.keys())
            if arm == reference or len(seeds) < 2:
                continue
            pair = (torch.tensor([one[seed] for seed in seeds]) for one in (found, own))
            gap = seeds_difference(*pair)
            cells = [round(value, 4) for value in (gap.mean, gap.low, gap.high)]
            rows.append([arm, reference, measure, *cells, len(seeds), not gap.low <= 0 <= gap.high])
    if not rows:
        return None
    columns = ["arm", "less", "measure", "difference", "low", "high", "seeds", "differs"]
    return {
        "title": "Differences over seeds",
        "caption": _CAPTION,
        "columns": columns,
        "rows": rows,
    }
