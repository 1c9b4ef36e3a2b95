"""What can be done to a trained classifier afterwards: its last layer rescaled, shifted or trained anew."""

__all__ = ["logit_adjust", "retrained_head", "scaled_head", "tau_normalize"]

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from figureground.base.errors import ShapeError
from figureground.base.seeds import generator
from figureground.base.shapes import Logits
from figureground.training.algorithms.background_splitting.class_shares import log_priors

_BATCH = 256


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


def logit_adjust(logits: Logits, class_counts: Sequence[int], *, tau: float = 1.0) -> Logits:
    """Logits less the logarithms of the classes' shares.

    Args:
        logits: ``(N, L)``.
        class_counts: Training pictures of each output, the background included.
        tau: Weight of the logarithms.

    Returns:
        ``(N, L)``; each class's ranking by its logit is the same.

    Raises:
        ShapeError: Another number of counts than outputs.

    References:
        Menon et al. (2021), arXiv:2007.07314, eq. 9.

    Examples:
        >>> [round(value, 4) for value in logit_adjust(torch.zeros(1, 2), [1, 3])[0].tolist()]
        [1.3863, 0.2877]
    """
    if len(class_counts) != logits.shape[1]:
        raise ShapeError(f"{len(class_counts)} class counts for {logits.shape[1]} outputs")
    return logits - tau * log_priors(class_counts).to(logits)


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
        features: Of the training pictures.
        labels: -1 to ``outputs`` - 1; unlabelled ones are left out.
        outputs: Of the layer, the background included.
        steps: Of 256 pictures.
        lr: Of SGD with momentum 0.9, on a cosine.
        seed: Of initial weights and batches.

    Returns:
        The layer.

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
    for rows in _balanced(labels, steps, numbers):
        optimiser.zero_grad()
        F.cross_entropy(head(features[rows]), labels[rows]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return head


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
        features: Of the training pictures.
        labels: -1 to the last output; unlabelled ones are left out.
        steps: Of 256 pictures.
        lr: Of Adam, for the logarithms of the numbers.
        seed: Of the batches.

    Returns:
        A new layer.

    References:
        Kang et al. (2020), arXiv:1910.09217, §4.
    """
    with torch.no_grad():
        logits = linear(features)
    logs = torch.zeros(linear.out_features, requires_grad=True, device=features.device)
    optimiser = torch.optim.Adam([logs], lr)
    for rows in _balanced(labels, steps, generator(seed)):
        optimiser.zero_grad()
        F.cross_entropy(logits[rows] * logs.exp(), labels[rows]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    scales = logs.detach().exp()
    own: Tensor | None = linear.bias
    bias = None if own is None else own.detach() * scales
    return _layer(linear.weight.detach() * scales[:, None], bias)


def _balanced(labels: Tensor, steps: int, numbers: torch.Generator) -> Iterator[Tensor]:
    """Rows of batches in which each class that has pictures comes equally often."""
    labels = labels.cpu()
    groups = [(labels == c).nonzero()[:, 0] for c in torch.unique(labels[labels >= 0]).tolist()]
    if not groups:
        raise ShapeError("no labelled picture to train on")
    for _ in range(steps):
        classes = torch.randint(len(groups), (_BATCH,), generator=numbers)
        places = torch.rand(_BATCH, generator=numbers)
        sizes = torch.tensor([len(group) for group in groups])[classes]
        at = (places * sizes).long().minimum(sizes - 1)
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
