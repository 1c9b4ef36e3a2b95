"""Random logit: whether the map of another class is another map."""

__all__ = ["random_logit"]

import torch

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.relevance import on_pixels
from figureground.metrics.faithfulness.scoring import Explain, PerImage
from figureground.metrics.faithfulness.similarity import ssim


@checked
def random_logit(
    explain: Explain,
    images: Images,
    maps: Maps,
    *,
    classes: Labels,
    num_classes: int,
    seed: int = 0,
) -> PerImage:
    """Structural similarity of the map of a class with the map of another one, drawn at random.

    Args:
        explain: Makes the maps; of the same method as ``maps``.
        images: ``(N, C, H, W)``.
        maps: ``(N, h, w)``; both maps are compared at image size.
        classes: ``(N,)``, the classes that ``maps`` explain.
        num_classes: How many the classifier has; at least two.
        seed: Of the draw: how many classes on the other one lies, which is the same for all images.

    Returns:
        ``(N,)``, at most 1, lower is better: 1 where the class makes no difference. NaN where a map is blank.

    Raises:
        OptionError: There is no other class.

    References:
        Sixt, Granz & Landgraf (2020), When explanations lie, ICML, arXiv:1912.09818. *Differs:* maps are
        min-max normalised before they are compared.
    """
    if num_classes < 2:
        raise OptionError(f"another class needs two classes at least, not {num_classes}")
    step = int(torch.randint(1, num_classes, (), generator=generator(seed)))
    other = explain(images, (classes + step) % num_classes)
    return ssim(on_pixels(maps, images), on_pixels(other, images))
