"""Side by side: what each arm looks at for the true class, and the concepts it sees, as the paper lays them out."""

__all__ = ["PictureRow", "Sheet", "picture_sheet"]

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from figureground.base.errors import HeadError
from figureground.base.seeds import generator
from figureground.maps import overlay
from figureground.methods import CamMethod, Explainer, Explanation, find_methods
from figureground.methods.dff import Concepts, DeepFeatureFactorization
from figureground.studies.comparison.answers import Answer, Answers
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.concepts import concept_colours, concept_panel
from figureground.studies.pictures import enlarged

_LEAST = 160  # pixels of a shown picture's shorter side
_FALLBACK = "grad-cam"


@dataclass(frozen=True, eq=False)
class PictureRow:
    """One test picture.

    Args:
        number: Its position among the test pictures.
        label: Its true class.
        why: ``drawn``, or ``disagreement`` of the arms.
        predicted: Arm -> its best known class.
        cells: Title -> picture, in the order of the columns.
    """

    number: int
    label: str
    why: str
    predicted: dict[str, str]
    cells: dict[str, UInt8[np.ndarray, "H W 3"]]


@dataclass(frozen=True, eq=False)
class Sheet:
    """All of them.

    Args:
        rows: One per picture.
        concepts: Arm -> colour and words of each of its concepts.
        background_share: Arm -> share of the concepts' energy whose best class is the background; for arms with one.
        notes: What the reader must know.
    """

    rows: tuple[PictureRow, ...]
    concepts: dict[str, list[tuple[str, str]]]
    background_share: dict[str, float]
    notes: tuple[str, ...] = ()


def picture_sheet(
    answers: Answers, pictures: HeldOut, method: CamMethod, *, count: int, seed: int = 0
) -> Sheet:
    """Maps and concepts of the first run of each arm for some test pictures.

    Half of the pictures are drawn at random, the others from those on which the arms disagree.

    Args:
        answers: Arm -> answers of its runs.
        pictures: The test pictures.
        method: Makes the maps of the true class.
        count: How many pictures.
        seed: Of the drawing and of the factorization.

    Returns:
        The rows; columns are the input, the map of each arm, and the concepts of each arm.
    """
    reference = next(iter(answers.values()))[0]
    chosen = {
        arm: next(one for one in given if one.key == reference.key)
        for arm, given in answers.items()
    }
    rows, disagreements = _chosen(chosen, count, seed)
    shown = _Shown(pictures, rows, reference.labels[rows])
    columns, concepts, shares = {"input": _inputs(shown, reference)}, {}, {}
    notes: list[str] = []
    explained: dict[str, Explanation] = {}
    for arm, one in chosen.items():
        explained[arm], used = _explained(one, shown, method, seed=seed)
        if used != method.name:
            notes.append(f"pictures of {arm} show {used}: its head does not let {method.name} work")
        columns[f"{arm} · {used}"] = _overlaid(explained[arm], used)
    for arm, one in chosen.items():
        found = next(iter(explained[arm].concepts.values()))
        columns[f"{arm} · concepts"] = _concepts(explained[arm])
        concepts[arm] = _legend(found, one)
        if one.run.has_background:
            shares[arm] = _background_share(found, one.run.num_classes)
    made = [
        _row(
            number,
            chosen,
            why="disagreement" if number in disagreements else "drawn",
            cells={title: column[at] for title, column in columns.items()},
        )
        for at, number in enumerate(rows.tolist())
    ]
    return Sheet(tuple(made), concepts, shares, tuple(notes))


@dataclass(frozen=True, eq=False)
class _Shown:
    """Which pictures."""

    pictures: HeldOut
    rows: Tensor
    labels: Tensor

    def of(self, one: Answer) -> Tensor:
        """As a run's network takes them, in [0, 1]."""
        seen = self.pictures.of(one.run).view(one.run.classifier.preprocessing)
        return seen.pixels[self.rows].float() / 255


def _chosen(chosen: Mapping[str, Answer], count: int, seed: int) -> tuple[Tensor, set[int]]:
    """Rows to show, and which of them are there because the arms disagree."""
    guesses = torch.stack([one.known.argmax(1) for one in chosen.values()])
    order = torch.randperm(guesses.shape[1], generator=generator(seed)).tolist()
    differ = (guesses != guesses[0]).any(0)
    drawn = order[: count - count // 2]
    disputed = [row for row in order if bool(differ[row]) and row not in drawn][: count // 2]
    fill = [row for row in order if row not in drawn and row not in disputed]
    drawn = drawn + fill[: max(0, count - len(drawn) - len(disputed))]
    return torch.tensor([*drawn, *disputed]), set(disputed)


def _explained(
    one: Answer, shown: _Shown, method: CamMethod, *, seed: int
) -> tuple[Explanation, str]:
    """Maps and concepts, and the method that made the maps."""
    images = shown.of(one).to(one.run.device)
    labels, concepts = shown.labels.to(one.run.device), DeepFeatureFactorization(seed=seed)
    explainer = Explainer(one.run.classifier)
    try:
        return explainer(images, labels, [method, concepts]), method.name
    except HeadError:
        other = find_methods(_FALLBACK)[_FALLBACK]
        return explainer(images, labels, [other, concepts]), _FALLBACK


def _inputs(shown: _Shown, reference: Answer) -> np.ndarray:
    images = enlarged(shown.of(reference), _LEAST)
    colour = images.expand(-1, 3, -1, -1).mul(255).round().byte()
    return colour.permute(0, 2, 3, 1).numpy()


def _overlaid(explanation: Explanation, method: str) -> np.ndarray:
    maps = explanation.map_of(method)[:, 0]
    return overlay(enlarged(explanation.images, _LEAST), maps).cpu().numpy()


def _concepts(explanation: Explanation) -> np.ndarray:
    images = enlarged(explanation.images, _LEAST)
    return concept_panel(images, explanation.map_of("dff")).cpu().numpy()


def _legend(found: Concepts, one: Answer) -> list[tuple[str, str]]:
    """Colour and best class of each concept, with its share of the energy."""
    colours = concept_colours(len(found.energy))
    if found.logits is None:
        return [(colour, "") for colour in colours]
    best = found.logits.softmax(1).max(1)
    names = [one.run.classifier.class_name(index) for index in best.indices.tolist()]
    return [
        (colour, f"{name} {share:.0%}, {energy:.0%} of the energy")
        for colour, name, share, energy in zip(
            colours, names, best.values.tolist(), found.energy.tolist(), strict=True
        )
    ]


def _background_share(found: Concepts, num_classes: int) -> float:
    if found.logits is None:
        return float("nan")
    return float(found.energy[found.logits.argmax(1) == num_classes].sum())


def _row(
    number: int,
    chosen: Mapping[str, Answer],
    *,
    why: str,
    cells: dict[str, UInt8[np.ndarray, "H W 3"]],
) -> PictureRow:
    first = next(iter(chosen.values()))
    names = first.run.class_names
    predicted = {arm: names[int(one.known[number].argmax())] for arm, one in chosen.items()}
    return PictureRow(number, names[int(first.labels[number])], why, predicted, cells)
