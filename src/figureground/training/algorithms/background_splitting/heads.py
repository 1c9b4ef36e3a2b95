"""Heads over one feature: rare classes and background, and the pseudo-classes that split the background."""

__all__ = ["BackgroundSplitHeads", "copied_linear"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import OptionError, ShapeError
from figureground.models.heads import CosineLinear

Features = Float[Tensor, "N D"]


class BackgroundSplitHeads(nn.Module):
    """A main head for N rare classes and the background, and an auxiliary head for K pseudo-classes.

    Args:
        in_features: D, of the feature that both read.
        num_rare: N.
        num_aux: K; 0 for no auxiliary head.
        background: The background's logit, the same for every image; None for one that is learned. 0.0 is a value
            like others.
        cosine_scale: Cosines times this in the main head; None for dot products, as in the official code.
        aux_init: The teacher's classifier; its weights are copied, not shared.

    Raises:
        OptionError: There is no rare class, fewer than 0 pseudo-classes, or an ``aux_init`` without pseudo-classes.
        ShapeError: ``aux_init`` does not map D to K.

    References:
        Mullapudi, Poms, Mark, Ramanan, Fatahalian (2021). Background splitting. CVPR, arXiv:2008.12873.

    Examples:
        >>> heads = BackgroundSplitHeads(3, 1, 5, background=0.0)
        >>> main, aux = heads(torch.ones(2, 3))
        >>> main.shape, main[:, -1].tolist(), aux.shape
        (torch.Size([2, 2]), [0.0, 0.0], torch.Size([2, 5]))
    """

    def __init__(
        self,
        in_features: int,
        num_rare: int,
        num_aux: int,
        *,
        background: float | None = None,
        cosine_scale: float | None = None,
        aux_init: nn.Linear | None = None,
    ) -> None:
        super().__init__()
        if num_rare < 1 or num_aux < 0 or (aux_init is not None and not num_aux):
            raise OptionError(
                f"heads need 1 rare class or more, and pseudo-classes for an aux_init; got {num_rare} and {num_aux}"
            )
        self.background = background
        outputs = num_rare + (background is None)
        self.main: nn.Module
        if cosine_scale is None:
            self.main = nn.Linear(in_features, outputs)
        else:
            self.main = CosineLinear(in_features, outputs, scale=cosine_scale)
        self.aux: nn.Module | None = None
        if num_aux:
            fresh = nn.Linear(in_features, num_aux)
            self.aux = fresh if aux_init is None else copied_linear(aux_init, fresh)

    def forward(self, features: Features) -> tuple[Float[Tensor, "N L"], Tensor | None]:
        """Logits of both heads.

        Args:
            features: ``(N, D)``.

        Returns:
            Main ``(N, num_rare + 1)``, the background last; auxiliary ``(N, K)``, or None.
        """
        main = self.main(features)
        if self.background is not None:
            main = torch.cat([main, main.new_full((len(main), 1), self.background)], 1)
        return main, None if self.aux is None else self.aux(features)


def copied_linear(source: nn.Linear, target: nn.Linear) -> nn.Linear:
    """The target with the source's weights, as copies.

    Args:
        source: Whose weights.
        target: Of the same shape; a bias that the source lacks becomes 0.

    Returns:
        The target.

    Raises:
        ShapeError: The shapes differ.
    """
    if source.weight.shape != target.weight.shape:
        raise ShapeError(
            f"the teacher's classifier is {tuple(source.weight.shape)}, the auxiliary head {tuple(target.weight.shape)}"
        )
    with torch.no_grad():
        target.weight.copy_(source.weight)
        given: Tensor | None = source.bias
        if target.bias is not None:
            target.bias.copy_(torch.zeros_like(target.bias) if given is None else given)
    return target
