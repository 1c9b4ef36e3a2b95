"""Average drop and increase in confidence: the image seen through its map."""

__all__ = [
    "MaskedConfidence",
    "masked_confidence",
]

from dataclasses import dataclass

import torch

from figureground.base.checking import checked
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.relevance import is_blank, soft_masks
from figureground.metrics.faithfulness.scoring import (
    PLAIN,
    PerImage,
    Score,
    Scoring,
    class_probabilities,
    clean_pass,
)


@dataclass(frozen=True)
class MaskedConfidence:
    """How probable a class is with and without the mask; both measures follow from it.

    Means over images are the average drop and the increase in confidence; papers print both x 100.

    Args:
        classes: ``(N,)``, the class asked about.
        clean: ``(N,)``, its probability on the image.
        masked: ``(N,)``, its probability on image x mask; NaN where the map is blank.
    """

    classes: Labels
    clean: PerImage
    masked: PerImage

    @property
    def drop(self) -> PerImage:
        """``max(0, clean - masked) / clean`` per image, in [0, 1]; lower is better."""
        lost = (self.clean - self.masked).clamp_min(0)
        return lost / self.clean.clamp_min(torch.finfo(self.clean.dtype).tiny)

    @property
    def increase(self) -> PerImage:
        """1 where the mask raises the probability, else 0; higher is better."""
        return (self.masked > self.clean).float().masked_fill(self.masked.isnan(), torch.nan)


@checked
def masked_confidence(
    score: Score,
    images: Images,
    maps: Maps,
    *,
    classes: Labels | None = None,
    scoring: Scoring = PLAIN,
) -> MaskedConfidence:
    """Probability of a class on the image and on image x mask; two calls of ``score`` per batch.

    The mask is the map resized bilinearly to the image and min-max normalised. Clamp a signed map
    at zero beforehand if its negative part means "against the class".

    Args:
        score: The classifier.
        images: ``(N, C, H, W)`` in [0, 1]; masked pixels go towards black.
        maps: ``(N, h, w)``.
        classes: ``(N,)``; the predicted ones where omitted.
        scoring: How to ask.

    Returns:
        Both probabilities; ``drop`` and ``increase`` are computed from them.

    References:
        Chattopadhay et al. (2018), Grad-CAM++, sec. 5.1, arXiv:1710.11063.

    Examples:
        >>> images = torch.tensor([[[[0.8, 0.8]]]])
        >>> score = lambda x: torch.cat(
        ...     [x.mean((1, 2, 3))[:, None], 1 - x.mean((1, 2, 3))[:, None]], 1
        ... )
        >>> left = torch.tensor([[[1.0, 0.0]]])
        >>> seen = masked_confidence(score, images, left, scoring=Scoring("probabilities"))
        >>> seen.drop.tolist(), seen.increase.tolist()
        ([0.5], [0.0])
    """
    asked, clean = clean_pass(score, images, classes=classes, scoring=scoring)
    masks = soft_masks(maps, images)[:, None]
    masked = class_probabilities(
        score, lambda rows: images[rows] * masks[rows], classes=asked, scoring=scoring
    )
    return MaskedConfidence(
        asked, clean, masked.masked_fill(is_blank(maps).to(masked.device), torch.nan)
    )
