"""Insertion and deletion: a class's probability while pixels come and go by relevance."""

__all__ = [
    "InsertionDeletionCurves",
    "area_under_curve",
    "insertion_deletion",
]

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.relevance import is_blank, pixel_ranks
from figureground.metrics.faithfulness.scoring import (
    PLAIN,
    PerImage,
    Score,
    Scoring,
    class_probabilities,
    clean_pass,
)
from figureground.metrics.faithfulness.sweep import RISE, Sweep, blurred


@dataclass(frozen=True)
class InsertionDeletionCurves:
    """Both curves of every image.

    Args:
        fractions: ``(S,)``, share of the pixels that are changed, from 0 to 1.
        deletion: ``(N, S)``, probability with that share deleted; NaN for a blank map.
        insertion: ``(N, S)``, probability with that share inserted; NaN for a blank map.
    """

    fractions: Float[Tensor, " S"]
    deletion: Float[Tensor, "N S"]
    insertion: Float[Tensor, "N S"]


@checked
def area_under_curve(
    curves: Float[Tensor, "N S"], fractions: Float[Tensor, " S"] | None = None
) -> PerImage:
    """Trapezoid area of curves over an axis from 0 to 1.

    Args:
        curves: ``(N, S)``, at least two points each.
        fractions: ``(S,)``, where on the axis the points lie; in equal steps where omitted.

    Returns:
        ``(N,)``, in the range of the values.

    Raises:
        ShapeError: A curve of fewer than two points.

    References:
        Petsiuk et al. (2018), RISE, arXiv:1806.07421. *Differs:* with ``fractions`` a short last step counts by its
        width; the authors' code takes all steps for equal.

    Examples:
        >>> area_under_curve(torch.tensor([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])).tolist()
        [0.5, 1.0]
    """
    if curves.shape[1] < 2:
        raise ShapeError(f"an area needs two points at least, not {curves.shape[1]}")
    places = torch.linspace(0, 1, curves.shape[1]) if fractions is None else fractions
    return torch.trapezoid(curves, places.to(curves), dim=1)


@checked
def insertion_deletion(
    score: Score,
    images: Images,
    maps: Maps,
    *,
    classes: Labels | None = None,
    baseline: Float[Tensor, "#N #c #H #W"] | None = None,
    sweep: Sweep = RISE,
    scoring: Scoring = PLAIN,
) -> InsertionDeletionCurves:
    """Both curves of every image; ``area_under_curve`` gives the two numbers that papers report.

    The untouched image, end of one and start of the other, is scored once.

    Deletion takes the most relevant pixels away first: a steep fall (small area) is good. Insertion
    lays them first on the blurred image: a steep rise (large area) is good. Pixels of equal value
    go in the order of reading.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)`` in [0, 1].
        maps: ``(N, h, w)``, any scale: only the order counts.
        classes: ``(N,)``; the predicted ones where omitted.
        baseline: What deletion ends with and insertion starts from, in place of what ``sweep`` says: an image each, or
            of size 1 along any axis, ``torch.zeros(1, 1, 1, 1)`` for black in both.
        sweep: How pixels come and go.
        scoring: How to ask.

    Returns:
        The curves, with ``ceil(H * W / step_pixels) + 1`` points each.

    References:
        Petsiuk et al. (2018), RISE: Randomized Input Sampling for Explanation, sec. 4.3,
        arXiv:1806.07421. *Differs:* deleted pixels become 0 of [0, 1], not 0 after the model's
        normalisation; the last step may hold fewer pixels, and ``fractions`` says so; blur with repeated instead of
        dark borders.

    Examples:
        >>> image = torch.tensor([[[[1.0, 0.0]]]])
        >>> score = lambda x: torch.stack([x[:, 0, 0, 0], 1 - x[:, 0, 0, 0]], 1)
        >>> options = {"sweep": Sweep(step_pixels=1), "scoring": Scoring("probabilities")}
        >>> for one_map in (torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])):
        ...     found = insertion_deletion(score, image, one_map, **options)
        ...     area_under_curve(found.deletion, found.fractions).tolist()
        [0.25]
        [0.75]
    """
    probe = _probe(score, images, maps, classes=classes, sweep=sweep, scoring=scoring)
    if baseline is None:
        emptied, start = torch.full_like(images, sweep.removed_value), blurred(images, sweep=sweep)
    else:
        emptied = start = baseline.to(images).expand_as(images)
    return InsertionDeletionCurves(probe.fractions, probe.deletion(emptied), probe.insertion(start))


@dataclass(frozen=True)
class _Probe:
    """What both curves share: the order of the pixels, the steps and the clean score."""

    score: Score
    images: Tensor
    ranks: Tensor
    counts: Tensor
    classes: Tensor
    clean: Tensor
    blank: Tensor
    scoring: Scoring

    @property
    def fractions(self) -> Tensor:
        return self.counts / self.counts[-1]

    def deletion(self, emptied: Tensor) -> Tensor:
        """From the untouched image (scored already) down to the emptied one."""
        rest = self._sweep(self.images, emptied, self.counts[1:])
        return self._marked(torch.cat([self.clean[:, None], rest], 1))

    def insertion(self, start: Tensor) -> Tensor:
        """From the start up to the untouched image (scored already)."""
        rest = self._sweep(start, self.images, self.counts[:-1])
        return self._marked(torch.cat([rest, self.clean[:, None]], 1))

    def _sweep(self, before: Tensor, after: Tensor, counts: Tensor) -> Tensor:
        """Probabilities with the ``counts`` most relevant pixels of ``before`` from ``after``."""
        steps = len(counts)

        def build(rows: Tensor) -> Tensor:
            image, step = rows // steps, rows % steps
            changed = self.ranks[image] < counts[step][:, None, None]
            return torch.where(changed[:, None], after[image], before[image])

        asked = self.classes.repeat_interleave(steps)
        found = class_probabilities(self.score, build, classes=asked, scoring=self.scoring)
        return found.reshape(-1, steps)

    def _marked(self, curves: Tensor) -> Tensor:
        return curves.masked_fill(self.blank[:, None], torch.nan)


def _probe(
    score: Score,
    images: Tensor,
    maps: Tensor,
    *,
    classes: Tensor | None,
    sweep: Sweep,
    scoring: Scoring,
) -> _Probe:
    """Rank the pixels, score the untouched images, lay out the steps."""
    asked, clean = clean_pass(score, images, classes=classes, scoring=scoring)
    ranks = pixel_ranks(maps, images)
    pixels = images.shape[-2] * images.shape[-1]
    step = sweep.step_pixels or images.shape[-1]
    counts = torch.arange(0, pixels + step, step, device=images.device).clamp_max(pixels)
    blank = is_blank(maps).to(images.device)
    return _Probe(score, images, ranks, counts, asked, clean, blank, scoring)
