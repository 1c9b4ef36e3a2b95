"""What an attack did: to the pictures, to the predictions, and to the maps."""

__all__ = [
    "AttackOutcome",
    "MapStability",
    "Robustness",
    "attack_outcome",
    "map_stability",
    "relative_perturbation",
]

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from figureground.base.errors import ShapeError
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.accumulator import ImageMeans
from figureground.metrics.faithfulness.scoring import PLAIN, PerImage, Score, Scoring, clean_pass
from figureground.metrics.faithfulness.similarity import pearson, spearman, ssim
from figureground.metrics.robustness.gradients import check_labels


@dataclass(frozen=True)
class AttackOutcome:
    """One attack, image by image; select with its columns, e.g. the flipped ones.

    Args:
        clean_classes: ``(N,)``, predicted on the clean images.
        attacked_classes: ``(N,)``, predicted on the attacked ones.
        labels: ``(N,)``, the truth.
        perturbation: ``(N,)``, ``relative_perturbation``.
    """

    clean_classes: Labels
    attacked_classes: Labels
    labels: Labels
    perturbation: PerImage

    @property
    def clean_correct(self) -> Bool[Tensor, " N"]:
        """Right before the attack."""
        return self.clean_classes == self.labels

    @property
    def attacked_correct(self) -> Bool[Tensor, " N"]:
        """Right after the attack."""
        return self.attacked_classes == self.labels

    @property
    def flipped(self) -> Bool[Tensor, " N"]:
        """The attack changed the prediction."""
        return self.clean_classes != self.attacked_classes


@dataclass(frozen=True)
class MapStability:
    """How alike the clean and the attacked map of each image are; 1 is unmoved, NaN is blank.

    Args:
        pearson: ``(N,)``.
        spearman: ``(N,)``.
        ssim: ``(N,)``.
    """

    pearson: PerImage
    spearman: PerImage
    ssim: PerImage


def relative_perturbation(images: Images, attacked: Images) -> PerImage:
    """Length of the change over the length of the image, both L2 over all pixels.

    Args:
        images: ``(N, C, H, W)``.
        attacked: The same shape.

    Returns:
        ``(N,)``, 0 for no change; NaN for a black image. The mean over images is the paper's
        robustness.

    Raises:
        ShapeError: The shapes differ.

    References:
        Moosavi-Dezfooli et al. (2016), DeepFool, eq. 15, arXiv:1511.04599.

    Examples:
        >>> image = torch.tensor([[[[3.0, 4.0]]]])
        >>> relative_perturbation(image, image + torch.tensor([1.0, 0.0])).tolist()
        [0.20000000298023224]
    """
    if images.shape != attacked.shape:
        raise ShapeError(f"attacked {tuple(attacked.shape)} are not {tuple(images.shape)}")
    length = images.flatten(1).norm(dim=1)
    change = (attacked - images).flatten(1).norm(dim=1)
    return torch.where(length > 0, change / length, torch.nan)


def attack_outcome(
    score: Score,
    images: Images,
    attacked: Images,
    *,
    labels: Labels,
    scoring: Scoring = PLAIN,
) -> AttackOutcome:
    """Predictions before and after, and the size of the change.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)``.
        attacked: The same images, attacked.
        labels: ``(N,)``, the truth.
        scoring: How to ask.

    Returns:
        One row per image.
    """
    check_labels(images, labels)
    before, _ = clean_pass(score, images, scoring=scoring)
    after, _ = clean_pass(score, attacked, scoring=scoring)
    perturbation = relative_perturbation(images, attacked)
    return AttackOutcome(before, after, labels.to(before.device), perturbation)


def map_stability(clean_maps: Maps, attacked_maps: Maps) -> MapStability:
    """Three likenesses of the maps before and after.

    Which class the attacked maps explain is the caller's choice and must be reported: for the new
    prediction the maps of a class-specific method *should* differ.

    Args:
        clean_maps: ``(N, h, w)``, both sides at least 3.
        attacked_maps: The same shape.

    Returns:
        One row per image.
    """
    return MapStability(
        pearson(clean_maps, attacked_maps),
        spearman(clean_maps, attacked_maps),
        ssim(clean_maps, attacked_maps),
    )


class Robustness(ImageMeans):
    """Accuracies, share of flipped predictions, size of the change and stability of the maps.

    Args:
        scoring: How to ask the classifier.
    """

    def __init__(self, scoring: Scoring = PLAIN) -> None:
        outcome = ("clean_accuracy", "attacked_accuracy", "flipped", "perturbation")
        super().__init__((*outcome, "pearson", "spearman", "ssim"))
        self.scoring = scoring

    def update(
        self,
        score: Score,
        images: Tensor,
        attacked: Tensor,
        *,
        labels: Tensor,
        maps: tuple[Tensor, Tensor],
    ) -> None:
        """Add a batch.

        Args:
            score: The classifier.
            images: ``(N, C, H, W)``.
            attacked: The same images, attacked.
            labels: ``(N,)``, the truth.
            maps: The clean and the attacked maps, ``(N, h, w)`` each.
        """
        found = attack_outcome(score, images, attacked, labels=labels, scoring=self.scoring)
        stability = map_stability(*maps)
        self.accumulate(
            {
                "clean_accuracy": found.clean_correct.float(),
                "attacked_accuracy": found.attacked_correct.float(),
                "flipped": found.flipped.float(),
                "perturbation": found.perturbation,
                **vars(stability),
            }
        )
