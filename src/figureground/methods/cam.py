"""CAM: the classifier's own weights applied at every position."""

__all__ = ["CAM", "cam"]

from figureground.base.shapes import Activations, ChannelWeights, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def cam(activations: Activations, weights: ChannelWeights) -> MapStack:
    """How much each position adds to the class score of an average-pooled linear classifier.

    ``Σ_k w_k · A_k``, signed, bias left out: the mean over positions is the logit less the bias.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        weights: The linear layer's row of the class, ``(..., C)``.

    Returns:
        Raw maps ``(..., h, w)``; no ReLU, as in the paper.

    References:
        Zhou et al. (2016), equation 2, arXiv 1512.04150.

    Examples:
        >>> import torch
        >>> a = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])  # two channels, 1×2 positions
        >>> cam(a, torch.tensor([2.0, -1.0])).tolist()
        [[2.0, -1.0]]
    """
    return channel_sum(weights[..., None, None], activations)


class CAM(CamMethod):
    """Class activation map (Zhou et al. 2016), for networks whose logits are linear in the averaged feature map.

    That the head is of this kind is read from the network's own numbers, not from its name. All classes cost one matrix
    product. A function between the layer and the pooling (DenseNet's ReLU) is applied to the activations first.

    *Differs:* for a convolutional classifier (SqueezeNet: 1×1 convolution, ReLU, average pooling) the
    map is the classifier's own output for the class, after its ReLU and with its bias, since that is
    what is averaged into the logit.
    """

    entry = METHODS["cam"]
    adds_channels = True

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, signed."""
        assert inputs.class_maps is not None  # noqa: S101 - the explainer gives what `needs` lists
        return inputs.class_maps
