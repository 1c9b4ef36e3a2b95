"""A head whose logits are scaled cosines: how long a feature or a class's vector is does not count."""

__all__ = ["CosineLinear"]

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class CosineLinear(nn.Module):
    """Logits that are scaled cosines between the feature and a vector for each output.

    Not linear in the pooled feature map: plain CAM is undefined for it, Grad-CAM is.

    Args:
        in_features: D.
        out_features: Outputs.
        scale: What the cosines are multiplied by.

    Examples:
        >>> layer = CosineLinear(2, 1, scale=4.0)
        >>> _ = layer.weight.data.copy_(torch.tensor([[0.0, 3.0]]))
        >>> layer(torch.tensor([[0.0, 5.0], [1.0, 0.0]])).tolist()
        [[4.0], [0.0]]
    """

    bias: None  # as of a linear layer without one

    def __init__(self, in_features: int, out_features: int, *, scale: float = 16.0) -> None:
        super().__init__()
        self.in_features, self.out_features, self.scale = in_features, out_features, scale
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.register_parameter("bias", None)
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, features: Float[Tensor, "N D"]) -> Float[Tensor, "N L"]:
        """The scaled cosines.

        Args:
            features: ``(N, D)``.

        Returns:
            ``(N, L)``, each within ``scale`` of 0.
        """
        return self.scale * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))
