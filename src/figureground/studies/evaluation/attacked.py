"""Maps of attacked images beside those of clean ones, and what is said first of them."""

__all__ = ["kept_under", "lost_under", "similarity"]

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from figureground.metrics.robustness.stability import map_stability
from figureground.studies.answers import Answer, Bar, Question, answer, contrasts
from figureground.studies.evaluation.boxes import FINDS
from figureground.studies.evaluation.subject import MapBatch

_STAYS = Question(
    claim="",
    measure="correlation with the maps of the clean images",
    label="correlation with the map of the clean image; 95 % intervals",
    unit="",
    digits=2,
)
_ATTACKS = {
    "fgsm": "FGSM",
    "pgd": "PGD",
    "deepfool": "DeepFool",
    "deepfool-lts4": "DeepFool LTS4",
    "uniform-noise": "uniform noise",
    "gaussian-noise": "Gaussian noise",
}


def lost_under(
    case: str,
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]],
    names: Mapping[str, str],
    *,
    seed: int,
) -> Answer:
    """The answer about maps of attacked images with boxes.

    Args:
        case: Name of the attack.
        pairs: Row -> hits on the attacked and on the clean images, ``(N,)`` each; NaN without a box.
        names: Row -> its name in words.
        seed: Of the resampling.

    Returns:
        The row that loses least first; the figure shows the changes.
    """
    question = replace(FINDS, claim=f"{FINDS.claim} under {_named(case)}", both_ways=True)
    found = []
    for row, (after, before) in pairs.items():
        one = contrasts(
            {"after/hit": 100 * after, "before/hit": 100 * before}.__getitem__,
            {"after": names[row]},
            "hit",
            baselines={"before": "on clean images"},
            question=question,
            seed=seed,
        )
        found += [each for each in one if each.difference is not None]
    found.sort(key=lambda one: -one.difference.mean if one.difference else 0.0)
    told = answer(question, found, names)
    return replace(
        told,
        title="What the attack changes",
        label=f"change of the {question.label}",
        rows=tuple(
            Bar(one.row, one.difference.mean, one.difference.low, one.difference.high, bar.word)
            for one, bar in zip(found, told.rows, strict=True)
            if one.difference is not None
        ),
        band=Bar("no change", 0.0, 0.0, 0.0),
    )


def kept_under(
    case: str, alike: Mapping[str, Float[np.ndarray, " N"]], names: Mapping[str, str], *, seed: int
) -> Answer:
    """The answer about maps of attacked images without boxes.

    Args:
        case: Name of the attack.
        alike: Row -> correlation of the maps of the attacked with those of the clean images.
        names: Row -> its name in words.
        seed: Of the resampling.

    Returns:
        The row whose maps stay most alike first.
    """
    asked = replace(_STAYS, claim=f"keeps its maps under {_named(case)}")
    columns = {f"{row}/alike": values for row, values in alike.items()}
    found = contrasts(columns.__getitem__, names, "alike", baselines={}, question=asked, seed=seed)
    return answer(asked, found, names)


def _named(case: str) -> str:
    """An attack and its strength in words."""
    name, _, strength = case.partition(" ")
    if len(strength) > len("0.001") and strength.replace(".", "", 1).isdecimal():
        levels = 255 * float(strength)  # of a pixel, as papers give strengths
        strength = f"{levels:.0f}/255" if abs(levels - round(levels)) < 0.01 else strength
    return _ATTACKS.get(name, name) + (f" at {strength}" if strength else "")


def similarity(case: str, clean: MapBatch, attacked: MapBatch) -> dict[str, np.ndarray]:
    """How similar the raw maps of every row are before and after an attack.

    Args:
        case: Name of the attack.
        clean: Maps of some images.
        attacked: Those of the same images under the attack.

    Returns:
        ``case/row/pearson`` and ``case/row/ssim`` -> ``(N,)``.
    """
    found = {row: map_stability(clean.maps[row], attacked.maps[row]) for row in clean.maps}
    return {
        f"{case}/{row}/{key}": getattr(stability, key).cpu().numpy()
        for row, stability in found.items()
        for key in ("pearson", "ssim")
    }
