"""A last linear layer fitted to features: weighted multinomial logistic regression, solved to its one minimum."""

__all__ = ["afr_weights", "fit_last_layer"]

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.training.groups import balanced_weights

_STEPS = 1_000
_FLAT = 1e-9  # largest entry of a gradient that counts as 0
_CONSTANT = (
    1e-6  # of the largest deviation: a feature that varies less tells nothing, and is not blown up
)


@checked
def fit_last_layer(
    features: Float[Tensor, "n D"],
    labels: Int[Tensor, " n"],
    *,
    outputs: int,
    l2: float = 1e-3,
    weights: Float[Tensor, " n"] | None = None,
    old: nn.Linear | None = None,
) -> nn.Linear:
    """The linear layer that fits features best, by multinomial logistic regression.

    Minimises ``sum_i w_i cross_entropy_i + l2 / 2 |theta - theta_old|^2``, where theta are weights and bias for
    standardised features (mean 0, standard deviation 1) and the w_i sum to 1. The sum is strictly convex, so there is
    one minimum; it is found in float64 by L-BFGS, and mean and deviation are folded back into weight and bias.

    Args:
        features: What the layer will be given.
        labels: -1 to ``outputs`` - 1; unlabelled ones, -1, are left out.
        outputs: Of the layer.
        l2: Strength of the penalty, above 0; of all weights and the bias.
        weights: How much each sample counts, from 0; all alike where omitted.
        old: The layer that the penalty pulls towards; towards zero where omitted.

    Returns:
        A new float32 layer on the features' device.

    Raises:
        OptionError: ``l2`` is not above 0, or ``outputs`` does not go with the labels or with ``old``.
        ShapeError: No sample is labelled or counts, a weight is negative, or a number is not finite.

    References:
        Kirichenko, Izmailov, Wilson (2023). Last layer re-training is sufficient for robustness to spurious
        correlations. ICLR, arXiv:2204.02937. *Differs:* the penalty is quadratic, not the sum of absolute values, and
        groups are weighted, not drawn.
        With ``old``: Qiu, Potapczynski, Izmailov, Wilson (2023). Simple and fast group robustness by automatic feature
        reweighting. ICML, arXiv:2306.11074.

    Examples:
        >>> features = torch.tensor([[1.0], [2.0], [7.0], [8.0]])
        >>> layer = fit_last_layer(features, torch.tensor([0, 0, 1, 1]), outputs=2)
        >>> layer(features).argmax(1).tolist()
        [0, 0, 1, 1]
    """
    known = labels >= 0
    given = torch.ones_like(labels, dtype=torch.float64) if weights is None else weights.double()
    found, labels, given = features[known].double(), labels[known], given[known]
    _check(found, labels, given, outputs=outputs, l2=l2, old=old)
    mean, scale = found.mean(0), found.std(0, correction=0)
    scale = torch.where(scale > _CONSTANT * scale.max(), scale, torch.ones_like(scale))
    columns = torch.cat([(found - mean) / scale, torch.ones_like(found[:, :1])], 1)
    towards = torch.zeros(outputs, columns.shape[1], dtype=torch.float64, device=found.device)
    if old is not None:
        weight, bias = old.weight.detach().double(), _bias(old).double()
        towards = torch.cat([weight * scale, (bias + weight @ mean)[:, None]], 1)
    best = _minimum(columns, labels, given / given.sum(), towards=towards, l2=l2)
    weight = best[:, :-1] / scale
    layer = nn.Linear(weight.shape[1], outputs, device="meta")
    layer.weight = nn.Parameter(weight.float())
    layer.bias = nn.Parameter((best[:, -1] - weight @ mean).float())
    return layer


@checked
def afr_weights(
    logits: Float[Tensor, "n K"], labels: Int[Tensor, " n"], *, gamma: float = 4.0
) -> Float[Tensor, " n"]:
    """Weights of automatic feature reweighting: ``exp(-gamma p_y)``, of which each class has the same sum.

    Args:
        logits: Of the network as it was.
        labels: 0 to K - 1.
        gamma: 0 makes every class count alike; the larger, the more images count that the network had wrong.

    Returns:
        Float64, which sum to 1.

    Raises:
        ShapeError: There is no image, or a label is out of range.

    References:
        Qiu, Potapczynski, Izmailov, Wilson (2023). Simple and fast group robustness by automatic feature reweighting.
        ICML, arXiv:2306.11074, with the balance of classes that their code offers.

    Examples:
        >>> logits = torch.tensor([[9.0, -9.0], [-9.0, 9.0], [0.0, 9.0]])
        >>> [round(value, 3) for value in afr_weights(logits, torch.tensor([0, 0, 1])).tolist()]
        [0.009, 0.491, 0.5]
    """
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < logits.shape[1]:
        raise ShapeError(f"labels are those of {logits.shape[1]} classes, from 0")
    probabilities = logits.double().softmax(1).gather(1, labels[:, None].long())[:, 0]
    return balanced_weights(labels.long(), torch.exp(-gamma * probabilities))


def _minimum(
    columns: Tensor, labels: Tensor, weights: Tensor, *, towards: Tensor, l2: float
) -> Tensor:
    """The one theta, ``(K, D + 1)``, at which the gradient is 0."""
    theta = towards.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [theta], max_iter=_STEPS, max_eval=2 * _STEPS, history_size=20,
        tolerance_grad=_FLAT, tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> Tensor:
        optimiser.zero_grad()
        losses = F.cross_entropy(columns @ theta.T, labels, reduction="none")
        total = (weights * losses).sum() + l2 / 2 * (theta - towards).square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    return theta.detach()


def _check(
    features: Tensor,
    labels: Tensor,
    weights: Tensor,
    *,
    outputs: int,
    l2: float,
    old: nn.Linear | None,
) -> None:
    """Refuse what has no minimum."""
    if not l2 > 0:
        raise OptionError(
            f"l2 must be above 0, not {l2}: without it the best weights may be infinite"
        )
    if not len(labels) or not weights.sum() > 0 or (weights < 0).any():
        raise ShapeError("some samples must be labelled and count, and none less than 0")
    if not (features.isfinite().all() and weights.isfinite().all()):
        raise ShapeError("a feature or a weight is not finite")
    if int(labels.max()) >= outputs:
        raise OptionError(f"label {int(labels.max())} needs more outputs than {outputs}")
    if old is not None and (old.out_features, old.in_features) != (outputs, features.shape[1]):
        raise OptionError(
            f"the old layer takes {old.in_features} features to {old.out_features} outputs, not {features.shape[1]} "
            f"to {outputs}"
        )


def _bias(layer: nn.Linear) -> Tensor:
    """Its bias, 0 where it has none."""
    own: Tensor | None = layer.bias
    return layer.weight.new_zeros(layer.out_features) if own is None else own.detach()
