"""Whether thresholds were chosen on so few images that they are noise: what they cost beside the best ones."""

__all__ = ["doubt_of_thresholds", "oracle_table"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from figureground.base.amount import amount
from figureground.metrics.intervals import bootstrap_interval
from figureground.studies.answers import listed, number
from figureground.studies.evaluation.boxes import OVERLAPS
from figureground.studies.evaluation.tables import table

_FEW = 100  # validation images


def doubt_of_thresholds(
    frozen: Mapping[str, np.ndarray], oracle: Mapping[str, float], *, validation: int, seed: int
) -> str:
    """One sentence where chosen thresholds are not to be relied on.

    Args:
        frozen: Row in words -> whether each test image is right with the chosen threshold, ``(S,)``, in per cent.
        oracle: Row in words -> per cent that are right with the threshold that is best on the test images.
        validation: Images on which thresholds were chosen.
        seed: Of the resampling.

    Returns:
        The sentence; empty where there are 100 validation images or more and no row loses more than half the width of
        its 95 % interval.

    Examples:
        >>> doubt_of_thresholds({"CAM": np.full(9, 100.0)}, {"CAM": 100.0}, validation=20, seed=0)
        'Thresholds were chosen on 20 images, fewer than 100: another choice of images may give other thresholds.'
    """
    lost = {}
    for row, values in frozen.items():
        found = bootstrap_interval(torch.from_numpy(values.astype(np.float64)), seed=seed)
        cost = oracle[row] - found.mean
        if cost > (found.high - found.low) / 2:
            lost[row] = cost
    few = ", fewer than 100" if validation < _FEW else ""
    chosen = f"Thresholds were chosen on {amount(validation, 'image')}{few}"
    if lost:
        order = sorted(lost, key=lambda row: -lost[row])
        costs = [f"{row} {number(lost[row])} points" for row in order]
        return f"{chosen}, and cost {listed(costs)} beside those that are best on the test images."
    return f"{chosen}: another choice of images may give other thresholds." if few else ""


def oracle_table(
    found: Mapping[str, tuple[np.ndarray, float]], shares: np.ndarray
) -> dict[str, Any]:
    """Best on the test images themselves.

    Args:
        found: Row -> accuracy in per cent at each overlap and threshold, ``(O, T)``, and MaxBoxAccV2.
        shares: The thresholds, ``(T,)``.

    Returns:
        The table, as a record holds it.
    """
    lines = [
        [
            row,
            *(round(float(curve.max()), 2) for curve in curves),
            round(v2, 2),
            ", ".join(f"{shares[curve.argmax()]:.2g}" for curve in curves),
        ]
        for row, (curves, v2) in found.items()
    ]
    return table(
        "Oracle: thresholds that are best on the test images themselves, %",
        ["method", *(f"MaxBoxAcc @{one:g}" for one in OVERLAPS), "MaxBoxAccV2", "thresholds"],
        lines,
        caption="Upper bounds that nobody could have reached without the answers, to compare with papers only.",
    )
