"""What fine-tuning needs: parts that stay as they are, and parameters with their own learning rate and decay."""

__all__ = ["Frozen", "parameter_groups"]

from collections.abc import Iterable
from typing import Any

from timm.optim._param_groups import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from figureground.base.errors import OptionError
from figureground.training.last_linear import last_linear
from figureground.training.recipe import OptimiserSpec

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


class Frozen:
    """Parts of a network that training leaves as they are, running averages included.

    Args:
        network: The classifier; gradients of these parts are switched off.
        what: ``none``, ``norms`` (all normalisation layers), or ``body`` (all but the last linear layer).

    Raises:
        HeadError: The body is to be frozen, and there is no linear layer.
        OptionError: Norms are to be frozen, and there are none.

    Examples:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 3))
        >>> Frozen(network, "norms").hold()
        >>> [module.training for module in network], network[1].weight.requires_grad
        ([True, False, True], False)
    """

    def __init__(self, network: nn.Module, what: str) -> None:
        self._modules: list[nn.Module] = []
        if what == "norms":
            self._modules = [one for one in network.modules() if isinstance(one, _NORMS)]
            if not self._modules:
                raise OptionError("model.frozen: norms: this network has no normalisation layers")
        elif what == "body":
            head = last_linear(network)
            inside = {id(one) for one in head.modules()}
            leaves = [one for one in network.modules() if not any(True for _ in one.children())]
            self._modules = [one for one in leaves if id(one) not in inside]
            kept = {id(one) for one in head.parameters()}
            for parameter in network.parameters():  # class tokens and the like belong to no leaf
                parameter.requires_grad_(id(parameter) in kept and parameter.requires_grad)
        for one in self._modules:
            one.requires_grad_(requires_grad=False)

    def hold(self) -> None:
        """Put these parts into evaluation mode again, whatever mode the network was put into."""
        for one in self._modules:
            one.eval()


def parameter_groups(
    network: nn.Module, heads: Iterable[nn.Module], spec: OptimiserSpec
) -> list[dict[str, Any]]:
    """What an optimiser changes, each group with its learning rate and weight decay.

    Layers deeper in the network, counted from the output, learn more slowly by ``layer_decay`` each, as timm divides
    them; the last linear layer and the heads of algorithms have ``head_lr``.

    Args:
        network: The classifier; what requires no gradient takes no part.
        heads: Of algorithms.
        spec: The recipe's section.

    Returns:
        Groups for a torch optimiser; one, of all parameters, where the recipe asks for nothing else.

    Raises:
        OptionError: Layer decay, and timm finds no stages in the network.
        HeadError: A learning rate of the head, and there is no linear layer.
    """
    bodies = [parameter for parameter in network.parameters() if parameter.requires_grad]
    extras = [one for head in heads for one in head.parameters() if one.requires_grad]
    if spec.head_lr is None and spec.layer_decay is None and spec.decay == "all":
        return [{"params": [*bodies, *extras]}]
    head = {id(one) for one in last_linear(network).parameters()} if spec.head_lr else set()
    head |= {id(one) for one in extras}
    scales = _scales(network, spec)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for one in (*bodies, *extras):
        rate = (spec.head_lr or spec.lr) if id(one) in head else spec.lr * scales.get(id(one), 1.0)
        decay = 0.0 if spec.decay == "weights" and one.ndim <= 1 else spec.weight_decay
        groups.setdefault((rate, decay), []).append(one)
    return [
        {"params": some, "lr": rate, "weight_decay": decay}
        for (rate, decay), some in groups.items()
    ]


def _scales(network: nn.Module, spec: OptimiserSpec) -> dict[int, float]:
    """Parameter -> factor of the learning rate, by its depth."""
    if spec.layer_decay is None:
        return {}
    inner: nn.Module = getattr(network, "network", network)
    try:
        groups: list[dict[str, Any]] = param_groups_layer_decay(inner, layer_decay=spec.layer_decay)
    except (AttributeError, KeyError, AssertionError) as error:
        raise OptionError(_NO_STAGES) from error
    if len({group["lr_scale"] for group in groups}) < 2:
        raise OptionError(_NO_STAGES)
    return {id(one): group["lr_scale"] for group in groups for one in group["params"]}


_NO_STAGES = (
    "optimiser.layer_decay: timm finds no stages in this network, whose learning rates could differ; "
    "optimiser.head_lr sets that of the last layer"
)
