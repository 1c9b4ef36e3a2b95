"""Background swapping in the training loop."""

__all__ = ["BackgroundSwapOptions", "BackgroundSwapping"]

from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.identity import digest
from figureground.base.paper import Paper
from figureground.data.labeled import LabeledImages
from figureground.data.streamed import StreamedImages
from figureground.training.algorithm import Algorithm
from figureground.training.algorithms.background_swap.swap import BackgroundSwap
from figureground.training.batch import Batch
from figureground.training.recipe import RecipePart
from figureground.training.run import Run
from figureground.training.streams import stream


class BackgroundSwapOptions(RecipePart):
    """What a recipe may say.

    An image gets another background with probability ``p``, from the share ``start`` of the run on: that of another
    image, or one random colour (``donors``). ``mask`` and ``fill`` are those of ``BackgroundSwap``.
    """

    p: float = Field(default=1.0, ge=0, le=1)
    donors: Literal["images", "colours"] = "images"
    mask: Literal["inner", "given", "outer"] = "inner"
    fill: Literal["impute", "tile", "mean", "grey"] = "impute"
    start: float = Field(default=0.0, ge=0, lt=1)


class BackgroundSwapping(Algorithm):
    """Every training image gets the background of another one, cut along tight masks.

    Whole images are composed, then cropped and flipped as the batch was. Images without boxes pass unchanged and are
    counted. Validation images are swapped, too, once and for all, also where training images are painted: chosen on
    unswapped ones, the best weights would be those that lean on the background again. It must be the first of the
    algorithms, since it begins from the stored images.

    Args:
        options: See ``BackgroundSwapOptions``.
        num_classes: Of the data.
    """

    name = "background-swap"
    paper = Paper(
        "Xiao, Engstrom, Ilyas, Madry",
        "Noise or Signal: The Role of Image Backgrounds in Object Recognition",
        2021,
        "ICLR, arXiv 2006.09994",
    )
    Options = BackgroundSwapOptions
    looks_inside = False

    def __init__(self, options: BackgroundSwapOptions, num_classes: int) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self._swap: BackgroundSwap | None = None
        self._told: dict[str, Any] = {}

    @property
    def follows_images(self) -> bool:
        """Swapped images are transformed like others, and those after it may have maps."""
        return True

    def description(self) -> dict[str, Any]:
        """How many images have another background, and how many none."""
        return self._told

    def identity(self) -> str:
        """Stands for the masks."""
        if self._swap is None:
            return ""
        parts = torch.split(self._swap.foregrounds, 1024)
        packed = [count for part in parts for count in part.flatten(1).sum(1).tolist()]
        return digest(packed, self.chosen)

    def prepare(self, run: Run) -> None:
        """Cut all training images once.

        Args:
            run: The run.

        Raises:
            OptionError: It is not the first algorithm, or no training image has a box.
        """
        if run.algorithms[0] is not self:
            raise OptionError(
                "background-swap begins from the stored images and must be the first of the algorithms"
            )
        images, boxes = run.batches.images, run.batches.boxes
        if boxes is None:
            raise OptionError(
                "background-swap needs boxes: these data have none. Data sets with boxes: 'boxes' (COCO, CSV, VOC and "
                "others), the planted and cluttered sets, tiny-imagenet"
            )
        streams = isinstance(images, StreamedImages)
        made = BackgroundSwap(
            images,
            boxes,
            mask=self.chosen.mask,
            fill=self.chosen.fill,
            folder=run.folder / "backgrounds" if streams else None,
        )
        without = int((~made.usable).sum())
        self._told = {"swapped": len(images) - without, "without boxes": without}
        if without:
            self._told["warnings"] = [
                f"{without} of {len(images)} training images keep their background: no box, or nothing beside it"
            ]
        self._swap = made.to(images.device)

    def change_batch(self, batch: Batch, run: Run) -> Batch:
        """The batch on other backgrounds.

        Args:
            batch: As it comes from the data.
            run: The run.

        Returns:
            The same foregrounds, crops and flips; a new batch.
        """
        assert self._swap is not None  # noqa: S101 - prepared
        swap, device = self._swap, self._swap.usable.device
        if run.progress < self.chosen.start:
            return batch
        rows = batch.indices.to(device).clamp_min(0)
        draws = stream(run.recipe.seed, "background swap", run.step)
        count = len(batch) * run.fabric.world_size
        share = slice(
            run.fabric.global_rank * len(batch), (run.fabric.global_rank + 1) * len(batch)
        )
        donors = swap.donors(count, draws)[share]
        coins = (torch.rand(count, generator=draws) < self.chosen.p)[share]
        if self.chosen.donors == "colours":
            colours = torch.randint(256, (count, batch.images.shape[1]), generator=draws)[share]
            whole = swap.painted(rows, colours.to(device, torch.uint8))
        else:
            whole = swap(rows, donors)
        if run.batches.transforms is not None:
            # drawn anew, colours too: all images of the batch go the same way
            whole = torch.where(coins.to(device)[:, None, None, None], whole, swap.images(rows))
            return run.batches.make_of(
                whole, batch.labels, indices=batch.indices, drawn=("background swap", run.step)
            )
        whole = whole.to(batch.images.device, non_blocking=True)
        kept = (batch.indices < 0) | ~coins.to(batch.indices.device)
        if batch.crops is not None:
            whole = batch.crops.apply(whole)
        swapped = whole.to(batch.images.dtype).div_(255)
        images = torch.where(kept[:, None, None, None], batch.images, swapped)
        layout = torch.channels_last if run.batches.channels_last else torch.contiguous_format
        return replace(batch, images=images.contiguous(memory_format=layout))

    def change_validation(self, data: LabeledImages, run: Run) -> LabeledImages:
        """Validation images on each other's backgrounds.

        Args:
            data: In memory.
            run: The run.

        Returns:
            The same labels.
        """
        if data.boxes is None or not any(len(one) for one in data.boxes):
            return data
        swap = BackgroundSwap(data.pixels, data.boxes, mask=self.chosen.mask, fill=self.chosen.fill)
        rows: Tensor = torch.arange(len(data))
        donors = swap.donors(len(data), stream(run.recipe.seed, "swapped validation"))
        return replace(data, images=swap(rows, donors))
