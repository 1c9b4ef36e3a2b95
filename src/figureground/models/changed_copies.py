"""Copies of a network whose parameters are randomised from the top, or in which MC dropout is on."""

__all__ = ["mc_dropout_copies", "randomised_copies"]

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.models.classifier import Classifier


def randomised_copies(
    classifier: Classifier, *, seed: int, shares: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
) -> dict[str, Classifier]:
    """Copies whose topmost layers have forgotten what they learned: the cascade of the sanity checks.

    The weights, biases and statistics of a layer are put in random order, each tensor in itself: sizes stay
    those of a trained network, what was learned is gone.

    Args:
        classifier: The network. Not changed.
        seed: Of the shuffling; every copy continues the one before it.
        shares: Shares of the layers with parameters, counted from the top (last in the order of registration);
            at least one layer each.

    Returns:
        ``top 1 of 12 layers`` and so on -> copy.

    Raises:
        OptionError: The network has no parameters, or a share is outside [0, 1].

    References:
        Adebayo et al. (2018), Sanity checks for saliency maps, sec. 3.1, arXiv:1810.03292. *Differs:* shuffled, not
        drawn anew, so that no layer's way to initialise has to be known.
    """
    names = [name for name, module in classifier.named_modules() if _own(module)]
    if not names or not all(0 <= share <= 1 for share in shares):
        raise OptionError(
            f"a network with parameters and shares in [0, 1] are needed, not {shares}"
        )
    counts = sorted({max(1, round(share * len(names))) for share in shares})
    copies = {}
    for count in counts:
        source = generator(seed)
        one = copy.deepcopy(classifier)
        for name in reversed(names[-count:]):
            for tensor in _own(one.get_submodule(name)):
                _shuffle(tensor, source)
        copies[f"top {count} of {len(names)} layers"] = one.eval()
    return copies


def mc_dropout_copies(classifier: Classifier, *, runs: int, seed: int) -> list[Classifier]:
    """Copies in which dropout drops: the same units for every image and call of one copy.

    Args:
        classifier: The network. Not changed.
        runs: How many copies.
        seed: Of the first copy's mask; the next ones count on.

    Returns:
        The copies; none where the network has no dropout that drops anything.
    """
    names = [
        name
        for name, module in classifier.named_modules()
        if isinstance(module, _DropoutNd) and 0 < module.p < 1
    ]
    return [_with_masks(classifier, names, seed + run) for run in range(runs)] if names else []


class _FixedDropout(nn.Module):
    """Dropout with one mask for good."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self.share, self.seed = share, seed

    def forward(self, values: Tensor) -> Tensor:
        """The values with some channels' positions at zero and the rest scaled up."""
        drawn = torch.rand(values.shape[1:], generator=generator(self.seed)).to(values.device)
        return values * (drawn >= self.share).to(values.dtype) / (1 - self.share)


def _with_masks(classifier: Classifier, names: list[str], seed: int) -> Classifier:
    one = copy.deepcopy(classifier)
    for number, name in enumerate(names):
        parent, _, last = name.rpartition(".")
        old = one.get_submodule(name)
        assert isinstance(old, _DropoutNd)  # noqa: S101 - chosen as such
        setattr(one.get_submodule(parent), last, _FixedDropout(old.p, 1009 * seed + number))
    return one.eval()


def _own(module: nn.Module) -> list[Tensor]:
    """A layer's own tensors, in a fixed order; none for a layer without parameters."""
    own = list(module.parameters(recurse=False))
    return [*own, *module.buffers(recurse=False)] if own else []


def _shuffle(tensor: Tensor, source: torch.Generator) -> None:
    """Put the numbers of a tensor in random order, in place."""
    order = torch.randperm(tensor.numel(), generator=source).to(tensor.device)
    with torch.no_grad():
        tensor.copy_(tensor.flatten()[order].reshape(tensor.shape))
