"""Names for the shapes of tensors, used in annotations and checked while the tests run.

``N`` images, ``c`` their colours, ``H W`` their pixels, ``C`` channels and ``h w`` positions of a
feature map, ``K`` classes asked for, ``L`` all logits of a network. ``...`` stands for any leading axes.
"""

__all__ = [
    "Activations",
    "Boxes",
    "ChannelWeights",
    "ClassIndices",
    "FeatureMaps",
    "Gradients",
    "Images",
    "Labels",
    "Logits",
    "MapStack",
    "Maps",
    "MapsPerClass",
]

from jaxtyping import Float, Int
from torch import Tensor

Images = Float[Tensor, "N c H W"]
FeatureMaps = Float[Tensor, "N C h w"]
Logits = Float[Tensor, "N L"]
Labels = Int[Tensor, "N"]
ClassIndices = Int[Tensor, "N K"]
Maps = Float[Tensor, "N h w"]
MapsPerClass = Float[Tensor, "N K h w"]
MapStack = Float[Tensor, "... h w"]
Boxes = Float[Tensor, "B 4"]

# What a map method receives. ``#`` axes broadcast: one set of activations serves every class, and a
# gradient that is the same at every position (global average pooling + linear head) comes with h = w = 1.
Activations = Float[Tensor, "*#batch C h w"]
Gradients = Float[Tensor, "*#batch C #h #w"]
ChannelWeights = Float[Tensor, "*#batch C"]
