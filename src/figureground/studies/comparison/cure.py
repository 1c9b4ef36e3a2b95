"""Did a treatment make a network rest less on the background? A word for each arm, from paired bootstrap draws."""

__all__ = ["RULES", "ArmNumbers", "Judgement", "Number", "judge"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.metrics.intervals import Interval
from figureground.metrics.reliance import percentiles

Word = Literal["cured", "better", "only by its own measure", "no change", "worse"]

RULES = (
    "The largest of an arm's three gaps is compared with the largest of the reference's, draw by draw. Cured: it fell "
    "(95 % interval of the difference below 0), the upper end of its own interval lies below {delta}, v10 rose "
    "(interval above 0), and backgrounds of no further class draw other objects to it. Worse: it rose. Only by its own "
    "measure: the gap fell along the mask that the arm was trained with, but along another mask at least half of the "
    "reference's gap is left, and more than {delta}. Better: the largest gap fell. No change: anything else. Accuracy "
    "on the images as they are is reported and not required; maps decide nothing."
)


@dataclass(frozen=True, eq=False)
class Number:
    """A number and its bootstrap draws. Numbers of the same images from equal seeds are paired draw by draw.

    Args:
        value: The number itself.
        draws: One value a draw.
    """

    value: float
    draws: Float[Tensor, " B"]

    def __sub__(self, other: "Number") -> "Number":
        return Number(self.value - other.value, self.draws - other.draws)

    def interval(self, images: int) -> Interval:
        """The number with its 95 % interval.

        Args:
            images: How many it is of.

        Returns:
            Percentiles of the draws.
        """
        return percentiles(self.value, self.draws, images=images)


@dataclass(frozen=True, eq=False)
class ArmNumbers:
    """What was measured of an arm.

    Args:
        name: Of the arm.
        images: How many images.
        gaps: Mask -> gap.
        numbers: ``accuracy`` of originals, ``v11``, ``v10`` and ``pull`` along the annotated mask; ``share`` of
            probabilities, where there is anything to divide.
        found: Classes whose backgrounds draw other objects to them.
        worst: The class that is right least often on other classes' backgrounds, and how often.
        own: Mask along which the arm was trained; None where none was used.
    """

    name: str
    images: int
    gaps: Mapping[str, Number]
    numbers: Mapping[str, Number]
    found: frozenset[int]
    worst: tuple[int, float]
    own: str | None = None

    @property
    def largest(self) -> Number:
        """The largest of the gaps; in each draw the largest of that draw."""
        return Number(
            max(one.value for one in self.gaps.values()),
            torch.stack([one.draws for one in self.gaps.values()]).amax(0),
        )


@dataclass(frozen=True)
class Judgement:
    """What became of an arm.

    Args:
        word: ``cured``, ``better``, ``only by its own measure``, ``no change`` or ``worse``.
        largest: The largest gap that is left.
        change: Of the largest gap, against the reference's.
        v10: Change of the accuracy on other classes' backgrounds.
        accuracy: Change of the accuracy on the images as they are.
        gained: Classes whose backgrounds draw other objects to them, which those of the reference do not.
        left: Masks other than the arm's own along which at least half of the reference's gap is left.
    """

    word: Word
    largest: Interval
    change: Interval
    v10: Interval
    accuracy: Interval
    gained: tuple[int, ...]
    left: tuple[str, ...]


def judge(arm: ArmNumbers, reference: ArmNumbers, *, delta: float) -> Judgement:
    """One of five words.

    The largest of the three gaps counts: a network that was trained on swapped backgrounds may read what background
    there is inside the mask it was trained with, so that its gap vanishes along this mask and stays along a tighter
    one.

    ``cured``: the largest gap fell (interval of the paired difference below 0), its interval ends below ``delta``, v10
    rose (interval of the difference above 0), and no class is found to draw others that was not found before.
    ``worse``: the largest gap rose. ``only by its own measure``: the gap along the arm's own mask fell (interval below
    0), and along another mask the gap that is left is at least half of the reference's and above ``delta``. ``better``:
    the largest gap fell. ``no change``: anything else. The first that holds is taken.

    Args:
        arm: The arm.
        reference: What it is compared with, of the same images and draws.
        delta: Gap that matters.

    Returns:
        The word, and what it rests on.
    """
    largest = arm.largest.interval(arm.images)
    change = (arm.largest - reference.largest).interval(arm.images)
    v10, accuracy = (
        (arm.numbers[name] - reference.numbers[name]).interval(arm.images)
        for name in ("v10", "accuracy")
    )
    gained, left = tuple(sorted(arm.found - reference.found)), _left(arm, reference, delta)
    word: Word = "no change"
    if change.high < 0 and largest.high < delta and v10.low > 0 and not gained:
        word = "cured"
    elif change.low > 0:
        word = "worse"
    elif left:
        word = "only by its own measure"
    elif change.high < 0:
        word = "better"
    return Judgement(word, largest, change, v10, accuracy, gained, left)


def _left(arm: ArmNumbers, reference: ArmNumbers, delta: float) -> tuple[str, ...]:
    """Masks along which at least half of the gap is left although it fell along the arm's own."""
    if arm.own is None:
        return ()
    own = (arm.gaps[arm.own] - reference.gaps[arm.own]).interval(arm.images)
    if not own.high < 0:
        return ()
    return tuple(
        mask
        for mask, gap in arm.gaps.items()
        if mask != arm.own and gap.value > delta and gap.value >= reference.gaps[mask].value / 2
    )
