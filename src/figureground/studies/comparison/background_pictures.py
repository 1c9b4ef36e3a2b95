"""The same objects on the same foreign backgrounds, with the answers of every arm."""

__all__ = ["draw_pairs"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from figureground.base.seeds import generator
from figureground.metrics.reliance import composite
from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.crossed_arms import CrossedArms, CrossedRun, Scenery
from figureground.studies.diagnosis.pictures import picture

_SIDE = 128
_TITLES = {
    "outer": "on a background of {}, cut widely",
    "given": "cut as annotated",
    "inner": "cut tightly",
}


def draw_pairs(
    crossed: CrossedArms, arms: Sequence[Arm], *, count: int, seed: int
) -> tuple[dict[str, Any], ...]:
    """Some images as they are and on a background of another class, cut along the three masks.

    Half of them are drawn at random, the others from those on whose composites the first runs of the arms disagree.

    Args:
        crossed: The answers.
        arms: The arms.
        count: How many images.
        seed: Of the drawing.

    Returns:
        ``name``, ``label``, ``why``, ``pictures`` (title and ``data:`` address) and ``answers`` (arm -> answer and
        whether it is right, a picture each) of every image.
    """
    key, scenery = next(iter(crossed.scenery.items()))
    firsts = {name: by_key[key][0] for name, by_key in crossed.arms.items()}
    front, back = scenery.pairs.classes(scenery.labels)
    best = torch.stack(
        [torch.stack([one.best[mask] for mask in _TITLES]) for one in firsts.values()]
    )
    disputed = (best != best[0]).any(0).any(0)
    order = torch.randperm(len(front), generator=generator(seed))
    order = order[front[order] != back[order]]
    few = order[disputed[order]][: count // 2].tolist()
    drawn = [(pair, "the arms disagree") for pair in few]
    drawn += [(pair, "drawn at random") for pair in order.tolist() if pair not in few]
    names = arms[0].runs[0].class_names
    return tuple(
        _strip(scenery, firsts, pair, names=names) | {"why": why}
        for pair, why in _of_other_images(drawn, scenery)[:count]
    )


def _of_other_images(drawn: list[tuple[int, str]], scenery: Scenery) -> list[tuple[int, str]]:
    """No image twice."""
    seen: dict[int, tuple[int, str]] = {}
    for one in drawn:
        seen.setdefault(int(scenery.pairs.foreground[one[0]]), one)
    return list(seen.values())


def _strip(
    scenery: Scenery, firsts: dict[str, CrossedRun], pair: int, *, names: Sequence[str]
) -> dict[str, Any]:
    """One image."""
    scenes, rows = next(iter(scenery.scenes.values()))
    image, donor = (
        int(ends[pair]) for ends in (scenery.pairs.foreground, scenery.pairs.background)
    )
    front, back = rows[image : image + 1], rows[donor : donor + 1]
    label, other = int(scenery.labels[image]), names[int(scenery.labels[donor])]
    shown: list[tuple[str, Tensor]] = [("as it is", scenes.images(front))]
    for mask, title in _TITLES.items():
        cut, behind = scenes.objects(front, mask), scenes.without_objects(back, mask)
        shown.append((title.format(other), composite(shown[0][1], cut, behind)))
    answers = {
        arm: [int(one.alone[image]), *(int(one.best[mask][pair]) for mask in _TITLES)]
        for arm, one in firsts.items()
    }
    return {
        "name": scenery.names[image],
        "label": names[label],
        "pictures": [{"title": title, "picture": picture(one, _SIDE)} for title, one in shown],
        "answers": {
            arm: [{"answer": names[each], "right": each == label} for each in told]
            for arm, told in answers.items()
        },
    }
