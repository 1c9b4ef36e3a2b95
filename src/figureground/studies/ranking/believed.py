"""What a ranking says first: how many of the first images show what is sought by the network's own probabilities."""

__all__ = ["believed", "believed_of"]

from collections.abc import Sequence

import numpy as np

from figureground.base.amount import amount
from figureground.base.store import Store
from figureground.base.verdicts import CANNOT_TELL
from figureground.studies.answers import FEWEST, Answer, Bar, number
from figureground.studies.ranking.options import Ranked

_NORMAL = 1.959964  # quantile of 97.5 %
_BY = "By the network's own probabilities, which were not checked"
_UNSEEN = "No label was looked at: this is what the network believes, and the images below are there to be checked."


def believed_of(store: Store, top: Sequence[Ranked]) -> Answer:
    """The answer of a ranking.

    Args:
        store: Units with ``best`` and ``probability``.
        top: The first images.

    Returns:
        What ``believed`` says of them.
    """
    total, count = 0.0, 0
    for _, unit in store.parts():
        usable = unit["best"] >= 0
        total += float(unit["probability"][usable].sum())
        count += int(usable.sum())
    return believed(top, images=count, mean=total / max(1, count))


def believed(top: Sequence[Ranked], *, images: int, mean: float) -> Answer:
    """How many of the first images show what is sought, as the network's own probabilities have it.

    Args:
        top: The first images.
        images: How many were scored.
        mean: Mean probability over all of them.

    Returns:
        The mean probability of the first images beside that of all. It has no interval, for nothing was measured; the
        first are said to show no more where independent draws with their probabilities may well come out at the mean
        of all.
    """
    if not top:
        return Answer(("Nothing to tell by: no image could be scored.",))
    shares = np.array([one.probability for one in top], np.float64)
    half = _NORMAL * float((shares * (1 - shares)).sum()) ** 0.5 / len(top)
    middle = float(shares.mean())
    told, base = number(100 * middle, 1, " %"), number(100 * mean, 1, " %")
    if len(top) == images:
        sentence = f"{_BY}, {told} of all images show what is sought, {images:,} in number."
    elif len(top) < FEWEST:
        sentence = (
            f"{CANNOT_TELL.capitalize()} how many of the first images show what is sought: "
            f"{amount(len(top), 'image')} with a mean probability of {told}, "
            f"against {base} of all {images:,}."
        )
    elif middle - half > mean:
        sentence = (
            f"{_BY}, {told} of the first {amount(len(top), 'image')} show what is sought, "
            f"against {base} of all {images:,}."
        )
    else:
        sentence = (
            f"{_BY}, the first {len(top):,} images show what is sought no more often than all {images:,}: {told} "
            f"against {base}."
        )
    return Answer(
        sentences=(sentence, _UNSEEN),
        title="How many images show what is sought, by the network's own probabilities",
        label="mean probability, %; not checked by any label",
        rows=(Bar(f"the first {len(top):,}", 100 * middle),),
        band=Bar(f"all {images:,}", 100 * mean),
        better="higher",
    )
