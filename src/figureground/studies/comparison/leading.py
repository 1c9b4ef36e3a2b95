"""What the page of a comparison says first: does the other arm rest less on the background, does it classify better?"""

__all__ = ["led", "resting"]

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from figureground.base.amount import amount
from figureground.base.verdicts import CANNOT_TELL
from figureground.metrics.intervals import Interval, seeds_difference
from figureground.studies.answers import (
    Answer,
    Contrast,
    Question,
    answer,
    contrasts,
    in_words,
    number,
)
from figureground.studies.comparison.cure import Judgement
from figureground.studies.comparison.options import BackgroundSection

_QUESTION = Question(
    claim="classifies",
    measure="of the test images right",
    label="test images that are right, %; 95 % intervals over images",
    matters=2.0,
    both_ways=True,
)
_CLAIMS = {
    "cured": "no longer rests on the background",
    "better": "rests less on the background than {}",
    "only by its own measure": "rests less on the background than {} by its own mask alone",
    "worse": "rests more on the background than {}",
}


def led(
    columns: Mapping[str, Float[np.ndarray, " N"]],
    arms: Sequence[str],
    *,
    runs: Mapping[str, Mapping[int, float]],
    background: BackgroundSection | None,
    unlearned: Sequence[str] = (),
    seed: int,
) -> Answer:
    """The answer of a comparison.

    Args:
        columns: ``arm/accuracy`` of each test image.
        arms: Their names, the reference first.
        runs: Arm -> seed -> accuracy of that run.
        background: What was found of the background; None where that was not asked.
        unlearned: Arms with a run that is right no more often than by chance.
        seed: Of the resampling.

    Returns:
        Of each other arm how it rests on the background, where that is known, and how it classifies beside the
        reference; with two pairs of runs of equal seeds also what training again would give.
    """
    percent = {arm: 100 * columns[f"{arm}/accuracy"] for arm in arms}
    found: list[Contrast] = []
    for arm in arms[1:]:
        found += contrasts(
            {f"{one}/right": percent[one] for one in (arm, arms[0])}.__getitem__,
            {arm: arm},
            "right",
            baselines={arms[0]: arms[0]},
            question=_QUESTION,
            seed=seed,
        )
    told = answer(_QUESTION, found)
    resting_first = [one["short"] for one in background.verdicts] if background else []
    again = [_again(arm, arms[0], runs) for arm in arms[1:]]
    nothing = [
        f"{arm} has learned nothing: it is right no more often than by chance, and nothing follows from its maps."
        for arm in unlearned
    ]
    sentences = (*nothing, *resting_first, *told.sentences, *(one for one in again if one))
    return replace(told, sentences=sentences, title="How well each classifies")


def resting(arm: str, reference: str, found: Judgement, *, before: Interval, delta: float) -> str:
    """How an arm rests on the background, in one sentence.

    Args:
        arm: Its name.
        reference: Name of the first arm.
        found: What became of the arm.
        before: The reference's largest gap.
        delta: Gap that matters.

    Returns:
        The sentence; of no change it says whether there is none or whether it cannot be told.
    """
    if found.word != "no change":
        opening = f"{arm} {_CLAIMS[found.word].format(reference)}"
    elif max(found.change.high, -found.change.low) < delta:
        opening = f"{arm} rests neither more nor less on the background than {reference}"
    else:
        opening = f"{CANNOT_TELL.capitalize()} whether {arm} rests less on the background than {reference}"
    mine, theirs = (number(100 * one.mean) for one in (found.largest, before))
    change = in_words(_percent(found.change))
    return (
        f"{opening}: {mine} points of accuracy are lost on other classes' backgrounds against {theirs}, difference "
        f"{change}, {amount(found.change.images, 'image')}."
    )


def _percent(one: Interval) -> Interval:
    """In points."""
    return Interval(100 * one.mean, 100 * one.low, 100 * one.high, one.level, one.images)


def _again(arm: str, reference: str, runs: Mapping[str, Mapping[int, float]]) -> str:
    """What other seeds would give; empty where fewer than two pairs of runs have equal seeds."""
    mine, theirs = runs.get(arm, {}), runs.get(reference, {})
    seeds = sorted(mine.keys() & theirs.keys())
    if len(seeds) < 2:
        return ""
    gap = seeds_difference(
        *(torch.tensor([100 * one[seed] for seed in seeds]) for one in (mine, theirs))
    )
    return (
        f"Training {arm} and {reference} again would give a difference in accuracy of {in_words(gap)} points, by "
        f"{amount(len(seeds), 'pair')} of runs."
    )
