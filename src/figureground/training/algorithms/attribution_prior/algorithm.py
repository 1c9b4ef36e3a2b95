"""An attribution prior in the training loop."""

__all__ = ["AttributionPrior", "AttributionPriorOptions"]

import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from figureground.base.errors import LayerError, OptionError
from figureground.base.identity import tensor_identity
from figureground.base.paper import Paper
from figureground.capture import LayerChoice, choose_layer
from figureground.capture.taps import tapped
from figureground.metrics.reliance.composites import filled_boxes
from figureground.training.algorithm import Algorithm, Losses
from figureground.training.algorithms.attribution_prior.losses import (
    attribution_maps,
    energy_outside,
    gradient_outside,
)
from figureground.training.batch import Batch
from figureground.training.recipe import RecipePart
from figureground.training.run import Run

_WEIGHTS = {"energy": 1.0, "gradient": 10.0}


class AttributionPriorOptions(RecipePart):
    """What a recipe may say.

    ``kind: energy``: the share of the class's map that lies outside the object; ``gradient``: squared input gradients
    outside of it. ``weight`` of the term beside the cross-entropy: 1 for the energy, 10 for gradients where omitted.
    """

    kind: Literal["energy", "gradient"] = "energy"
    weight: float | None = Field(default=None, ge=0)


class AttributionPrior(Algorithm):
    """One term more: how much of the network's attribution lies outside the boxes of the object.

    Masks move with the crops and flips of the batch. Images without boxes, from elsewhere or of no class take no part;
    those without boxes are counted.

    Args:
        options: See ``AttributionPriorOptions``.
        num_classes: Of the data.
    """

    name = "attribution-prior"
    paper = Paper(
        "Rao, Böhle, Parchami-Araghi, Schiele",
        "Studying How to Efficiently and Effectively Guide Models with Explanations",
        2023,
        "ICCV, arXiv:2303.11932",
    )
    Options = AttributionPriorOptions

    def __init__(self, options: AttributionPriorOptions, num_classes: int) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self._boxes: Sequence[Tensor] = ()
        self._layer: LayerChoice | None = None
        self._told: dict[str, Any] = {}
        self._kept: dict[str, Tensor] = {}
        self._open = ExitStack()
        # a step that failed leaves no hook behind for ever
        weakref.finalize(self, self._open.close)

    @property
    def follows_images(self) -> bool:
        """Masks must."""
        return True

    def description(self) -> dict[str, Any]:
        """How many images take part, how many have no box, and whose maps are judged."""
        return self._told

    def identity(self) -> str:
        """Stands for the boxes."""
        return tensor_identity(*self._boxes)

    def prepare(self, run: Run) -> None:
        """Look at the boxes, and find the last layer that knows where.

        Args:
            run: The run.

        Raises:
            OptionError: No training image has a box.
            LayerError: The network has no layer with positions.
        """
        images, boxes = run.batches.images, run.batches.boxes
        if boxes is None or not any(len(one) for one in boxes):
            raise OptionError(
                "attribution-prior needs boxes: these data have none. Data sets with boxes: 'boxes' (COCO, CSV, VOC "
                "and others), the planted and cluttered sets, tiny-imagenet"
            )
        self._boxes = boxes
        without = sum(not filled_boxes([some], images.shape[2:]).any() for some in boxes)
        self._told = {"guided": len(images) - without, "without boxes": without}
        if without:
            self._told["warnings"] = [
                f"{without} of {len(images)} training images have no box: their maps may lie anywhere"
            ]
        if self.chosen.kind == "gradient":
            return
        first = torch.zeros(1, dtype=torch.int64, device=run.batches.labels.device)
        with run.fabric.autocast():
            self._layer = choose_layer(run.network, run.batches.make(first).images)
        self._told["layer"] = self._layer.name

    def before_pass(self, batch: Batch, run: Run) -> None:
        """Record the layer, or the slopes by the images, in the pass that follows.

        Args:
            batch: The images.
            run: The run.
        """
        if self._layer is None:
            batch.images.requires_grad_()
            return
        self._open.close()  # a step that failed may have left it open
        self._kept = self._open.enter_context(tapped(run.network, [self._layer.name]))

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: Run) -> Losses:  # noqa: ARG002, PLR0917
        """One term more, ``attribution_prior``: the mean over the images that have a box.

        Args:
            losses: Named terms so far.
            outputs: Logits of the network.
            batch: The images.
            run: The run.

        Returns:
            The terms.

        Raises:
            LayerError: The layer did not run.
        """
        self._open.close()
        masks = self._moved_masks(batch)
        known = (batch.indices >= 0) & (batch.labels >= 0) & (batch.labels < self.num_classes)
        takes_part = known & masks.flatten(1).any(1)
        if self._layer is None:
            outside = gradient_outside(outputs, batch.images, masks)
        else:
            outside = energy_outside(self._maps(outputs, batch.labels), masks)
        mean = (outside * takes_part).sum() / takes_part.sum().clamp_min(1)
        weight = _WEIGHTS[self.chosen.kind] if self.chosen.weight is None else self.chosen.weight
        return losses | {"attribution_prior": weight * mean}

    def _maps(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Of the layer that was recorded, which is forgotten."""
        kept, self._kept = self._kept, {}
        assert self._layer is not None  # noqa: S101 - prepared
        assert self._layer.grid is not None  # noqa: S101 - it was found by running the network
        if self._layer.name not in kept:
            raise LayerError(f"layer '{self._layer.name}' was not reached when the model ran")
        return attribution_maps(outputs, self._layer.grid.to_grid(kept[self._layer.name]), labels)

    def _moved_masks(self, batch: Batch) -> Tensor:
        """Where the objects lie in the images of the batch, ``(N, H, W)`` bool."""
        boxes = [self._boxes[max(row, 0)] for row in batch.indices.tolist()]
        size = batch.images.shape[2:]
        masks = filled_boxes(boxes, size).to(batch.images.device, non_blocking=True)[:, None]
        return (masks if batch.crops is None else batch.crops.apply(masks))[:, 0]
