"""How much of a network's attribution lies beside the object, as numbers that can be trained on."""

__all__ = ["attribution_maps", "energy_outside", "gradient_outside"]

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import FeatureMaps, Images, Labels, Logits, Maps


@checked
def attribution_maps(logits: Logits, activations: FeatureMaps, labels: Labels) -> Maps:
    """The map of each image's own class, with a graph: gradient times activation, summed over the channels.

    Of a network that averages its last feature map before one linear layer it is ``Σ_k W[y, k] A_k / (h w)``, the class
    activation map, and its slopes reach features and weights alike.

    Args:
        logits: ``(N, L)``, computed from the activations, with their graph.
        activations: ``(N, C, h, w)``, a layer's output in that graph.
        labels: ``(N,)``, whose logit; one that is no logit's number gives a map of zeros.

    Returns:
        ``(N, h, w)``, signed, in single precision or better.

    Raises:
        ShapeError: The logits were not computed from these activations with a graph.

    References:
        Draelos & Carin (2020), equation 6, arXiv 2011.08891 (HiRes-CAM).

    Examples:
        >>> a = torch.tensor([[[[1.0, 2.0]]]], requires_grad=True)
        >>> attribution_maps(3 * a.mean((2, 3)), a, torch.tensor([0])).tolist()
        [[[1.5, 3.0]]]
    """
    own = labels[:, None] == torch.arange(logits.shape[1], device=labels.device)
    maps = (activations * _slope((logits * own).sum(), activations)).sum(1)
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


@checked
def energy_outside(
    maps: Maps, masks: Bool[Tensor, "N H W"] | Float[Tensor, "N H W"]
) -> Float[Tensor, " N"]:
    """Share of each map's positive part that lies outside the object.

    ``1 - Σ_inside A⁺ / Σ A⁺``; 0 where a map has no positive part, since nothing lies outside then.

    Args:
        maps: One an image, signed; of any resolution.
        masks: True, or a share in [0, 1], on the object, over the same frame; averaged within the cells of the maps.

    Returns:
        Shares in [0, 1], differentiable by the maps.

    References:
        Rao, Böhle, Parchami-Araghi, Schiele (2023). Studying How to Efficiently and Effectively Guide Models with
        Explanations. ICCV, arXiv 2303.11932 (the Energy loss). *Differs:* their code gives 1 to a map without a
        positive part.

    Examples:
        >>> one_map = torch.tensor([[[3.0, 1.0], [-2.0, 0.0]]])
        >>> energy_outside(one_map, torch.tensor([[[True, False], [False, False]]])).tolist()
        [0.25]
    """
    # relu and not clamp: its slope at 0 is 0, so that a blank map gives none
    positive = maps.relu()
    outside = F.adaptive_avg_pool2d(1 - masks.to(maps.dtype), (maps.shape[1], maps.shape[2]))
    total = positive.sum((1, 2)).clamp_min(torch.finfo(maps.dtype).tiny)
    return (positive * outside).sum((1, 2)) / total


@checked
def gradient_outside(
    logits: Logits, images: Images, masks: Bool[Tensor, "N H W"] | Float[Tensor, "N H W"]
) -> Float[Tensor, " N"]:
    """How strongly pixels beside the object move the answers: squared input gradients, summed.

    ``Σ_outside (∂ Σ_k log p_k / ∂x)²`` over pixels and channels.

    Args:
        logits: ``(N, L)``, computed from the images, with their graph.
        images: ``(N, C, H, W)``, which require a gradient.
        masks: True, or a share in [0, 1], on the object.

    Returns:
        One number an image, from 0, differentiable by the network's weights.

    Raises:
        ShapeError: The logits were not computed from these images with a graph, or the masks have another size.

    References:
        Ross, Hughes, Doshi-Velez (2017). Right for the right reasons: training differentiable models by constraining
        their explanations. IJCAI, arXiv 1703.03717, equation 3 (the first term over A).

    Examples:
        >>> x = torch.tensor([[[[1.0, 2.0]]]], requires_grad=True)
        >>> pair = torch.cat([x.sum((1, 2, 3))[:, None], torch.zeros(1, 1)], 1)
        >>> round(gradient_outside(pair, x, torch.tensor([[[True, False]]])).item(), 4)
        0.8193
    """
    slope = _slope(logits.float().log_softmax(1).sum(), images)
    outside = 1 - masks.to(slope.dtype)[:, None]
    return (outside * slope).square().sum((1, 2, 3))


def _slope(summed: Tensor, inputs: Tensor) -> Tensor:
    """The gradient of a number by one of its inputs, with a graph of its own."""
    slope = None
    if summed.requires_grad and inputs.requires_grad:
        (slope,) = torch.autograd.grad(summed, inputs, create_graph=True, allow_unused=True)
    if slope is None:
        raise ShapeError("the logits do not depend on this tensor by a graph")
    return slope
