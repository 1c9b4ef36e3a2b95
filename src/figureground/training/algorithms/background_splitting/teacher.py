"""The network whose opinion of the training pictures splits their background."""

__all__ = ["Teacher"]

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from figureground.base.errors import DataError, ModelError
from figureground.base.record import read_json
from figureground.models import Classifier, load_classifier, load_weights
from figureground.training.algorithms.background_splitting.features import last_linear
from figureground.training.algorithms.background_splitting.labelers import (
    ClusterPseudoLabeler,
    PseudoLabeler,
    kept_labels,
)
from figureground.training.algorithms.background_splitting.options import (
    BackgroundSplittingOptions,
)
from figureground.training.algorithms.background_splitting.pseudo_labels import PseudoLabels
from figureground.training.network import make_classifier
from figureground.training.recipe import ModelSpec, read_recipe
from figureground.training.streams import borrowed_numbers


@dataclass
class Teacher:
    """A teacher and what is asked of it.

    Args:
        network: Pictures in [0, 1] to logits.
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
        with borrowed_numbers(torch.device("cpu")):
            if isinstance(options.teacher, str):
                return cls(_of_run(Path(options.teacher)), options)
            return cls(_of_spec(options.teacher), options)

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

    def label(self, images: Tensor, *, folder: Path, seed: int) -> PseudoLabels:
        """Pseudo-labels of the training pictures.

        Args:
            images: ``(n, C, H, W)`` uint8.
            folder: Where predictions are kept.
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
        # kept too: a resumed run must not find other clusters because a device rounds differently
        key = f"{labeler.key(images)}-{wanted.clusters}-{seed}"
        return kept_labels(cache, key, lambda: clusters.label(labeler.features(images)))


def _of_spec(spec: ModelSpec) -> Classifier:
    """A network with its own outputs."""
    return load_classifier(
        spec.name,
        weights=spec.weights,
        random=spec.weights is None and not spec.pretrained,
        arguments=spec.arguments,
        preprocessing={
            key: tuple(value) if isinstance(value, list) else value
            for key, value in spec.preprocessing.items()
        }
        or None,
    )


def _of_run(folder: Path) -> Classifier:
    """The best classifier of a training run, with a background output or without, whichever fits its weights."""
    recipe = read_recipe(folder / "recipe.yaml")
    names = read_json(folder / "classes.json")
    bare = recipe.model.model_copy(update={"weights": None, "pretrained": False})
    for background in (False, True):
        classifier = make_classifier(bare, names, background=background)
        with suppress(ModelError):
            load_weights(classifier.network, folder / "best.safetensors")
            return classifier.eval()
    raise DataError(f"{folder} holds no best.safetensors that fits its recipe")
