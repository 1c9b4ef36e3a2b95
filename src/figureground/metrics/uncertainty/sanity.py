"""Sanity checks: does the map change when what the network has learned is taken away?"""

__all__ = ["SanityCheck", "randomisation_similarity"]

from collections.abc import Mapping

from torch import Tensor

from figureground.base.errors import ShapeError, unknown_option
from figureground.base.shapes import Images, Labels
from figureground.metrics.faithfulness.accumulator import ImageMeans
from figureground.metrics.faithfulness.scoring import Explain, PerImage
from figureground.metrics.faithfulness.similarity import SIMILARITIES, Similarity


def randomisation_similarity(
    explain: Explain,
    randomised: Mapping[str, Explain],
    images: Images,
    *,
    classes: Labels,
    measure: str = "spearman",
) -> dict[str, PerImage]:
    """How alike the maps of a network and of its randomised copies are; high is a failed check.

    Parameter randomisation: ``randomised`` holds explainers of copies whose layers were
    re-initialised, from the last one downwards or one at a time. Label randomisation: it holds the
    explainer of the same network trained on shuffled labels.

    Args:
        explain: Makes maps of the true network; called once.
        randomised: Name -> explainer of a randomised copy; each called once.
        images: ``(N, C, H, W)`` in [0, 1].
        classes: ``(N,)``, the same for all.
        measure: ``pearson``, ``spearman`` or ``ssim``.

    Returns:
        Name -> ``(N,)``; 1 where the maps are the same, NaN where one of them is blank.

    Raises:
        OptionError: An unknown measure.
        ShapeError: Maps of a copy differ in size from those of the network.

    References:
        Adebayo et al. (2018), Sanity checks for saliency maps, sec. 3, arXiv:1810.03292. *Differs:*
        which layers are randomised is the caller's; no HOG similarity.

    Examples:
        >>> import torch
        >>> look = lambda images, classes: images.mean(1)
        >>> invert = lambda images, classes: 1 - images.mean(1)
        >>> image = torch.arange(6.0).reshape(1, 1, 2, 3) / 6
        >>> found = randomisation_similarity(
        ...     look, {"same": look, "inverted": invert}, image, classes=torch.tensor([0])
        ... )
        >>> {name: round(values.item(), 4) for name, values in found.items()}
        {'same': 1.0, 'inverted': -1.0}
    """
    alike = _chosen(measure)
    true_maps = explain(images, classes)
    if len(true_maps) != len(images):
        raise ShapeError(f"explain gave {len(true_maps)} maps for {len(images)} images")
    return {name: alike(true_maps, other(images, classes)) for name, other in randomised.items()}


class SanityCheck(ImageMeans):
    """Mean similarity to every randomised copy over a data set.

    Args:
        explain: Makes maps of the true network.
        randomised: Name -> explainer of a randomised copy.
        measure: ``pearson``, ``spearman`` or ``ssim``.
    """

    def __init__(
        self, explain: Explain, randomised: Mapping[str, Explain], measure: str = "spearman"
    ) -> None:
        super().__init__(tuple(randomised))
        self.explain = explain
        self.randomised = dict(randomised)
        self.measure = measure

    def update(self, images: Tensor, *, classes: Tensor) -> None:
        """Add a batch.

        Args:
            images: ``(N, C, H, W)`` in [0, 1].
            classes: ``(N,)``.
        """
        found = randomisation_similarity(
            self.explain, self.randomised, images, classes=classes, measure=self.measure
        )
        self.accumulate(found)


def _chosen(measure: str) -> Similarity:
    """The similarity of this name, or an error that lists them."""
    if measure not in SIMILARITIES:
        raise unknown_option("similarity", measure, SIMILARITIES)
    return SIMILARITIES[measure]
