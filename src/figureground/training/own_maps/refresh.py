"""Maps of the training images: from whole, un-erased images, by the network in evaluation mode."""

__all__ = ["MapSource", "cached_maps", "image_maps"]

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from figureground.base.errors import ModelError, OptionError
from figureground.base.shapes import Images, Labels, Maps
from figureground.capture import (
    ClassMapHead,
    LayerChoice,
    choose_layer,
    named_layer,
    plain_model,
    run_once,
)
from figureground.data.streamed import StreamedImages
from figureground.maps import normalise
from figureground.methods import Explainer
from figureground.methods.method import find_methods
from figureground.training.own_maps.cache import CamCache
from figureground.training.recipe import RecipePart
from figureground.training.run import Run


class MapSource(RecipePart):
    """Where maps come from: a ``method`` of the registry, at a ``layer`` (found by looking where omitted)."""

    method: str = "grad-cam"
    layer: str | None = None
    batch_size: int = Field(default=256, ge=1)


_GRAD_CAM = MapSource()


@torch.no_grad()
def image_maps(
    model: nn.Module,
    images: Tensor | StreamedImages,
    labels: Labels,
    *,
    indices: Int[Tensor, " n"] | None = None,
    source: MapSource = _GRAD_CAM,
) -> Float[Tensor, "n h w"]:
    """The map of each image's own class, each stretched to [0, 1] after its negative part is cut off.

    Grad-CAM of a network that averages its last feature map before one linear layer is read from that layer's weights,
    without a gradient; of others it takes one small backward pass above the layer. Modes, parameters, their ``.grad``
    and running averages of the model stay as they were.

    Args:
        model: The classifier, images in [0, 1] to logits.
        images: ``(M, C, H, W)`` uint8, or floats in [0, 1], on any device; or streamed.
        labels: ``(M,)`` beside them; a negative one stands for no class.
        indices: ``(n,)``, which images; all where omitted.
        source: Method, layer, batch size.

    Returns:
        ``(n, h, w)`` on the model's device; zeros where there is no class, or no evidence for it.

    Raises:
        ModelError: The network normalises by the batch's own statistics even in evaluation mode, so that a
            image's map would depend on its neighbours.
        OptionError: The method gives several maps per image.

    References:
        Selvaraju et al. (2017), arXiv:1610.02391.
    """
    network = plain_model(model)
    _check(network)
    device = next((p.device for p in network.parameters()), images.device)
    if indices is None:
        indices = torch.arange(len(labels), device=labels.device)
    maker: _Maker | None = None
    found = []
    for part in torch.split(indices, source.batch_size):
        part_images = images[part.to(images.device)].to(device, non_blocking=True)
        if not part_images.is_floating_point():
            part_images = part_images.float().div_(255)
        classes = labels[part.to(labels.device)].to(device, non_blocking=True)
        maker = maker or _Maker(network, part_images, source)
        maps = normalise(maker(part_images, classes.clamp(min=0)), relu=True, on_blank="zeros")
        found.append(maps * (classes >= 0)[:, None, None])
    return torch.cat(found)


def cached_maps(run: Run, num_classes: int, source: MapSource = _GRAD_CAM) -> CamCache:
    """The maps of all training images by the network as it is now, each process making its share.

    Args:
        run: The run.
        num_classes: Of the data; images with other labels have maps of zeros.
        source: Method, layer, batch size.

    Returns:
        The same maps in every process, on the device of training.
    """
    labels = run.batches.labels
    known = labels.masked_fill(labels >= num_classes, -1)
    world, rank = run.fabric.world_size, run.fabric.global_rank
    # the last indices of an uneven division begin again at the first: shares of one length can be gathered
    indices = torch.arange(rank, -(-len(labels) // world) * world, world) % len(labels)
    with run.fabric.autocast():
        maps = image_maps(run.network, run.batches.images, known, indices=indices, source=source)
    indices = indices.to(maps.device)
    if world > 1:
        indices, maps = (_gathered(part, run) for part in (indices, maps))
    cache = CamCache(len(labels), (maps.shape[1], maps.shape[2]), run.device)
    cache.put(indices, maps)
    return cache


def _gathered(part: Tensor, run: Run) -> Tensor:
    """The shares of all processes, one after the other."""
    every = run.fabric.all_gather(part)
    assert isinstance(every, Tensor)  # noqa: S101 - a tensor was given
    return every.flatten(0, 1)


class _Maker:
    """Raw maps of a batch, by the cheapest way that gives them exactly; what it takes is found out once."""

    def __init__(self, network: nn.Module, images: Images, source: MapSource) -> None:
        self.network = network
        self.method = find_methods(source.method)
        some = images[:2]
        self.layer: LayerChoice = (
            choose_layer(network, some)
            if source.layer is None
            else named_layer(network, source.layer)
        )
        run = run_once(network, some, [self.layer])
        self.layer = LayerChoice(self.layer.name, self.layer.reason, run.grids[self.layer.name])
        head = run.head(self.layer.name)
        closed = head is not None and head.constant_gradient and "grad-cam" in self.method
        self.head: ClassMapHead | None = head if closed else None
        self.explainer = Explainer(network, layer=self.layer.name)

    def __call__(self, images: Images, classes: Labels) -> Maps:
        """``(N, h, w)``, not negative."""
        if self.head is None:
            (name,) = self.method
            explained = self.explainer(images, classes, list(self.method.values()))
            maps = explained.map_of(name)
            if maps.shape[1] != 1:
                raise OptionError(f"{name} gives {maps.shape[1]} maps per image; one is needed")
            return maps[:, 0].float()
        run = run_once(self.network, images, [self.layer])
        activations = run.activations[self.layer.name]
        # the gradient of a logit is its row of weights over the number of positions, everywhere
        weights = self.head.weight[classes] / activations[0, 0].numel()
        return torch.einsum("nc,nchw->nhw", weights, activations).relu()


def _check(network: nn.Module) -> None:
    """Refuse a network whose images influence one another even in evaluation mode."""
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ModelError(
                f"'{name}' normalises by the statistics of the batch even in evaluation mode: the map of an image "
                "would depend on its neighbours; keep running averages (track_running_stats=True)"
            )
