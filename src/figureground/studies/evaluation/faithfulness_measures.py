"""All faithfulness measures of one method's maps of one batch, and which methods need not be measured twice."""

__all__ = ["FAITHFULNESS_COLUMNS", "Depth", "alike_maps", "faithfulness_of", "random_maps"]

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.adcc import AdccScores, coherency, complexity
from figureground.metrics.faithfulness.curves import area_under_curve, insertion_deletion
from figureground.metrics.faithfulness.drop import masked_confidence
from figureground.metrics.faithfulness.relevance import is_blank, on_pixels, soft_masks
from figureground.metrics.faithfulness.road import Removal, road
from figureground.metrics.faithfulness.scoring import Explain, Score, Scoring
from figureground.metrics.faithfulness.sweep import Sweep
from figureground.studies.evaluation.summaries import Column

_ALIKE = 1e-4

FAITHFULNESS_COLUMNS = (
    Column("insertion", "insertion ↑"),
    Column("deletion", "deletion ↓"),
    Column("average drop", "average drop ↓"),
    Column("increase", "increase ↑"),
    Column("coherency", "coherency ↑"),
    Column("complexity", "complexity ↓"),
    Column("adcc", "ADCC ↑"),
    Column("road", "ROAD ↑"),
)


@dataclass(frozen=True)
class Depth:
    """How finely the pixels come and go; the cost of the study is nearly proportional to both.

    Args:
        steps: Of the insertion and deletion curves. RISE takes one per image row (224).
        fractions: Shares of the pixels that ROAD removes, each in both orders.
        tolerance: Of ROAD's linear system, in pixel values.
        seed: Of ROAD's noise.

    Raises:
        OptionError: Fewer than two steps.
    """

    steps: int = 14
    fractions: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    tolerance: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise OptionError(f"insertion and deletion need at least two steps, not {self.steps}")

    def sweep(self, images: Images) -> Sweep:
        """Steps of equal numbers of pixels.

        Args:
            images: Whose size counts.

        Returns:
            RISE's sweep with these steps.
        """
        pixels = images.shape[-2] * images.shape[-1]
        return Sweep(step_pixels=-(-pixels // self.steps))

    def removal(self) -> Removal:
        """ROAD's removal.

        Returns:
            With these fractions, tolerance and seed.
        """
        return Removal(self.fractions, seed=self.seed, tolerance=self.tolerance)


def faithfulness_of(
    score: Score,
    images: Images,
    maps: Maps,
    *,
    explain: Explain | None,
    classes: Labels,
    asking: tuple[Depth, Scoring],
) -> dict[str, np.ndarray]:
    """Every measure of these maps, image by image.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)`` in [0, 1].
        maps: ``(N, h, w)``; a signed method's clamped at zero beforehand.
        explain: Makes the maps of the same method; without it coherency and ADCC are NaN.
        classes: ``(N,)``, the class that the maps explain.
        asking: How finely, and how to ask the classifier.

    Returns:
        Key -> ``(N,)``; besides ``insertion curve`` and ``deletion curve`` ``(N, S)``, and ``road most`` and
        ``road least`` ``(N, P)``, probabilities with the most or least relevant pixels removed.
    """
    depth, scoring = asking
    curves = insertion_deletion(
        score, images, maps, classes=classes, sweep=depth.sweep(images), scoring=scoring
    )
    seen = masked_confidence(score, images, maps, classes=classes, scoring=scoring)
    removed = road(score, images, maps, classes=classes, removal=depth.removal(), scoring=scoring)
    parts = AdccScores(
        _coherency(explain, images, maps, classes=classes),
        complexity(on_pixels(maps, images)).masked_fill(is_blank(maps), torch.nan),
        seen.drop,
    )
    found = {
        "insertion": area_under_curve(curves.insertion),
        "deletion": area_under_curve(curves.deletion),
        "average drop": seen.drop,
        "increase": seen.increase,
        "coherency": parts.coherency,
        "complexity": parts.complexity,
        "adcc": parts.adcc,
        "road": removed.combined,
        "insertion curve": curves.insertion,
        "deletion curve": curves.deletion,
        "road most": removed.morf,
        "road least": removed.lerf,
    }
    return {key: values.float().cpu().numpy() for key, values in found.items()}


def alike_maps(maps: Mapping[str, Maps], images: Images) -> dict[str, str]:
    """Which methods drew the same maps, scale and offset aside.

    On a network with average pooling and a linear head, CAM, Grad-CAM, HiRes-CAM and others are one
    map; to measure it once saves half of the time.

    Args:
        maps: Method -> ``(N, h, w)``.
        images: Their images.

    Returns:
        Method -> the first method whose min-max normalised maps at image size differ by less than
        1e-4 at every pixel of every image; often itself.

    Examples:
        >>> one = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
        >>> alike_maps({"a": one, "b": 2 * one + 1, "c": -one}, torch.zeros(1, 3, 4, 4))
        {'a': 'a', 'b': 'a', 'c': 'c'}
    """
    masks = {name: soft_masks(stack, images) for name, stack in maps.items()}
    blanks = {name: is_blank(stack).tolist() for name, stack in maps.items()}
    firsts: dict[str, str] = {}
    for name, mask in masks.items():
        equals = (
            other
            for other in dict.fromkeys(firsts.values())
            if blanks[other] == blanks[name] and float((masks[other] - mask).abs().amax()) < _ALIKE
        )
        firsts[name] = next(equals, name)
    return firsts


def random_maps(images: Images, randomness: torch.Generator, *, side: int = 7) -> Maps:
    """Maps of nothing, as smooth as a network's: uniform noise on a coarse grid.

    Args:
        images: Only their number and device count.
        randomness: Where the noise comes from, on the CPU.
        side: Positions along each side of the grid.

    Returns:
        ``(N, side, side)`` in [0, 1).
    """
    return torch.rand(len(images), side, side, generator=randomness).to(images.device)


def _coherency(explain: Explain | None, images: Tensor, maps: Tensor, *, classes: Tensor) -> Tensor:
    if explain is None:
        return torch.full((len(images),), torch.nan, device=images.device)
    return coherency(explain, images, maps, classes=classes)
