"""ADCC: one number out of average drop, coherency and complexity."""

__all__ = ["AdccScores", "adcc", "coherency", "complexity"]

from dataclasses import dataclass

import torch

from figureground.base.checking import checked
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.drop import masked_confidence
from figureground.metrics.faithfulness.relevance import is_blank, on_pixels, soft_masks
from figureground.metrics.faithfulness.scoring import PLAIN, Explain, PerImage, Score, Scoring
from figureground.metrics.faithfulness.similarity import pearson


@dataclass(frozen=True)
class AdccScores:
    """The three parts of ADCC, each in [0, 1]; NaN where a map is blank.

    Args:
        coherency: ``(N,)``; higher is better.
        complexity: ``(N,)``; lower is better.
        drop: ``(N,)``; lower is better.
    """

    coherency: PerImage
    complexity: PerImage
    drop: PerImage

    @property
    def adcc(self) -> PerImage:
        """``3 / (1/coherency + 1/(1 - complexity) + 1/(1 - drop))``; 0 where a part is worst."""
        parts = torch.stack([self.coherency, 1 - self.complexity, 1 - self.drop])
        return 3 / (1 / parts.clamp_min(0)).sum(0)


@checked
def coherency(explain: Explain, images: Images, maps: Maps, *, classes: Labels) -> PerImage:
    """Whether the explanation of the image seen through its map is the same map again.

    ``(1 + r) / 2`` with r the Pearson correlation of the map and of the map of image x mask, at image
    size. In [0, 1]; higher is better.

    Args:
        explain: Makes the maps; of the same method as ``maps``.
        images: ``(N, C, H, W)`` in [0, 1].
        maps: ``(N, h, w)``.
        classes: ``(N,)``, the class that ``maps`` explain.

    Returns:
        ``(N,)``; NaN where one of the two maps is blank.

    References:
        Poppi et al. (2021), Revisiting the evaluation of class activation mapping for
        explainability: a novel metric and experimental analysis, arXiv:2104.10252.
    """
    again = explain(images * soft_masks(maps, images)[:, None], classes)
    found = (1 + pearson(on_pixels(maps, images), on_pixels(again, images))) / 2
    return found.masked_fill((is_blank(maps) | is_blank(again)).to(found.device), torch.nan)


@checked
def complexity(maps: Maps) -> PerImage:
    """Mean of the min-max normalised map: how much of the image it takes to explain.

    Args:
        maps: ``(N, h, w)``, at the size they shall be judged at.

    Returns:
        ``(N,)`` in [0, 1], lower is better; NaN for a blank map.

    References:
        Poppi et al. (2021), arXiv:2104.10252 (the L1 norm of the map, divided by its positions).

    Examples:
        >>> complexity(torch.tensor([[[0.0, 0.0], [0.0, 8.0]]])).tolist()
        [0.25]
    """
    like = maps.new_empty(len(maps), 1, *maps.shape[-2:])
    return soft_masks(maps, like).mean((1, 2)).masked_fill(is_blank(maps), torch.nan)


@checked
def adcc(
    score: Score,
    images: Images,
    maps: Maps,
    *,
    explain: Explain,
    classes: Labels | None = None,
    scoring: Scoring = PLAIN,
) -> AdccScores:
    """Coherency, complexity and drop of every image; ``.adcc`` is their harmonic mean.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)`` in [0, 1].
        maps: ``(N, h, w)``.
        explain: Makes the maps; of the same method as ``maps``.
        classes: ``(N,)``; the predicted ones where omitted.
        scoring: How to ask.

    Returns:
        The three parts.

    References:
        Poppi et al. (2021), eq. 5, arXiv:2104.10252.
    """
    seen = masked_confidence(score, images, maps, classes=classes, scoring=scoring)
    return AdccScores(
        coherency(explain, images, maps, classes=seen.classes),
        complexity(on_pixels(maps, images)).masked_fill(seen.masked.isnan(), torch.nan),
        seen.drop,
    )
