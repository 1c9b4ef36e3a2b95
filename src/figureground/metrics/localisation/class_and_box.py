"""Right box and right class: GT-known, top-k and ILSVRC's localisation error."""

__all__ = ["ClsLocErrors", "Guesses", "clsloc_errors", "top_k_localisation"]

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Labels, Logits
from figureground.metrics.localisation.overlap import iou


@dataclass(frozen=True, eq=False)
class Guesses:
    """Up to five (class, box) guesses for each image, best first.

    Args:
        classes: (N, G).
        boxes: xyxy in pixels of the image, (N, G, 4).
    """

    classes: Shaped[Tensor, "N G"]
    boxes: Shaped[Tensor, "N G 4"]


@dataclass(frozen=True, eq=False)
class ClsLocErrors:
    """What went wrong, image by image; blacklisted images are left out.

    Args:
        image: Position of the image among those given, (M,).
        classification: True where no guess names the class, (M,).
        localisation: True where no guess names the class and overlaps one of its boxes, (M,).
    """

    image: Shaped[Tensor, " M"]
    classification: Bool[Tensor, " M"]
    localisation: Bool[Tensor, " M"]

    @property
    def classification_error(self) -> float:
        """Share of images in [0, 1], lower is better."""
        return self.classification.double().mean().item()

    @property
    def localisation_error(self) -> float:
        """Share of images in [0, 1], lower is better."""
        return self.localisation.double().mean().item()


def top_k_localisation(
    logits: Logits, labels: Labels, box_hits: Bool[Tensor, " N"], *, k: int = 1
) -> Bool[Tensor, " N"]:
    """Images whose box is right and whose class is among the k most probable.

    Whether a box is right without regard to the class is "GT-known" localisation: ``box_hits``
    itself. For that, the map is made for the true class; for "top-1 as a user sees it", make it for
    the predicted class.

    Args:
        logits: Class scores.
        labels: True classes.
        box_hits: Which boxes are right.
        k: How many classes may be named.

    Returns:
        True for images that are right in both.

    Raises:
        OptionError: k is not between 1 and the number of classes.

    Examples:
        >>> logits = torch.tensor([[0.1, 0.9], [0.8, 0.2]])
        >>> top_k_localisation(logits, torch.tensor([1, 1]), torch.tensor([True, True])).tolist()
        [True, False]
    """
    if not 1 <= k <= logits.shape[1]:
        raise OptionError(f"k must lie between 1 and {logits.shape[1]}, got {k}")
    named = (logits.topk(k, dim=1).indices == labels[:, None]).any(1)
    return named & box_hits


def clsloc_errors(
    guesses: Guesses,
    labels: Labels,
    true_boxes: Sequence[Shaped[Tensor, "_ 4"]],
    *,
    blacklisted: Bool[Tensor, " N"] | None = None,
    convention: str = "inclusive",
    overlap: float = 0.5,
) -> ClsLocErrors:
    """The classification-with-localisation error of ILSVRC.

    An image is right if one of its guesses names its class with a box that overlaps at least one of
    the boxes of that class by ``overlap`` or more. With one guess this is the top-1, with five the top-5
    localisation error.

    Args:
        guesses: Classes and boxes; as many guesses an image as are to count.
        labels: The class of each image.
        true_boxes: For each image the boxes of its class, xyxy in pixels of the image.
        blacklisted: Images that are not judged, such as those of ILSVRC's list.
        convention: "inclusive", as in the development kit, or "half-open".
        overlap: Intersection over union that makes a box right.

    Returns:
        Errors of each image.

    Raises:
        ShapeError: The numbers of images differ, or an image that is judged has no box.

    References:
        Russakovsky et al. (2015). ImageNet Large Scale Visual Recognition Challenge. IJCV, section
        4.2, arXiv 1409.0575, and the development kit's evaluation of 2014.

    Examples:
        >>> guesses = Guesses(torch.tensor([[3, 7]]), torch.tensor([[[0, 0, 9, 9], [0, 0, 4, 9]]]))
        >>> errors = clsloc_errors(guesses, torch.tensor([7]), [torch.tensor([[0, 0, 9, 9]])])
        >>> errors.classification.tolist(), errors.localisation.tolist()
        ([False], [False])
    """
    if not len(guesses.classes) == len(guesses.boxes) == len(labels) == len(true_boxes):
        raise ShapeError(
            f"{len(guesses.classes)} rows of guesses, {len(labels)} labels and {len(true_boxes)} "
            "lists of boxes are not one each for every image"
        )
    judged = torch.ones(len(labels), dtype=torch.bool) if blacklisted is None else ~blacklisted
    image = judged.nonzero()[:, 0]
    named = guesses.classes[image] == labels[image, None]
    boxed = torch.zeros_like(named)
    for row, position in enumerate(image.tolist()):
        best = _best(guesses.boxes[position], true_boxes[position], (position, convention))
        boxed[row] = best >= overlap
    return ClsLocErrors(image, ~named.any(1), ~(named & boxed).any(1))


def _best(boxes: Tensor, truth: Tensor, where: tuple[int, str]) -> Float[Tensor, " G"]:
    """Best overlap of each guess of one image with a true box."""
    position, convention = where
    if len(truth) == 0:
        raise ShapeError(
            f"image {position} has no true box; leave such images out or blacklist them"
        )
    return iou(boxes, truth, convention=convention).amax(1)
