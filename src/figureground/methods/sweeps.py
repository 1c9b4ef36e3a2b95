"""Runs of the network on other maps of a layer, or on other images: made when first asked for, and then shared."""

__all__ = ["Sweeps"]

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from figureground.base.shapes import FeatureMaps, Images, Logits
from figureground.capture import Above, Captured, LayerChoice, Precision, run_logits
from figureground.capture.head import ClassMapHead

Output = Callable[[Any], Tensor]
_AT_A_TIME = 2**20  # numbers


@dataclass
class Sweeps:
    """What a network says to changes of the images of one run, for one layer.

    A sweep gives all logits, so that it serves every class, and every method that asks for the same one.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)`` of the run.
        layer: The layer, with its grid.
        head: The linear head over the averaged maps of the layer, where there is one.
        precision: As the run had it.
        output: How to find the logits in what the model returns.
    """

    model: nn.Module
    images: Images
    layer: LayerChoice
    head: ClassMapHead | None
    precision: Precision
    output: Output | None = None
    _above: tuple[int, Above] | None = field(default=None, init=False, repr=False)
    _found: dict[Hashable, Tensor] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        model: nn.Module,
        images: Images,
        run: Captured,
        *,
        precision: Precision,
        output: Output | None,
    ) -> "dict[str, Sweeps]":
        """Those of every layer of a run.

        Args:
            model: The network (unwrapped).
            images: ``(N, C, H, W)`` as they went in.
            run: What the run left.
            precision: As the run had it.
            output: How to find the logits in what the model returns.

        Returns:
            Layer name -> sweeps.
        """
        return {
            name: cls(model, images, LayerChoice(name, "", grid), run.head(name), precision, output)
            for name, grid in run.grids.items()
        }

    def baseline(self, name: str) -> Tensor:
        """The colour that a masked pixel takes on.

        Args:
            name: ``mean``: the colour that the network sees as zero, the training mean of a ``Classifier``, which
                normalises inside, and 0 for images that the caller normalises. ``black``: 0 for either.

        Returns:
            ``(C, 1, 1)``.
        """
        # a classifier is known by its parts, since the room of the models is another
        mean: Any = getattr(self.model, "mean", None)
        if name == "mean" and isinstance(mean, Tensor) and hasattr(self.model, "preprocessing"):
            return mean.to(self.images).expand(self.images.shape[1], 1, 1)
        return self.images.new_zeros(self.images.shape[1], 1, 1)

    def parts(self, items: Tensor, one: Tensor) -> tuple[Tensor, ...]:
        """What is to be changed, as much at a time as the processor's cache or a graphics card's memory holds well.

        Args:
            items: One for each change, ``(M, ...)``.
            one: What is changed: maps ``(C, h, w)`` or an image.

        Returns:
            The items in parts of at most 256; none where there are no items.
        """
        numbers = _AT_A_TIME if one.device.type == "cpu" else 32 * _AT_A_TIME
        size = max(1, min(256, numbers // one.numel()))
        return torch.split(items, size) if len(items) else ()

    def replay(
        self, image: int, maps: FeatureMaps, *, keep: bool = True, graph: bool = False
    ) -> Logits:
        """Logits of the network with these maps in the place of the layer's.

        Args:
            image: Position in the batch.
            maps: ``(M, C, h, w)``.
            keep: Whether the maps stay as they are; see ``Above``.
            graph: Whether a graph leads from the logits back to the maps.

        Returns:
            ``(M, L)`` float32; by the linear head where there is one, else by running what lies above the layer.
        """
        if self.head is not None:
            return self.head.logits(maps)
        if self._above is None or self._above[0] != image:
            # of one image at a time: it holds what the layers below gave
            above = Above(
                self.model,
                self.images[image : image + 1],
                self.layer,
                precision=self.precision,
                output=self.output,
            )
            self._above = (image, above)
        return self._above[1].logits(maps, keep=keep, graph=graph)

    def rescore(self, images: Images) -> Logits:
        """Logits of other images, changes of those of the run.

        Args:
            images: ``(M, C, H, W)``.

        Returns:
            ``(M, L)`` float32.
        """
        if (
            self.precision != "fp32"
        ):  # half precision is faster with the channels last, by a fifth on a processor
            images = images.contiguous(memory_format=torch.channels_last)
        return run_logits(self.model, images, precision=self.precision, output=self.output)

    def once(self, key: Hashable, make: Callable[[int], Tensor]) -> Tensor:
        """What a sweep found for every image; made at the first call with this key.

        Args:
            key: Says what was swept: equal keys, equal sweeps.
            make: The sweep of one image, by its position in the batch.

        Returns:
            ``(N, ...)``: the results of the images, stacked.
        """
        if key not in self._found:
            self._found[key] = torch.stack([make(image) for image in range(len(self.images))])
        return self._found[key]
