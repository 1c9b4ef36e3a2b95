"""ROAD: remove and debias; a class's probability without its most or least relevant pixels."""

__all__ = [
    "DECILES",
    "Removal",
    "RoadScores",
    "road",
]

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.imputation import linear_imputation
from figureground.metrics.faithfulness.relevance import is_blank, pixel_ranks
from figureground.metrics.faithfulness.scoring import (
    PLAIN,
    PerImage,
    Score,
    Scoring,
    class_probabilities,
    clean_pass,
)


@dataclass(frozen=True)
class Removal:
    """How pixels are removed.

    Args:
        fractions: Shares of the pixels to remove, each in (0, 1).
        noise: Standard deviation of the noise on filled pixels, in pixel values; it hides the shape
            of the mask from the classifier.
        seed: Of that noise. One field per image serves all fractions and both orders, so that they
            differ in what was removed only, and no number depends on the batch size.
        tolerance: Of ``linear_imputation``.

    Raises:
        OptionError: No fraction, one outside (0, 1), or negative noise.
    """

    fractions: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    noise: float = 0.01
    seed: int = 0
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        if not self.fractions or not all(0 < fraction < 1 for fraction in self.fractions):
            raise OptionError(f"fractions must lie between 0 and 1, not {self.fractions}")
        if self.noise < 0:
            raise OptionError(f"noise must not be negative, not {self.noise}")


DECILES = Removal()


@dataclass(frozen=True)
class RoadScores:
    """Probabilities of the class after removal, P fractions.

    Args:
        clean: ``(N,)``, of the untouched image.
        morf: ``(N, P)``, most relevant pixels removed first; low is good. NaN for a blank map.
        lerf: ``(N, P)``, least relevant pixels removed first; high is good. NaN for a blank map.
    """

    clean: PerImage
    morf: Float[Tensor, "N P"]
    lerf: Float[Tensor, "N P"]

    @property
    def combined(self) -> PerImage:
        """``(lerf - morf) / 2``, mean over the fractions; in [-0.5, 0.5], higher is better.

        The combination is that of Gildenblat's pytorch-grad-cam (``ROADCombined``).
        """
        return ((self.lerf - self.morf) / 2).mean(1)


@checked
def road(
    score: Score,
    images: Images,
    maps: Maps,
    *,
    classes: Labels | None = None,
    removal: Removal = DECILES,
    scoring: Scoring = PLAIN,
) -> RoadScores:
    """Both orders at every fraction, in ``2 * N * P`` imputed images that exist batch by batch.

    Removed pixels are filled by ``linear_imputation`` plus noise, so that neither a hole nor its
    outline tells the classifier what was there.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)`` in [0, 1].
        maps: ``(N, h, w)``, any scale: only the order of the pixels counts.
        classes: ``(N,)``; the predicted ones where omitted.
        removal: How pixels are removed.
        scoring: How to ask.

    Returns:
        The probabilities.

    References:
        Rong et al. (2022), A consistent and efficient evaluation strategy for attribution methods,
        arXiv:2202.00449. *Differs:* probability of the class instead of accuracy; noise in pixel
        values; fractions count pixels exactly, equal values in the order of reading.
    """
    asked, clean = clean_pass(score, images, classes=classes, scoring=scoring)
    ranks = pixel_ranks(maps, images)
    builder = _Imputed(images, ranks, _noise(images, removal), removal)
    per_image = 2 * len(removal.fractions)
    found = class_probabilities(
        score, builder, classes=asked.repeat_interleave(per_image), scoring=scoring
    )
    table = found.reshape(len(images), 2, len(removal.fractions))
    table = table.masked_fill(is_blank(maps).to(table.device)[:, None, None], torch.nan)
    return RoadScores(clean, table[:, 0], table[:, 1])


@dataclass(frozen=True)
class _Imputed:
    """Row number -> imputed image; rows run over images, then orders, then fractions."""

    images: Tensor
    ranks: Tensor
    noise: Tensor
    removal: Removal
    counts: Tensor = field(init=False)

    def __post_init__(self) -> None:
        pixels = self.ranks.shape[-2] * self.ranks.shape[-1]
        shares = torch.tensor(self.removal.fractions, device=self.ranks.device)
        # one pixel at least stays, or there is nothing to fill from
        counts = (shares * pixels).round().long().clamp_max(pixels - 1)
        object.__setattr__(self, "counts", counts)

    def __call__(self, rows: Tensor) -> Tensor:
        """The images of these rows."""
        fractions = len(self.counts)
        image, least_first = rows // (2 * fractions), rows // fractions % 2
        count, ranks = self.counts[rows % fractions][:, None, None], self.ranks[image]
        from_end = ranks.shape[-2] * ranks.shape[-1] - 1 - ranks
        removed = torch.where(least_first[:, None, None] == 1, from_end, ranks) < count
        filled = linear_imputation(self.images[image], removed, tolerance=self.removal.tolerance)
        return filled + self.noise[image] * removed[:, None]


def _noise(images: Tensor, removal: Removal) -> Tensor:
    """One field of noise per image."""
    drawn = torch.randn(images.shape, generator=generator(removal.seed))
    return removal.noise * drawn.to(images)
