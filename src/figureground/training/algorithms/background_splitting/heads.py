"""Heads over one feature: rare classes and background, and the pseudo-classes that split the background."""

__all__ = ["BackgroundSplitHeads", "MergedHead", "copied_linear"]

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
        background: The background's logit, the same for every picture; None for one that is learned. 0.0 is a value
            like others.
        cosine_scale: Cosines times this in the main head; None for dot products, as in the official code.
        aux_init: The teacher's classifier; its weights are copied, not shared.

    Raises:
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
        _check_counts(num_rare, num_aux)
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


class MergedHead(nn.Module):
    """One softmax over N rare classes and K pseudo-classes of background: the background is the sum of the K.

    The background's logit is the log-sum-exp of the K. For a background picture, the main cross-entropy plus that of
    the second output is the cross-entropy over all N + K classes: train with ``aux_on="background"``. *Differs:* not in
    the paper; ours.

    Args:
        in_features: D.
        num_rare: N.
        num_aux: K.

    Examples:
        >>> main, split = MergedHead(3, 2, 5)(torch.ones(4, 3))
        >>> bool(torch.allclose(main[:, -1], split.logsumexp(1))), main.shape
        (True, torch.Size([4, 3]))
    """

    def __init__(self, in_features: int, num_rare: int, num_aux: int) -> None:
        super().__init__()
        _check_counts(num_rare, num_aux)
        self.num_rare = num_rare
        self.linear = nn.Linear(in_features, num_rare + max(1, num_aux))

    def forward(self, features: Features) -> tuple[Float[Tensor, "N L"], Float[Tensor, "N K"]]:
        """Logits of the rare classes with the background, and of its parts.

        Args:
            features: ``(N, D)``.

        Returns:
            ``(N, num_rare + 1)``, the background last; ``(N, K)``.
        """
        logits = self.linear(features)
        parts = logits[:, self.num_rare :]
        background = parts.logsumexp(1, keepdim=True)
        return torch.cat([logits[:, : self.num_rare], background], 1), parts


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


def _check_counts(num_rare: int, num_aux: int) -> None:
    """Refuse heads without rare classes."""
    if num_rare < 1 or num_aux < 0:
        raise OptionError(f"{num_rare} rare classes and {num_aux} pseudo-classes make no heads")
