"""What can be done to a trained classifier afterwards: its last layer rescaled or trained anew."""

__all__ = ["retrained_head", "scaled_head", "tau_normalize"]

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.seeds import generator

_BATCH = 256


@checked
def tau_normalize(linear: nn.Linear, tau: float = 1.0) -> nn.Linear:
    """The layer with each output's weights divided by ``length**tau``, and without a bias.

    Ranks within a class stay as they are without the bias; predictions and probabilities change.

    Args:
        linear: A trained classifier; not changed.
        tau: 0 changes nothing but the bias.

    Returns:
        A new layer without bias.

    References:
        Kang et al. (2020). Decoupling representation and classifier for long-tailed recognition. ICLR,
        arXiv:1910.09217, eq. 5.

    Examples:
        >>> layer = nn.Linear(2, 1)
        >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 4.0]]))
        >>> [round(value, 4) for value in tau_normalize(layer).weight[0].tolist()]
        [0.6, 0.8]
    """
    lengths = linear.weight.detach().norm(dim=1, keepdim=True).clamp_min(1e-12)
    return _layer(linear.weight.detach() / lengths**tau, None)


@checked
def retrained_head(
    features: Float[Tensor, "n D"],
    labels: Int[Tensor, " n"],
    *,
    outputs: int,
    steps: int = 500,
    lr: float = 0.1,
    seed: int = 0,
) -> nn.Linear:
    """A fresh linear layer on fixed features, trained on batches that show each class equally often (cRT).

    Args:
        features: Of the training images.
        labels: -1 to ``outputs`` - 1; unlabelled ones are left out.
        outputs: Of the layer, the background included.
        steps: Of 256 images.
        lr: Of SGD with momentum 0.9, on a cosine.
        seed: Of initial weights and batches.

    Returns:
        The layer.

    Raises:
        ShapeError: No sample is labelled.

    References:
        Kang et al. (2020), arXiv:1910.09217, §4.

    Examples:
        >>> features = torch.tensor([[1.0], [-1.0]] * 8)
        >>> head = retrained_head(features, torch.tensor([0, 1] * 8), outputs=2, steps=20)
        >>> head(features[:2]).argmax(1).tolist()
        [0, 1]
    """
    numbers = generator(seed)
    bound = features.shape[1] ** -0.5
    weight = torch.empty(outputs, features.shape[1]).uniform_(-bound, bound, generator=numbers)
    head = _layer(weight, torch.zeros(outputs)).to(features.device)
    optimiser = torch.optim.SGD(head.parameters(), lr, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for indices in _balanced(labels, steps, numbers):
        optimiser.zero_grad()
        F.cross_entropy(head(features[indices]), labels[indices]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return head


@checked
def scaled_head(
    linear: nn.Linear,
    features: Float[Tensor, "n D"],
    labels: Int[Tensor, " n"],
    *,
    steps: int = 200,
    lr: float = 0.05,
    seed: int = 0,
) -> nn.Linear:
    """The layer with each output multiplied by a number of its own, learnt on balanced batches (LWS).

    The numbers are positive, so that each class's ranking by its logit is the same.

    Args:
        linear: A trained classifier; not changed.
        features: Of the training images.
        labels: -1 to the last output; unlabelled ones are left out.
        steps: Of 256 images.
        lr: Of Adam, for the logarithms of the numbers.
        seed: Of the batches.

    Returns:
        A new layer.

    Raises:
        ShapeError: No sample is labelled.

    References:
        Kang et al. (2020), arXiv:1910.09217, §4.
    """
    with torch.no_grad():
        logits = linear(features)
    logs = torch.zeros(linear.out_features, requires_grad=True, device=features.device)
    optimiser = torch.optim.Adam([logs], lr)
    for indices in _balanced(labels, steps, generator(seed)):
        optimiser.zero_grad()
        F.cross_entropy(logits[indices] * logs.exp(), labels[indices]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    scales = logs.detach().exp()
    own: Tensor | None = linear.bias
    bias = None if own is None else own.detach() * scales
    return _layer(linear.weight.detach() * scales[:, None], bias)


def _balanced(labels: Tensor, steps: int, numbers: torch.Generator) -> Iterator[Tensor]:
    """Rows of batches in which each class that has images comes equally often."""
    labels = labels.cpu()
    groups = [(labels == c).nonzero()[:, 0] for c in torch.unique(labels[labels >= 0]).tolist()]
    if not groups:
        raise ShapeError("no labelled image to train on")
    for _ in range(steps):
        classes = torch.randint(len(groups), (_BATCH,), generator=numbers)
        shares = torch.rand(_BATCH, generator=numbers)
        sizes = torch.tensor([len(group) for group in groups])[classes]
        at = (shares * sizes).long().minimum(sizes - 1)
        yield torch.stack(
            [groups[c][i] for c, i in zip(classes.tolist(), at.tolist(), strict=True)]
        )


def _layer(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A linear layer with these values, made without drawing any."""
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.clone())
    return layer
