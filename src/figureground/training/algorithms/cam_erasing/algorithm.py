"""Erase where the object is, by maps of the network that is being trained."""

__all__ = ["CamErasing", "CamErasingOptions"]

import time
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from figureground.base.paper import Paper
from figureground.data.streamed import StreamedImages
from figureground.training.algorithm import Algorithm
from figureground.training.algorithms.cam_erasing.erasing import erase_regions
from figureground.training.algorithms.cam_erasing.options import ErasingOptions
from figureground.training.batch import Batch
from figureground.training.own_maps.cache import CamCache
from figureground.training.own_maps.refresh import MapSource, cached_maps
from figureground.training.own_maps.warping import warp_maps
from figureground.training.run import Run
from figureground.training.streams import stream


class CamErasingOptions(ErasingOptions):
    """What a recipe may say: all of ``ErasingOptions``, and when maps are made, and which.

    Maps guide the erasing from the epoch at the share ``start`` of the run on. They are made anew every
    ``refresh_every``
    epochs, or once (None). ``before`` that, images are erased anywhere (``uniform``) or not at all (``none``).
    Controls: ``shuffled`` gives each image the map of another one, ``mean`` gives all the mean map of the data.
    ``method``, ``layer`` and ``map_batch`` are the source of the maps.
    """

    start: float = Field(default=0.5, ge=0, le=1)
    refresh_every: int | None = Field(default=10, ge=1)
    before: Literal["uniform", "none"] = "uniform"
    control: Literal["shuffled", "mean"] | None = None
    method: str = "grad-cam"
    layer: str | None = None
    map_batch: int = Field(default=256, ge=1)

    @model_validator(mode="after")
    def _controls_something(self) -> "CamErasingOptions":
        """Refuse a control of maps that are not there."""
        if self.control is not None and self.region == "uniform":
            raise ValueError(f"control '{self.control}' is about maps; the region uniform has none")
        return self

    def first_epoch(self, epochs: int) -> int:
        """The epoch from which on maps guide the erasing.

        Args:
            epochs: Of the run.

        Returns:
            From 0.
        """
        return round(self.start * epochs)

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether maps are made anew before an epoch.

        Args:
            epoch: From 0.
            epochs: Of the run.

        Returns:
            Whether.

        Examples:
            >>> options = CamErasingOptions(start=0.5, refresh_every=2)
            >>> [epoch for epoch in range(9) if options.is_due(epoch, 8)]
            [4, 6]
        """
        since = epoch - self.first_epoch(epochs)
        if self.region == "uniform" or since < 0 or epoch >= epochs:
            return False
        return since == 0 if self.refresh_every is None else since % self.refresh_every == 0


class CamErasing(Algorithm):
    """Random erasing, conditioned on where the network sees the object.

    With ``region: uniform`` no map is ever made, and it is plain random erasing. What is erased depends on the seed,
    the step and the process alone, on an RNG stream of its own: order and crops are those of a run without it. Images
    without a map (backgrounds that another algorithm added before, unlabelled ones) are erased anywhere.

    Every process makes the maps of its share of the images, and all of them get all: one cache, the same everywhere.

    Args:
        options: See ``CamErasingOptions``.
        num_classes: Of the data.
    """

    name = "cam-erasing"
    paper = Paper(
        "Oh, Lee",
        "CAM-guided random erasing (title in our words: the paper is known to us by its abstract)",
        2023,
        "J. Korea Multimedia Society 26(10), 1231, doi 10.9717/kmms.2023.26.10.1231",
    )
    Options = CamErasingOptions

    def __init__(self, options: CamErasingOptions, num_classes: int) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self.cache: CamCache | None = None
        self.refreshes = 0
        self._mean_colour: Tensor | None = None
        self._mean_map: Tensor | None = None
        self._partners: Tensor | None = None

    def description(self) -> dict[str, Any]:
        """How often maps were made."""
        return {"refreshes": self.refreshes}

    @property
    def follows_images(self) -> bool:
        """Maps must; regions drawn without one need not."""
        return self.chosen.region != "uniform"

    def state(self) -> dict[str, Any]:
        """The maps, and how often they were made."""
        maps = {} if self.cache is None else self.cache.state()
        return {"maps": maps, "refreshes": self.refreshes}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back the maps.

        Args:
            state: What ``state`` gave.
        """
        self.refreshes = state["refreshes"]
        self._mean_map = None
        maps = state["maps"]
        self.cache = CamCache.of_state(maps) if maps else None

    def prepare(self, run: Run) -> None:
        """Find the mean colour and the partners of the control, where they are wanted.

        Args:
            run: The run.
        """
        if self.chosen.fill == "mean":
            self._mean_colour = _mean_colour(run.batches.images).to(run.device)
        if self.chosen.control == "shuffled":
            numbers = stream(run.recipe.seed, "erasing partners")
            self._partners = _partners(len(run.batches.labels), numbers).to(run.device)

    def change_batch(self, batch: Batch, run: Run) -> Batch:
        """The batch after erasing.

        Args:
            batch: As the algorithms before left it.
            run: The run.

        Returns:
            The same images, of which parts are erased; a new batch.
        """
        options: ErasingOptions = self.chosen
        guided = run.epoch >= self.chosen.first_epoch(run.recipe.epochs)
        if not guided and self.chosen.before == "none":
            return batch
        if not guided:
            options = options.model_copy(update={"region": "uniform"})
        maps = None if options.region == "uniform" else self._maps(batch, run)
        images, _ = erase_regions(
            batch.images, maps, options, generator=_generator(run), mean=self._mean_colour
        )
        return replace(batch, images=images)

    def after_epoch(self, run: Run) -> None:
        """Make maps anew where the next epoch wants them; it counts as training time.

        Args:
            run: The run.
        """
        if self.chosen.is_due(run.epoch, run.recipe.epochs):
            began = time.perf_counter()
            self.refresh(run)
            run.seconds += time.perf_counter() - began

    def refresh(self, run: Run) -> None:
        """Make the maps of all training images, each process its share.

        Args:
            run: The run.
        """
        source = MapSource(
            method=self.chosen.method, layer=self.chosen.layer, batch_size=self.chosen.map_batch
        )
        self.cache = cached_maps(run, self.num_classes, source)
        self.refreshes += 1
        self._mean_map = None

    def _maps(self, batch: Batch, run: Run) -> Tensor:
        """The maps of a batch, cropped and flipped as its images."""
        if self.cache is None:
            # maps from the first step on: there was no epoch after which to make them
            self.refresh(run)
        assert self.cache is not None  # noqa: S101 - just made
        size = (batch.images.shape[2], batch.images.shape[3])
        return warp_maps(self._low_maps(self.cache, batch.indices), batch.crops, size)

    def _low_maps(self, cache: CamCache, indices: Tensor) -> Tensor:
        """``(N, h, w)``: each image's own map, or that of the control."""
        if self.chosen.control == "mean":
            if self._mean_map is None:
                self._mean_map = cache.mean()
            return self._mean_map * (indices >= 0)[:, None, None]
        if self._partners is not None:
            indices = torch.where(indices >= 0, self._partners[indices.clamp(min=0)], indices)
        return cache.get(indices)


def _generator(run: Run) -> torch.Generator:
    """The numbers of this step and process, on the device."""
    numbers = stream(run.recipe.seed, "erasing", run.step, run.fabric.global_rank)
    return torch.Generator(run.device).manual_seed(numbers.initial_seed())


def _partners(count: int, numbers: torch.Generator) -> Tensor:
    """For each row another one, all different: the next in a random circle."""
    circle = torch.randperm(count, generator=numbers)
    partners = torch.empty_like(circle)
    partners[circle] = circle.roll(-1)
    return partners


def _mean_colour(images: Tensor | StreamedImages) -> Tensor:
    """Mean of each colour over all images, in [0, 1]."""
    starts = range(0, len(images), 1024)
    sums = [images[at : at + 1024].sum((0, 2, 3), dtype=torch.int64) for at in starts]
    pixels = len(images) * images.shape[2] * images.shape[3]
    return (torch.stack(sums).sum(0).double() / (pixels * 255)).float()
