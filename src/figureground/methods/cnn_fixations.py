"""CNN-fixations: walk back from a class to the pixels that decided it, with forward values only."""

__all__ = [
    "CNNFixations",
    "Fixations",
    "cnn_fixations",
    "fixation_heatmap",
    "remove_outliers",
]

from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.shapes import ClassIndices, Images, Logits, MapsPerClass
from figureground.capture.tape import Tape
from figureground.methods.fixations.backtrack import backtrack
from figureground.methods.fixations.density import (
    fixation_heatmap,
    remove_outliers,
)
from figureground.methods.fixations.layers import Position
from figureground.methods.fixations.points import Fixations, coordinates
from figureground.methods.method import CamMethod, MethodInputs, MethodResult
from figureground.methods.registry import METHODS

_POSITIONS = ("strided", "center", "argmax")


def cnn_fixations(
    tape: Tape,
    images: Images,
    logits: Logits,
    *,
    classes: ClassIndices,
    position: Position = "strided",
) -> tuple[tuple[Fixations, ...], ...]:
    """The pixels that each class's logit is traced back to through the strongest contributions.

    One forward pass, no gradients. A set of neurons starts as one logit and is replaced, layer by
    layer, by the neurons before it:

    - fully connected: every input with a positive contribution (value times weight); where the input
      is a feature map laid flat, only the largest contribution;
    - convolution: the channel whose products, summed over the window, are largest, at the place in the
      window that ``position`` says, clipped into the map; groups are respected;
    - max and average pool: the same channel, where the value in the window is largest;
    - residual sum: the skip connection where its value is at least the branch's, else the branch;
      skip is the one with fewer convolutions behind it;
    - concatenation: the part that the channel belongs to;
    - product with a gate (squeeze and excitation): the features, never the gate;
    - activation functions, batch normalisation, dropout, reshaping: the same neuron.

    These rules hold for operations, not for known architectures, so any network of such operations
    can be walked. All images and classes go in one sweep.

    Args:
        tape: Record of the run that made the logits.
        images: ``(N, C, H, W)``, the very tensor that went into the network.
        logits: ``(N, L)``, the very tensor that came out of it.
        classes: ``(N, K)`` the classes asked for.
        position: Where in a convolution's window a path goes on. "center" (the authors' code for
            sequential networks); "argmax", the place of the chosen channel's largest product (the centre
            where it is among the largest, so that paths through dead channels do not drift);
            "strided", which is "argmax" for convolutions with a stride and "center" for the others.

    Returns:
        N tuples of K fixations.

    Raises:
        LayerError: The images or logits are not on the tape; or the way leads through an operation that
            convolutional networks do not have (attention, layer normalisation, resizing).
        OptionError: A class that there is no logit for.
        ShapeError: Numbers of images differ.

    References:
        Mopuri, Garg and Babu (2018), arXiv 1708.06670.

    *Differs:* "strided" is ours and the default: "center" alone leaves the points of a network that
    shrinks its maps by strides (MobileNet) on a grid as coarse as its last map; the authors, for the
    3×3 convolutions of ResNet's blocks, move to the largest activation in the window. "center" is the
    true centre also where the padding is not half the kernel; the authors' code takes stride times
    position. Where the network ends in an average of class maps instead of a fully connected layer
    (SqueezeNet), that average is taken for it: every positive position starts a path. All ways are
    followed to the image; the authors stop after the first pool of VGG.

    Examples:
        >>> import torch
        >>> net = torch.nn.Sequential(
        ...     torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(4, 1)
        ... )
        >>> _ = net[2].weight.data.fill_(1.0)
        >>> images = torch.zeros(1, 1, 4, 4)
        >>> images[0, 0, 1, 2] = 1.0
        >>> with torch.no_grad(), Tape() as tape:
        ...     logits = net(images)
        >>> cnn_fixations(tape, images, logits, classes=torch.tensor([[0]]))[0][0].points.tolist()
        [[0, 1, 2]]
    """
    _check(images, logits, classes)
    found = backtrack(tape, images, logits, classes=classes, position=position)
    image, *where = coordinates(found.index, images.shape)
    points = torch.stack(where, 1)
    return tuple(
        tuple(
            Fixations(n, int(label), points[(image == n) & found.owners[:, k]])
            for k, label in enumerate(labels.tolist())
        )
        for n, labels in enumerate(classes)
    )


@dataclass(frozen=True)
class CNNFixations(CamMethod):
    """CNN-fixations as a map: the density of the pixels that a class was traced back to.

    Args:
        position: Where in a convolution's window a path goes on: "strided", "center" or "argmax".
        sigma: Width of the blur, pixels of an image of 224×224.
        outliers: Whether points without company stay in the map.

    Raises:
        OptionError: Unknown position, or a sigma that is not positive.
    """

    position: Position = "strided"
    sigma: float = 20.0
    outliers: bool = False

    entry = METHODS["cnn-fixations"]

    def __post_init__(self) -> None:
        if self.position not in _POSITIONS:
            raise unknown_option("position", self.position, _POSITIONS)
        if not self.sigma > 0:
            raise OptionError(f"sigma is a number of pixels above 0, not {self.sigma}")

    def __call__(
        self, tape: Tape, images: Images, logits: Logits, *, classes: ClassIndices
    ) -> tuple[MapsPerClass, tuple[tuple[Fixations, ...], ...]]:
        """Maps and the points they were made of.

        Args:
            tape: Record of the run that made the logits.
            images: ``(N, C, H, W)``, the very tensor that went into the network.
            logits: ``(N, L)``, the very tensor that came out of it.
            classes: ``(N, K)`` the classes asked for.

        Returns:
            Maps ``(N, K, H, W)`` float32, zero where a class leads back to nothing, and all the points,
            outliers included.
        """
        found = cnn_fixations(tape, images, logits, classes=classes, position=self.position)
        height, width = images.shape[-2:]
        maps = [self._map(one.yx, (height, width)) for row in found for one in row]
        return torch.stack(maps).view(*classes.shape, height, width), found

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, H, W)`` of the image's own size."""
        return self.result(inputs).maps

    def result(self, inputs: MethodInputs) -> MethodResult:
        """Raw maps ``(N, K, H, W)`` of the image's own size, and N tuples of K ``Fixations``.

        Args:
            inputs: What the run left; its ``directions`` must be classes.

        Returns:
            Maps and points.

        Raises:
            OptionError: A direction is not one logit, or points away from it.
        """
        assert inputs.tape is not None  # noqa: S101 - the explainer gives what `needs` lists
        asked = inputs.directions
        if asked.indices is None or (asked.signs is not None and bool((asked.signs < 0).any())):
            raise OptionError(
                "cnn-fixations goes back from one logit: it explains neither a mixture of several nor "
                "the negative class of a one-logit network"
            )
        classes = asked.indices.expand(len(inputs.images), -1)
        return MethodResult(*self(inputs.tape, inputs.images, inputs.logits, classes=classes))

    def _map(self, yx: Tensor, size: tuple[int, int]) -> Tensor:
        """The heat-map of one class."""
        kept = yx if self.outliers else yx[remove_outliers(yx, size)]
        return fixation_heatmap(kept, size, sigma=self.sigma)


def _check(images: Tensor, logits: Tensor, classes: Tensor) -> None:
    """Refuse numbers that do not fit together."""
    if not len(images) == len(logits) == len(classes):
        raise ShapeError(
            f"{len(images)} images, {len(logits)} logits and {len(classes)} rows of classes"
        )
    if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < logits.shape[1]:
        raise OptionError(f"classes are 0 to {logits.shape[1] - 1}, not {classes.tolist()}")
