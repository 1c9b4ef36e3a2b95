"""Deep feature factorization: the few concepts that a batch of images is made of, each labelled by the classifier."""

__all__ = ["Concepts", "DeepFeatureFactorization", "deep_feature_factorization"]

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from figureground.base.shapes import FeatureMaps, MapsPerClass
from figureground.methods.factorization import factorize
from figureground.methods.method import CamMethod, MethodInputs, MethodResult
from figureground.methods.registry import METHODS


@dataclass(frozen=True)
class Concepts:
    """What a factorization found, shared by all images of the batch.

    Args:
        vectors: ``(k, C)``, each of length one, strongest first.
        energy: ``(k,)`` share of the reconstruction that each carries; sums to one.
        error: Relative Frobenius error of the reconstruction, 0 (exact) to about 1.
        logits: ``(k, L)`` what the classifier says to each concept alone; None where it was not asked.
    """

    vectors: Tensor
    energy: Tensor
    error: float
    logits: Tensor | None = None


def deep_feature_factorization(
    activations: FeatureMaps, *, count: int = 5, iterations: int = 200, seed: int = 0
) -> tuple[MapsPerClass, Concepts]:
    """Factorize the feature vectors of all positions of all images together into a few non-negative concepts.

    *Differs:* the method asks for non-negative activations. For layers that have negative ones each channel's minimum
    is subtracted first and given back to the concept vectors, so that transformers can be factorized too.

    Args:
        activations: ``(N, C, h, w)``.
        count: k, how many concepts.
        iterations: Most updates.
        seed: For the start of the factorization.

    Returns:
        Maps ``(N, k, h, w)``, how much of each concept every position holds (≥ 0), and the concepts. An image with a
        value that is not finite takes no part: its maps are NaN, and without any other there are no concepts.

    References:
        Collins, Achanta & Süsstrunk (2018), section 3, arXiv 1806.10206.
    """
    n, c, h, w = activations.shape
    fine = activations.isfinite().flatten(1).all(1)
    if not bool(fine.all()):
        k = min(count, n * h * w, c)
        maps = activations.new_full((n, k, h, w), torch.nan)
        if not bool(fine.any()):
            nothing = activations.new_zeros(k)
            return maps, Concepts(activations.new_zeros(k, c), nothing, float("nan"))
        found_maps, concepts = deep_feature_factorization(
            activations[fine], count=count, iterations=iterations, seed=seed
        )
        maps = maps[:, : found_maps.shape[1]]
        maps[fine] = found_maps
        return maps, concepts
    rows = activations.permute(0, 2, 3, 1).reshape(-1, c)
    offset = rows.amin(0).clamp_max(0)
    found = factorize(rows - offset, min(count, *rows.shape), iterations=iterations, seed=seed)
    maps = found.presence.reshape(n, h, w, -1).permute(0, 3, 1, 2).contiguous()
    usual = found.presence.amax(0)[:, None] / 2
    # what was subtracted belongs to a position that holds half the largest presence of this concept and nothing else
    vectors = torch.nn.functional.normalize(found.concepts * usual + offset, dim=1)
    return maps, Concepts(vectors, found.energy, found.error)


@dataclass(frozen=True)
class DeepFeatureFactorization(CamMethod):
    """Deep feature factorization (Collins, Achanta & Süsstrunk 2018): k concept maps per image, shared by the batch.

    Each concept is labelled by the classifier itself: a feature map that holds nothing but this
    concept, with the length of an average position of the batch, is run through the part of the network
    above the layer.

    Args:
        count: How many concepts.
        iterations: Most updates of the factorization.
        seed: For its start.
    """

    count: int = 5
    iterations: int = 200
    seed: int = 0

    entry = METHODS["dff"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Concept maps ``(N, k, h, w)``, not negative."""
        return self.result(inputs).maps

    def result(self, inputs: MethodInputs) -> MethodResult:
        """Concept maps ``(N, k, h, w)`` and the ``Concepts`` with the classifier's logits for each.

        Args:
            inputs: What the run left.

        Returns:
            Maps and concepts.
        """
        maps, concepts = deep_feature_factorization(
            inputs.activations, count=self.count, iterations=self.iterations, seed=self.seed
        )
        if inputs.concept_logits is None:
            return MethodResult(maps, concepts)
        usual = inputs.activations.norm(dim=1).mean()
        logits = inputs.concept_logits(concepts.vectors * usual)
        return MethodResult(maps, replace(concepts, logits=logits))
