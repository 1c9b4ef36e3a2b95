"""Where boxes are missing: screens that decide nothing, and images that only narrow an interval."""

__all__ = [
    "ASSUMED",
    "Assumed",
    "asked_less",
    "needed",
    "screened_record",
    "with_unmarked",
]

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from figureground.base.record import provenance
from figureground.metrics.reliance import prediction_powered_mean
from figureground.studies.diagnosis.crossing import Crossing
from figureground.studies.diagnosis.findings import Findings, ends_of, find
from figureground.studies.diagnosis.options import DiagnoseOptions, DiagnosisRecord, Strip
from figureground.studies.diagnosis.pictures import draw_strips
from figureground.studies.diagnosis.recommendation import Recommendation
from figureground.studies.diagnosis.recording import About
from figureground.studies.diagnosis.scenes import FEWEST, Scenes, is_enough
from figureground.studies.evaluation.tables import table

_WRONG = (
    "On networks of which the truth is known, such estimates were wrong by -0.24 to +0.10 of accuracy, in either "
    "direction, and their intervals held the truth in none of the draws: they decide nothing"
)


@dataclass(frozen=True)
class Assumed:
    """A box in the middle that stands for the object.

    Args:
        name: A word, before the units of its answers.
        title: A few words.
        share: Of both sides.
        fill: How the hole is filled; None as asked.
    """

    name: str
    title: str
    share: float
    fill: str | None = None

    @property
    def prefix(self) -> str:
        """Before the names of its units."""
        return f"{self.name}."


ASSUMED = (
    Assumed("centre", "all but a box in the middle of half the area", 0.5**0.5),
    Assumed("frame", "a frame, the outer tenth of each side", 0.8, "mean"),
)
"""The screens; the first one is also the estimate for images without boxes beside others with them."""


def needed(scenes: Scenes, options: DiagnoseOptions) -> tuple[Assumed, ...]:
    """Which of them are called for.

    Args:
        scenes: The images with boxes.
        options: ``quick`` leaves out the estimate beside a verdict.

    Returns:
        All where the images with boxes are too few for a verdict, and others have none.
    """
    if not scenes.unmarked:
        return ()
    if not is_enough(scenes):
        return ASSUMED
    return () if options.quick else ASSUMED[:1]


def asked_less(options: DiagnoseOptions) -> DiagnoseOptions:
    """What is measured of an estimate: the one mask, few rounds.

    Args:
        options: Of the diagnosis.

    Returns:
        Others.
    """
    return replace(options, quick=True)


def screened_record(
    screens: Mapping[Assumed, Crossing],
    scenes: Scenes,
    about: About,
    *,
    advice: Recommendation,
    options: DiagnoseOptions,
) -> DiagnosisRecord:
    """The record where boxes are missing: it cannot tell.

    Args:
        screens: What the network says of each.
        scenes: The images with boxes, too few.
        about: Model, data, notes.
        advice: What to do.
        options: Of the diagnosis.

    Returns:
        All but the time that it took.
    """
    found = {one: find(crossing, asked_less(options)) for one, crossing in screens.items()}
    count = len(next(iter(screens.values())).scenes)
    held = f"{len(scenes)} of {count} images have" if len(scenes) else f"none of {count} images has"
    return DiagnosisRecord(
        verdict=(
            f"cannot tell: {held} a box or a mask that says where the object is, and a verdict needs {FEWEST} of two "
            "classes at least"
        ),
        word="cannot tell",
        what_if=(),
        numbers={},
        cue="",
        recommendation=advice.sentences,
        recipe="",
        commands=advice.commands,
        strips=_strips(screens, found, about, count=-(-options.examples // len(screens))),
        grids=(),
        cell_picture="",
        classes=(),
        data=about.data,
        images=count,
        model=about.model,
        options=options.description,
        tables=(_screens_table(screens, found),),
        notes=(f"{_WRONG}. Mark boxes on 50 to 100 images.", *about.notes),
        problems=dict(about.problems or {}),
        left_out=about.left_out,
        seconds=0.0,
        provenance=provenance(seeds=(options.seed,)),
    )


def _strips(
    screens: Mapping[Assumed, Crossing],
    found: Mapping[Assumed, Findings],
    about: About,
    *,
    count: int,
) -> tuple[Strip, ...]:
    """So many images of each screen."""
    strips: list[Strip] = []
    for one, crossing in screens.items():
        drawn = draw_strips(
            found[one],
            crossing,
            about.names(crossing),
            model_names=about.class_name,
            count=count,
        )
        told = f"; taken for background: {one.title}"
        strips += [replace(strip, label=f"{strip.label}{told}") for strip in drawn]
    return tuple(strips)


def with_unmarked(
    found: Findings, crossing: Crossing, estimated: Crossing, *, options: DiagnoseOptions
) -> dict[str, Any] | None:
    """The loss of single images, narrowed by the images that have no boxes.

    Args:
        found: Of the images with boxes.
        crossing: Their answers.
        estimated: Answers with a box in the middle of every image, with boxes or not.
        options: Of the diagnosis.

    Returns:
        A table; None where fewer than three images have both numbers.
    """
    guess = find(estimated, asked_less(options)).images.loss.double()
    at = {row: number for number, row in enumerate(estimated.scenes.rows.tolist())}
    measured = found.images.loss.double()
    partner = torch.tensor([at.get(row, -1) for row in crossing.scenes.rows.tolist()])
    known = ~measured.isnan() & (partner >= 0) & ~guess[partner].isnan()
    others = torch.tensor([at[row] for row in crossing.scenes.unmarked if row in at])
    everywhere = guess[others.long()]
    everywhere = everywhere[~everywhere.isnan()]
    if int(known.sum()) < 3 or not len(everywhere):
        return None
    true, same = measured[known], guess[partner[known]]
    nothing = torch.zeros_like(true)
    alone = prediction_powered_mean(true, nothing, nothing)  # which tells nothing: the plain mean
    both = prediction_powered_mean(true, same, everywhere)
    rows = [
        ["images with boxes alone", *ends_of(alone), len(true), 0],
        ["with those that have none", *ends_of(both), len(true), len(everywhere)],
    ]
    caption = (
        "Probability of the true class lost on other classes' backgrounds, mean over images. For images without boxes "
        "it is estimated with a box in the middle of half the area; the estimate is corrected by its error on the "
        "images with boxes (prediction-powered inference), so that it may be wrong. The verdict does not use it."
    )
    columns = ["images", "loss", "from", "to", "measured", "estimated"]
    return table("With the images that have no boxes", columns, rows, caption=caption)


def _screens_table(
    screens: Mapping[Assumed, Crossing], found: Mapping[Assumed, Findings]
) -> dict[str, Any]:
    """Gap and pull of each screen, and whom the network follows where object and background differ in class."""
    rows = []
    for one, crossing in screens.items():
        numbers = found[one].hits["given"].numbers
        own, other, chance = _conflict(crossing)
        cells = [*ends_of(numbers.get("gap")), *ends_of(numbers.get("pull"))]
        rows.append([one.title, *cells, own, other, chance])
    caption = (
        f"{_WRONG}. Gap and pull: accuracy lost on, and answers drawn by, what lies outside the box when it comes from "
        "another class's image. Last: of images put together of two classes, the share answered as the inside's class, "
        "as the outside's, and as the latter by chance. What a frame draws is a lower bound of what backgrounds draw."
    )
    columns = ["taken for background", "gap", "from", "to", "pull", "from ", "to "]
    columns += ["inside's class", "outside's class", "by chance"]
    return table("Screens, which decide nothing", columns, rows, caption=caption)


def _conflict(crossing: Crossing) -> tuple[float, float, float]:
    """Shares of pairs of two classes answered as the first, as the second, and as that by chance."""
    given = crossing.answers["given"]
    front, back = given.pairs.classes(crossing.labels)
    apart = front != back
    own, other = (
        _share(given.best[apart] == crossing.classes[side][apart]) for side in (front, back)
    )
    return own, other, (1 - own) / max(1, len(crossing.classes) - 1)


def _share(right: Tensor) -> float:
    return float(right.double().mean())
