"""Which kinds of backgrounds there are, and which parts of them speak for a class. They explain and never decide."""

__all__ = ["Carrier", "background_kinds", "carriers"]

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Labels
from figureground.metrics.intervals import Interval, bootstrap_interval
from figureground.metrics.reliance.pull_test import benjamini_hochberg

_MOST_KINDS, _DIMENSIONS = 10, 20
_LEAST_SILHOUETTE = 0.1
_FEWEST = 5  # images of a kind, and of a pair


@checked
def background_kinds(features: Float[Tensor, "N D"], *, seed: int = 0) -> Int[Tensor, " N"]:
    """Kinds of backgrounds among the images of one class: k-means with two to ten centres, chosen by the silhouette.

    Args:
        features: ``(N, D)``, of the backgrounds; brought to 20 principal components at most.
        seed: Of the centres.

    Returns:
        ``(N,)`` from 0, the most frequent kind first. All 0 where there are fewer than ten images or no two kinds stand
        apart (mean silhouette below 0.1).

    Raises:
        ShapeError: A feature is not finite.

    References:
        Sohoni et al. (2020). No Subclass Left Behind. NeurIPS (clusters of features, the number by the silhouette).

    Examples:
        >>> features = torch.tensor([0, 1, 2, 3, 4, 5, 90, 91, 92, 93, 94]).float()[:, None]
        >>> background_kinds(features).tolist()
        [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to import
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.metrics import silhouette_score  # noqa: PLC0415

    if not features.isfinite().all():
        raise ShapeError("features of backgrounds must be finite")
    one = torch.zeros(len(features), dtype=torch.int64)
    if len(features) < 2 * _FEWEST:
        return one
    values = features.double().numpy()
    values = values[:, values.std(0) > 0]
    if not values.shape[1]:
        return one
    if min(values.shape) > _DIMENSIONS:
        values = PCA(_DIMENSIONS, random_state=seed).fit_transform(values)
    best, found = _LEAST_SILHOUETTE, None
    most = min(_MOST_KINDS, len(np.unique(values, axis=0)), len(values) // _FEWEST)
    for count in range(2, most + 1):
        kinds = KMeans(count, n_init=4, random_state=seed).fit_predict(values)
        score = float(silhouette_score(values, kinds))
        if score > best:
            best, found = score, kinds
    if found is None:
        return one
    order = np.argsort(-np.bincount(found), kind="stable")
    return torch.from_numpy(np.argsort(order)[found]).long()


@dataclass(frozen=True, eq=False)
class Carrier:
    """A kind of background part that speaks for a class.

    Args:
        kind: Which.
        label: The class.
        inside: Share of the class's images that show it.
        outside: Share of the other images that do.
        carry: What its positions in an image of the class together add to the class's logit, less what they add to all
            classes on average; over the images of the class that show it.
        found: Whether it is commoner in the class than chance allows (Fisher's exact test, Benjamini-Hochberg over all
            pairs) and surely adds something.
    """

    kind: int
    label: int
    inside: float
    outside: float
    carry: Interval
    found: bool

    @property
    def score(self) -> float:
        """By which carriers are ordered: how much commoner it is in the class, times what it adds."""
        return (self.inside - self.outside) * self.carry.mean


@checked
def carriers(
    kinds: Int[Tensor, " P"],
    images: Int[Tensor, " P"],
    labels: Labels,
    *,
    contributions: Float[Tensor, " P"],
    rate: float = 0.05,
    seed: int = 0,
) -> tuple[Carrier, ...]:
    """Pairs of a kind of background part and a class that it is commoner in and speaks for.

    Args:
        kinds: ``(P,)``, of positions in backgrounds.
        images: ``(P,)``, which image each position belongs to.
        labels: ``(N,)``, of the images.
        contributions: ``(P,)``, what the position adds to the logit of its image's class, less the mean over classes.
        rate: False discovery rate.
        seed: Of the bootstrap over images.

    Returns:
        Pairs that five images or more show and whose estimates are both positive: those that were found first, then by
        their score.

    Raises:
        ShapeError: The lists of positions differ in length, or name an image that has no label.

    References:
        Fisher (1935). The Design of Experiments. Benjamini, Hochberg (1995). JRSS B 57.
    """
    from scipy.stats import fisher_exact  # noqa: PLC0415 - slow to import

    if len(images) and not 0 <= int(images.min()) <= int(images.max()) < len(labels):
        raise ShapeError("positions belong to images that have a label")
    pairs = list(_pairs(kinds, images, labels, contributions=contributions))
    tests = np.array([fisher_exact(one.counts, alternative="greater").pvalue for one in pairs])
    passed = benjamini_hochberg(tests, rate=rate) if pairs else ()
    found = []
    for one, sure in zip(pairs, passed, strict=True):
        (shown, hidden), (others, rest) = one.counts
        carry = bootstrap_interval(one.sums, seed=seed)
        inside, outside = shown / (shown + hidden), others / max(1, others + rest)
        if inside > outside and carry.mean > 0:
            certain = bool(sure) and carry.low > 0
            found.append(Carrier(one.kind, one.label, inside, outside, carry, certain))
    return tuple(sorted(found, key=lambda one: (not one.found, -one.score)))


@dataclass(frozen=True, eq=False)
class _Pair:
    """How often a kind is shown by images of a class and by others, and what it adds in each of the former."""

    kind: int
    label: int
    counts: tuple[tuple[int, int], tuple[int, int]]
    sums: Tensor


def _pairs(
    kinds: Tensor, images: Tensor, labels: Tensor, *, contributions: Tensor
) -> Iterator[_Pair]:
    """Those that enough images show."""
    for kind in np.unique(kinds.numpy()).tolist():
        mine = kinds == kind
        sums = torch.zeros(len(labels), dtype=torch.float64)
        sums.index_add_(0, images[mine], contributions[mine].double())
        shows = torch.zeros(len(labels), dtype=torch.bool)
        shows[images[mine]] = True
        for label in np.unique(labels.numpy()).tolist():
            of_class = labels == label
            both = shows & of_class
            count, others = int(both.sum()), int((shows & ~of_class).sum())
            if count >= _FEWEST:
                hidden = int(of_class.sum()) - count
                rest = int((~of_class).sum()) - others
                yield _Pair(kind, label, ((count, hidden), (others, rest)), sums[both])
