"""What random parts of the image are worth to the classifier, beside what the map says of them."""

__all__ = ["faithfulness_correlation", "infidelity"]

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.relevance import is_blank, on_pixels
from figureground.metrics.faithfulness.scoring import (
    PLAIN,
    PerImage,
    Score,
    Scoring,
    class_probabilities,
    clean_pass,
)
from figureground.metrics.faithfulness.similarity import pearson

_Sums = Float[Tensor, "N S"]
_Masks = Bool[Tensor, "S H W"]


@checked
def faithfulness_correlation(
    score: Score,
    images: Images,
    maps: Maps,
    *,
    classes: Labels | None = None,
    samples: int = 100,
    pixels: int | None = None,
    seed: int = 0,
    scoring: Scoring = PLAIN,
) -> PerImage:
    """Whether the pixels that a map gives much are those whose loss costs much.

    Scattered pixels are blacked out, ``samples`` times anew. The number is Pearson's correlation of the map's sum over
    them with the drop of the class's probability. The pixels are the same for every image and map.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)`` in [0, 1].
        maps: ``(N, h, w)``, any scale.
        classes: ``(N,)``; the predicted ones where omitted.
        samples: Changed images for each image; at least two.
        pixels: How many are blacked out at a time; as many as an image row has where omitted.
        seed: Of the choice of pixels.
        scoring: How to ask.

    Returns:
        ``(N,)`` in [-1, 1], higher is better; NaN for a blank map, and where no change costs anything.

    Raises:
        OptionError: Fewer than two samples, or not between one pixel and all but one.

    References:
        Bhatt et al. (2020), Evaluating and aggregating feature-based model explanations, IJCAI, arXiv:2005.00631.
    """
    height, width = images.shape[-2:]
    count = width if pixels is None else pixels
    if samples < 2 or not 1 <= count < height * width:
        raise OptionError(
            f"two samples or more of 1 to {height * width - 1} pixels are needed, not {samples} of {count}"
        )
    order = torch.rand(samples, height * width, generator=generator(seed)).argsort(1)
    masks = torch.zeros_like(order, dtype=torch.bool).scatter_(1, order[:, :count], True)  # noqa: FBT003 - torch's form
    masks = masks.view(samples, height, width)
    said, lost = _compared(score, images, maps, masks=masks, classes=classes, scoring=scoring)
    return pearson(said[:, None], lost[:, None])


@checked
def infidelity(
    score: Score,
    images: Images,
    maps: Maps,
    *,
    classes: Labels | None = None,
    samples: int = 100,
    side: int | None = None,
    seed: int = 0,
    scoring: Scoring = PLAIN,
) -> PerImage:
    """How far a map is from telling what the loss of a square of the image costs.

    Squares are blacked out, one at a time, in random places that are the same for every image and map. The number is
    the mean square of ``b · (the map's sum over the square) - (the drop of the class's probability)``, with the ``b``
    that makes it least, as a map of activations is not in units of probability.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)`` in [0, 1].
        maps: ``(N, h, w)``, read as contributions to the class; negative ones count against it.
        classes: ``(N,)``; the predicted ones where omitted.
        samples: Squares for each image; at least two.
        side: Of the square, pixels; a quarter of the image's shorter side where omitted.
        seed: Of the places.
        scoring: How to ask.

    Returns:
        ``(N,)`` in [0, 1], lower is better; NaN for a blank map. At most the mean square of the drops, which a map has
        that says nothing of them: compare methods on the same images only.

    Raises:
        OptionError: Fewer than two samples, or a square that does not fit.

    References:
        Yeh et al. (2019), On the (in)fidelity and sensitivity of explanations, NeurIPS, arXiv:1901.09392, with the
        removal of squares. Equal to captum's with ``normalize`` and ``multiply_by_inputs``.
    """
    height, width = images.shape[-2:]
    edge = max(1, min(height, width) // 4) if side is None else side
    if samples < 2 or not 1 <= edge <= min(height, width):
        raise OptionError(
            f"two samples or more of squares of 1 to {min(height, width)} pixels are needed, not {samples} of {edge}"
        )
    places = torch.rand(samples, 2, generator=generator(seed))
    free = torch.tensor([height - edge + 1, width - edge + 1])
    top, left = (places * free).long().clamp_max(free - 1).unbind(1)
    rows, columns = torch.arange(height), torch.arange(width)
    down = (rows >= top[:, None]) & (rows < top[:, None] + edge)
    across = (columns >= left[:, None]) & (columns < left[:, None] + edge)
    masks = down[:, :, None] & across[:, None]
    said, lost = _compared(score, images, maps, masks=masks, classes=classes, scoring=scoring)
    factor = (said * lost).sum(1) / said.square().sum(1).clamp_min(torch.finfo(said.dtype).tiny)
    return (factor[:, None] * said - lost).square().mean(1).float()


def _compared(
    score: Score,
    images: Images,
    maps: Maps,
    *,
    masks: _Masks,
    classes: Labels | None,
    scoring: Scoring,
) -> tuple[_Sums, _Sums]:
    """What a map says of each mask's pixels, and what their loss costs; both NaN for a blank map."""
    asked, clean = clean_pass(score, images, classes=classes, scoring=scoring)
    hidden, count = masks.to(images.device), len(masks)

    def build(rows: Tensor) -> Tensor:
        return images[rows // count] * ~hidden[rows % count][:, None]

    left = class_probabilities(
        score, build, classes=asked.repeat_interleave(count), scoring=scoring
    )
    said = on_pixels(maps, images).double().flatten(1) @ hidden.flatten(1).double().T
    lost = clean[:, None] - left.view(-1, count)
    blank = is_blank(maps).to(said.device)[:, None]
    return said.masked_fill(blank, torch.nan), lost.double().masked_fill(blank, torch.nan)
