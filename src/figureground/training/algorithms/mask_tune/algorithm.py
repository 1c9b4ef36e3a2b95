"""MaskTune in the training loop."""

__all__ = ["MaskTune", "MaskTuneOptions"]

from dataclasses import replace
from typing import Any

from pydantic import Field

from figureground.base.paper import Paper
from figureground.maps import resize
from figureground.training.algorithm import Algorithm
from figureground.training.algorithms.mask_tune.regions import most_active
from figureground.training.batch import Batch
from figureground.training.own_maps.cache import CamCache
from figureground.training.own_maps.refresh import cached_maps
from figureground.training.recipe import RecipePart
from figureground.training.run import Run


class MaskTuneOptions(RecipePart):
    """Images are masked from the epoch at the share ``start`` of the run on; in the last epoch where it is omitted."""

    start: float | None = Field(default=None, ge=0, lt=1)

    def first_epoch(self, epochs: int) -> int:
        """The first epoch of masked images.

        Args:
            epochs: Of the run.

        Returns:
            From 0.

        Examples:
            >>> MaskTuneOptions().first_epoch(10), MaskTuneOptions(start=0.7).first_epoch(10)
            (9, 7)
        """
        # a little more, because 0.7 * 10 may come out below 7
        return epochs - 1 if self.start is None else int(self.start * epochs + 1e-9)


class MaskTune(Algorithm):
    """The last epoch hides what the network looks at most, so that it must find other reasons.

    The Grad-CAM of every training image's own class is made once, of the whole image, by the network as it is when the
    first masked epoch begins. Pixels whose map lies more than two deviations above its mean are black from then on, and
    move with the crops and flips of the batch. Images from elsewhere, or of no class, stay as they are.

    Args:
        options: See ``MaskTuneOptions``.
        num_classes: Of the data.
    """

    name = "mask-tune"
    paper = Paper(
        "Asgari, Khani, Khani, Gholami, Tran, Mahdavi-Amiri, Hamarneh",
        "MaskTune: Mitigating Spurious Correlations by Forcing to Explore",
        2022,
        "NeurIPS, arXiv:2210.00055",
    )
    Options = MaskTuneOptions

    def __init__(self, options: MaskTuneOptions, num_classes: int) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self.cache: CamCache | None = None

    @property
    def follows_images(self) -> bool:
        """Maps must."""
        return True

    def state(self) -> dict[str, Any]:
        """The maps."""
        return {} if self.cache is None else self.cache.state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back the maps.

        Args:
            state: What ``state`` gave.
        """
        self.cache = CamCache.of_state(state) if state else None

    def change_batch(self, batch: Batch, run: Run) -> Batch:
        """The batch without what its maps point at.

        Args:
            batch: As the algorithms before left it.
            run: The run.

        Returns:
            The same images, partly black; a new batch.
        """
        if run.epoch < self.chosen.first_epoch(run.recipe.epochs):
            return batch
        if self.cache is None:
            self.cache = cached_maps(run, self.num_classes)
        size = (batch.images.shape[2], batch.images.shape[3])
        hidden = most_active(resize(self.cache.get(batch.indices), size))[:, None]
        if batch.crops is not None:
            hidden = batch.crops.apply(hidden)
        return replace(batch, images=batch.images.masked_fill(hidden, 0))
