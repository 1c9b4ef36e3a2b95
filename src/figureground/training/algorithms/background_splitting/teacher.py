"""The network whose predictions for the training images split their background."""

__all__ = ["Teacher"]

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from figureground.data.streamed import StreamedImages
from figureground.training.algorithms.background_splitting.labelers import (
    ClusterPseudoLabeler,
    PseudoLabeler,
    cached_labels,
)
from figureground.training.algorithms.background_splitting.options import (
    BackgroundSplittingOptions,
)
from figureground.training.algorithms.background_splitting.pseudo_labels import PseudoLabels
from figureground.training.last_linear import last_linear
from figureground.training.teacher import load_teacher


@dataclass
class Teacher:
    """A teacher and its options.

    Args:
        network: Images in [0, 1] to logits.
        options: Of the algorithm.
        is_own: Whether it is the network that will be trained, as it is before.
    """

    network: nn.Module
    options: BackgroundSplittingOptions
    is_own: bool = False

    @classmethod
    def of(cls, options: BackgroundSplittingOptions, network: nn.Module) -> "Teacher":
        """The teacher that a recipe asks for.

        Args:
            options: Of the algorithm.
            network: That will be trained; the teacher where none is named.

        Returns:
            The teacher.
        """
        if options.teacher is None:
            return cls(network, options, is_own=True)
        return cls(load_teacher(options.teacher, key="background-splitting.teacher"), options)

    @property
    def outputs(self) -> int:
        """How many pseudo-classes come of it."""
        if self.options.kind == "kmeans":
            return self.options.clusters
        return last_linear(self.network).out_features

    def classifier(self, features: int) -> nn.Linear | None:
        """The layer that an auxiliary head may begin as.

        Args:
            features: What the head gets.

        Returns:
            The teacher's last layer; None where it does not fit or must not be taken.
        """
        if self.options.kind == "kmeans" or self.options.aux_init == "fresh":
            return None
        linear = last_linear(self.network)
        fits = isinstance(linear, nn.Linear) and linear.in_features == features
        return linear if isinstance(linear, nn.Linear) and fits else None

    def label(self, images: Tensor | StreamedImages, *, folder: Path, seed: int) -> PseudoLabels:
        """Pseudo-labels of the training images.

        Args:
            images: ``(n, C, H, W)`` uint8, or streamed.
            folder: Where pseudo-labels are cached.
            seed: Of clusters.

        Returns:
            The labels, on the CPU.
        """
        wanted = self.options
        cache = folder if wanted.cache is None else Path(wanted.cache)
        size = getattr(getattr(self.network, "preprocessing", None), "size", None)
        labeler = PseudoLabeler(
            self.network,
            soft=wanted.kind == "soft",
            temperature=wanted.temperature,
            size=None if self.is_own else size,
            cache=cache,
        )
        if wanted.kind != "kmeans":
            return labeler.label(images)
        clusters = ClusterPseudoLabeler(wanted.clusters, seed=seed)
        # cached too: a resumed run must not find other clusters because a device rounds differently
        key = f"{labeler.key(images)}-{wanted.clusters}-{seed}"
        return cached_labels(cache, key, lambda: clusters.label(labeler.features(images)))
