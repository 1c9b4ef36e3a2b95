"""Batch norms that were folded away: seen before a training, and given statistics again."""

__all__ = ["are_folded", "give_statistics"]

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from figureground.base.shapes import Images


def are_folded(network: nn.Module) -> bool:
    """Whether all batch norms hold mean 0 and variance 1: an export merged the real ones into other weights.

    Evaluation mode does not notice. In training mode such a network normalises every layer anew, and what it has
    learnt is lost.

    Args:
        network: With trained weights; a network that was never trained looks the same.

    Returns:
        Whether it has batch norms, and none of them has statistics.
    """
    norms = list(_norms(network).values())
    return bool(norms) and all(_is_blank(norm) for norm in norms)


@torch.no_grad()
def give_statistics(network: nn.Module, images: Images) -> None:
    """Put measured statistics into the batch norms; in evaluation mode the network computes what it computed.

    A norm ``y = (x - n)/sqrt(u + e)·w + b`` whose inputs have mean m and variance v becomes
    ``y = (x - m)/sqrt(v + e)·w' + b'`` with ``w' = w·sqrt((v + e)/(u + e))`` and ``b' = b + w·(m - n)/sqrt(u + e)``.

    Args:
        network: In evaluation mode; changed in place.
        images: ``(N, C, H, W)`` as the network takes them, some hundred of the training images.
    """
    norms = _norms(network)
    meters = {name: _Meter(norm) for name, norm in norms.items()}
    try:
        for name, meter in meters.items():
            _put(network, name, meter)
        for start in range(0, len(images), 32):
            network(images[start : start + 32])
    finally:
        for name, norm in norms.items():
            _put(network, name, norm)
    for meter in meters.values():
        meter.finish()


class _Meter(nn.Module):
    """Stands in the place of a norm and sums up what comes into it."""

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.norm = norm
        self.count = 0
        self.sums = torch.zeros(2, norm.num_features, dtype=torch.float64)

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401 - whatever the norm gives
        """What the norm gives."""
        values = x.detach().double().transpose(0, 1).flatten(1)
        self.sums += torch.stack([values.sum(1), values.square().sum(1)]).cpu()
        self.count += values.shape[1]
        return self.norm(x)

    def finish(self) -> None:
        """Statistics into the norm, its function unchanged."""
        norm = self.norm
        assert norm.running_mean is not None  # noqa: S101 - only such norms are measured
        assert norm.running_var is not None  # noqa: S101 - as above
        if not self.count:
            return
        mean, square = (self.sums / self.count).unbind()
        variance = (square - mean.square()).clamp_min(0)
        weight, bias = norm.weight.double().cpu(), norm.bias.double().cpu()
        scale = weight / (norm.running_var.double().cpu() + norm.eps).sqrt()
        shift = mean - norm.running_mean.double().cpu()
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(bias + scale * shift)


def _norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Norms that keep statistics and have weights to make up for them, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None and module.affine
    }


def _is_blank(norm: _BatchNorm) -> bool:
    """Whether the statistics are those of a norm that has seen nothing; some tools leave 1 less epsilon."""
    mean, variance = norm.running_mean, norm.running_var
    return (
        mean is not None
        and variance is not None
        and mean.abs().amax().item() < 1e-6
        and (variance - 1).abs().amax().item() < 1e-2
    )


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    """A module in the place of another."""
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
