"""What a page of maps leads with: whether the methods mark the same place, and how sure the network is."""

__all__ = ["Agreement"]

from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from figureground.base.amount import amount
from figureground.metrics.localisation.box_accuracy import iou
from figureground.studies.answers import Answer, listed

_SAME = 0.5  # overlap of two boxes that are one place
_SURE = 0.5  # probability


class Agreement:
    """Reads the entries of a job one by one.

    Two maps mark the same place where their largest boxes overlap by half or more (intersection over union). Of several
    classes the most probable one counts, and maps of no class are compared with its maps.
    """

    def __init__(self) -> None:
        self._methods: dict[str, None] = {}
        self._lowest: list[tuple[float, tuple[str, str], str]] = []
        self._first: list[tuple[float, str, str]] = []
        self._several = False

    def see(self, entry: dict[str, Any]) -> None:
        """One image.

        Args:
            entry: Its line in ``entries.jsonl``.
        """
        name = Path(entry["image"]).name
        best = next(iter(entry["predictions"]), None)
        if best is not None and best["score"] is not None:  # logits that are not finite have none
            self._first.append((float(best["score"]), str(best["name"]), name))
        classes = entry["classes"]
        first = max(range(len(classes)), key=lambda at: classes[at]["score"] or 0.0, default=0)
        self._several |= len(classes) > 1
        marked = [
            one
            for one in entry["panels"]
            if one["boxes"] and not one["problem"] and one["class"] in {None, first}
        ]
        pairs = [
            (_overlap(one["boxes"][0], other["boxes"][0]), (one["method"], other["method"]))
            for one, other in combinations(marked, 2)
            if one["method"] != other["method"]
        ]
        if pairs:
            self._methods |= dict.fromkeys(word for _, pair in pairs for word in pair)
            self._lowest.append((*min(pairs), name))

    def answer(self) -> Answer | None:
        """The sentences; None where there is nothing to say."""
        found = [*self._places(), *self._sureness()]
        rule = (
            "Two maps mark the same place where their boxes overlap by half or more (intersection over union). A map "
            "says what an output was read from, not whether that is right: 'evaluate localisation' measures it."
        )
        return Answer(tuple(found), rule=rule) if found else None

    def _places(self) -> list[str]:
        if not self._lowest:
            return []
        lowest, (one, other), name = min(self._lowest)
        same = sum(overlap >= _SAME for overlap, *_ in self._lowest)
        how = f"{100 * lowest:.0f}\N{NO-BREAK SPACE}%"
        which = " for the most probable of the classes" if self._several else ""
        who = f"The maps of {listed(list(self._methods))}{which}"
        if len(self._lowest) == 1:
            places = "the same place" if same else "different places"
            return [
                f"{who} mark {places} on {name}: the boxes of {one} and {other} overlap by {how}."
            ]
        images = _of(same, len(self._lowest))
        more = (
            f"{who} mark the same place on {images}; they differ most on {name}, where the boxes of {one} and {other} "
            f"overlap by {how}."
        )
        return [more]

    def _sureness(self) -> list[str]:
        if not self._first:
            return []
        score, label, name = min(self._first)
        share = f"{100 * score:.0f}\N{NO-BREAK SPACE}%"
        if len(self._first) == 1:
            return [
                f"The network's first answer for {name} is {label}, with a probability of {share}."
            ]
        sure = sum(one >= _SURE for one, *_ in self._first)
        said = (
            f"The network gives its first answer half of the probability or more on "
            f"{_of(sure, len(self._first))}, and least on {name} ({label}, {share})."
        )
        return [said]


def _of(some: int, every: int) -> str:
    return (
        f"all {amount(every, 'image')}" if some == every else f"{some} of {amount(every, 'image')}"
    )


def _overlap(one: list[float], other: list[float]) -> float:
    return float(iou(torch.tensor([one]).float(), torch.tensor([other]).float())[0, 0])
