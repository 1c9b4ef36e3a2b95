"""Side by side: what each arm looks at for the true class, and the concepts it sees, as the paper lays them out."""

__all__ = ["Sheet", "example_sheet"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from figureground.base.errors import HeadError
from figureground.base.seeds import generator
from figureground.maps import overlay
from figureground.maps.concepts import concept_colours, concept_panel
from figureground.maps.image_files import enlarged, thumbnail
from figureground.methods import CamMethod, Explainer, Explanation, find_methods
from figureground.methods.dff import Concepts, DeepFeatureFactorization
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.options import Example
from figureground.studies.comparison.predictions import Prediction, Predictions
from figureground.studies.evaluation.tables import table

_LEAST = 160  # pixels of a shown image's shorter side
_THUMBNAIL, _GAP, _HEAD = 200, 6, 18
_FALLBACK = "grad-cam"
_CONCEPTS = "Of the factorized features of the examples: share of the energy of concepts of the background class."

Cells = dict[str, UInt8[np.ndarray, "N H W 3"]]


@dataclass(frozen=True, eq=False)
class Sheet:
    """All examples.

    Args:
        examples: One per image.
        concepts: Arm -> colour and description of each of its concepts.
        tables: Share of the concepts' energy whose best class is the background, for arms with one.
        notes: What the reader must know.
        picture: All examples below one another.
    """

    examples: tuple[Example, ...] = ()
    concepts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    tables: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    picture: UInt8[np.ndarray, "H W 3"] | None = None


def example_sheet(
    predictions: Predictions, images: HeldOut, method: CamMethod, *, count: int, seed: int = 0
) -> Sheet:
    """Maps and concepts of the first run of each arm for some test images.

    Half of the images are drawn at random, the others from those on which the arms disagree.

    Args:
        predictions: Arm -> predictions of its runs.
        images: The test images.
        method: Makes the maps of the true class.
        count: How many images.
        seed: Of the drawing and of the factorization.

    Returns:
        The examples; columns are the input, the map of each arm, and the concepts of each arm.
    """
    reference = next(iter(predictions.values()))[0]
    firsts = {
        arm: next(one for one in given if one.key == reference.key)
        for arm, given in predictions.items()
    }
    rows, disagreements = _chosen(firsts, count, seed)
    labels = reference.labels[rows]
    columns: Cells = {"input": _input(_seen(reference, images, rows))}
    concepts, shares, notes, panels = {}, [], [], {}
    for arm, one in firsts.items():
        told, used = _explained(one, _seen(one, images, rows), labels, method=method, seed=seed)
        if used != method.name:
            notes.append(f"examples of {arm} show {used}: its head does not let {method.name} work")
        large = enlarged(told.images, _LEAST)
        columns[f"{arm} · {used}"] = overlay(large, told.map_of(used)[:, 0]).cpu().numpy()
        panels[f"{arm} · concepts"] = concept_panel(large, told.map_of("dff")).cpu().numpy()
        concepts[arm] = _legend(next(iter(told.concepts.values())), one)
        if one.run.has_background:
            shares.append([arm, _background_share(told, one.run.num_classes)])
    columns |= panels
    examples = tuple(
        _example(number, firsts, columns, at=at, disputed=number in disagreements)
        for at, number in enumerate(rows.tolist())
    )
    shown = table("Concepts", ["arm", "background's share"], shares, caption=_CONCEPTS)
    return Sheet(examples, concepts, (shown,) if shares else (), tuple(notes), _joined(columns))


def _seen(one: Prediction, images: HeldOut, rows: Tensor) -> Tensor:
    """Images as a run's network takes them, in [0, 1], on its device."""
    seen = images.of(one.run).view(one.run.classifier.preprocessing)
    return (seen.pixels[rows].float() / 255).to(one.run.device)


def _chosen(firsts: Mapping[str, Prediction], count: int, seed: int) -> tuple[Tensor, set[int]]:
    """Rows to show, and which of them are there because the arms disagree."""
    guesses = torch.stack([one.known.argmax(1) for one in firsts.values()])
    order = torch.randperm(guesses.shape[1], generator=generator(seed)).tolist()
    differ = (guesses != guesses[0]).any(0)
    drawn = order[: count - count // 2]
    disputed = [row for row in order if bool(differ[row]) and row not in drawn][: count // 2]
    fill = [row for row in order if row not in drawn and row not in disputed]
    drawn = drawn + fill[: max(0, count - len(drawn) - len(disputed))]
    return torch.tensor([*drawn, *disputed]), set(disputed)


def _explained(
    one: Prediction, images: Tensor, labels: Tensor, *, method: CamMethod, seed: int
) -> tuple[Explanation, str]:
    """Maps and concepts, and the method that made the maps."""
    there, concepts = labels.to(images.device), DeepFeatureFactorization(seed=seed)
    explainer = Explainer(one.run.classifier)
    try:
        return explainer(images, there, [method, concepts]), method.name
    except HeadError:
        other = find_methods(_FALLBACK)[_FALLBACK]
        return explainer(images, there, [other, concepts]), _FALLBACK


def _input(images: Tensor) -> np.ndarray:
    colour = enlarged(images, _LEAST).expand(-1, 3, -1, -1).mul(255).round().byte()
    return colour.permute(0, 2, 3, 1).cpu().numpy()


def _legend(found: Concepts, one: Prediction) -> list[tuple[str, str]]:
    """Colour and best class of each concept, with its share of the energy."""
    colours = concept_colours(len(found.energy))
    if found.logits is None:
        return [(colour, "") for colour in colours]
    best = found.logits.softmax(1).max(1)
    names = [one.run.classifier.class_name(index) for index in best.indices.tolist()]
    told = zip(colours, names, best.values.tolist(), found.energy.tolist(), strict=True)
    return [
        (colour, f"{name} {share:.0%}, {energy:.0%} of the energy")
        for colour, name, share, energy in told
    ]


def _background_share(told: Explanation, num_classes: int) -> float:
    found = next(iter(told.concepts.values()))
    if found.logits is None:
        return float("nan")
    return round(float(found.energy[found.logits.argmax(1) == num_classes].sum()), 4)


def _example(
    number: int, firsts: Mapping[str, Prediction], columns: Cells, *, at: int, disputed: bool
) -> Example:
    first = next(iter(firsts.values()))
    names = first.run.class_names
    return Example(
        number,
        names[int(first.labels[number])],
        "disagreement" if disputed else "drawn",
        {arm: names[int(one.known[number].argmax())] for arm, one in firsts.items()},
        tuple(
            {"title": title, "picture": thumbnail(cells[at], _THUMBNAIL)}
            for title, cells in columns.items()
        ),
    )


def _joined(columns: Cells) -> UInt8[np.ndarray, "height width 3"]:
    """All examples below one another on white, the titles of the columns above."""
    widths = [cells.shape[2] for cells in columns.values()]
    height, count = (
        max(cells.shape[1] for cells in columns.values()),
        len(next(iter(columns.values()))),
    )
    size = (sum(widths) + _GAP * (len(widths) - 1), _HEAD + (height + _GAP) * count)
    canvas = Image.new("RGB", size, "white")
    pen, left = ImageDraw.Draw(canvas), 0
    for (title, cells), width in zip(columns.items(), widths, strict=True):
        pen.text((left + 2, 3), _shortened(pen, title, width - 4), fill="black")
        for at, cell in enumerate(cells):
            canvas.paste(Image.fromarray(cell), (left, _HEAD + at * (height + _GAP)))
        left += width + _GAP
    return np.array(canvas)


def _shortened(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """As much of a title as fits; the font has no letters beyond Latin-1."""
    plain = text.encode("latin-1", "replace").decode("latin-1")
    while plain and pen.textlength(plain) > width:
        plain = plain[:-1]
    return plain
