"""Outputs of layers recorded while a network runs in somebody else's loop, with their graph where there is one."""

__all__ = ["InputTap", "output_and_features", "stage_layers", "tap_shapes", "tapped"]

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import LayerError
from figureground.base.shapes import Images
from figureground.capture.grid import first_tensor, with_first_tensor
from figureground.capture.head import Classifying, can_classify, classifying
from figureground.capture.layers import named_layer
from figureground.capture.naming import module_of, named_run
from figureground.capture.trace import Seen, look
from figureground.capture.untouched import borrowed, listening


class InputTap:
    """Remembers the images that a network is given in somebody else's passes, until it is closed.

    Args:
        model: The network.

    Attributes:
        images: The last images, or None.
        listening: Whether they are remembered.

    Examples:
        >>> network = nn.Identity()
        >>> tap = InputTap(network)
        >>> _ = network(torch.ones(1, 2))
        >>> tap.close()
        >>> tap.images
        tensor([[1., 1.]])
    """

    def __init__(self, model: nn.Module) -> None:
        self.images: Tensor | None = None
        self.listening = True
        self._handle = model.register_forward_pre_hook(self._keep, with_kwargs=True)

    def _keep(self, _module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """The first tensor among the arguments."""
        given = [one for one in (*inputs, *named.values()) if isinstance(one, Tensor)]
        if self.listening and given:
            self.images = given[0].detach().clone()  # a caller may write over it

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Passes of our own are not remembered."""
        before, self.listening = self.listening, False
        try:
            yield
        finally:
            self.listening = before

    def close(self) -> None:
        """No longer listen."""
        self._handle.remove()


@contextmanager
def tapped(model: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Record what layers return in every forward pass inside the block, in this thread.

    The network runs as its caller runs it: its mode, its precision and its graph stay as they are. What is recorded is
    safe from a ReLU that writes in place after the layer, as a copy goes on.

    Args:
        model: The network (unwrapped).
        layers: Names as for ``named_layer``.

    Yields:
        Layer name -> output of its last call; empty before the first.

    Raises:
        LayerError: No such layer, with the closest names; or one of several runs is named.

    Examples:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
        >>> with tapped(network, ["0"]) as kept:
        ...     _ = network(torch.zeros(1, 2))
        >>> kept["0"].shape, kept["0"].requires_grad
        (torch.Size([1, 2]), True)
    """
    if any(named_run(layer)[1] is not None for layer in layers):
        raise LayerError(
            "a run of a layer cannot be chosen here: what is recorded is its last call"
        )
    modules = {layer: module_of(model, named_layer(model, layer).name) for layer in layers}
    kept: dict[str, Tensor] = {}

    def keep(module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        tensor = first_tensor(output)
        if tensor is None:
            return None
        kept.update({layer: tensor for layer, one in modules.items() if one is module})
        return with_first_tensor(output, tensor.clone())

    with listening(dict.fromkeys(modules.values()), keep):
        yield kept


def output_and_features(
    model: nn.Module, images: Images
) -> tuple[Any, Float[Tensor, "N D"] | None]:
    """What the network returns, and what its last linear layer or 1×1 convolution was given in the same pass.

    The network runs as its caller runs it. The last layer is the one that runs last.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``.

    Returns:
        The output as it is, and ``(N, D)`` float32, averaged over positions where there are several; None where no such
        layer runs, or where its rows are not the images.

    Examples:
        >>> network = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(2, 3), nn.Softmax(1))
        >>> output_and_features(network, torch.tensor([[[[-1.0, 2.0]]]]))[1]
        tensor([[0., 2.]])
    """
    last: list[Classifying] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:  # noqa: ANN401
        found = classifying(module, inputs)
        if found is not None:
            last[:] = [found]

    with listening([one for one in model.modules() if can_classify(one)], keep):
        output = model(images)
    if not last or len(last[0].features) != len(images):
        return output, None
    features = last[0].features.detach().float()
    if features.ndim > 2:  # a convolution has its channels first, a linear layer last
        positions = (
            range(2, features.ndim) if last[0].weight.ndim == 4 else range(1, features.ndim - 1)
        )
        features = features.mean(tuple(positions))
    return output, features.clone()


def tap_shapes(
    model: nn.Module, layers: Sequence[str], images: Images
) -> tuple[tuple[int, ...], ...]:
    """Shapes of what layers return for one image, found by running the network once in evaluation mode.

    Args:
        model: The network (unwrapped); left as it was.
        layers: Names as for ``named_layer``.
        images: ``(N, C, H, W)``.

    Returns:
        One shape for each layer, without the images' axis.

    Raises:
        LayerError: No such layer, or one that does not run.
    """
    with torch.no_grad(), borrowed(model), tapped(model, layers) as kept:
        model(images)
    missing = [layer for layer in layers if layer not in kept]
    if missing:
        raise LayerError(f"layer '{missing[0]}' was not reached when the model ran")
    return tuple(tuple(kept[layer].shape[1:]) for layer in layers)


def stage_layers(
    model: nn.Module, images: Images, output: Callable[[Any], Tensor] | None = None
) -> tuple[str, ...]:
    """The last feature map of every resolution, in the order of the network: the outputs of its stages.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``; the first one is used.
        output: How to find the logits in what the model returns.

    Returns:
        Layer names, the finest map first; of modules that hand on the same tensor, the outermost one, and of equals the
        later one.

    Raises:
        LayerError: No layer has more than one position.

    Examples:
        >>> pool = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(4, 4, 1))
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 1), pool, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> stage_layers(network, torch.zeros(1, 3, 4, 4))
        ('0', '1')
    """
    spatial = {
        seen.name: seen for seen in look(model, images, output).spatial() if len(seen.shape) == 4
    }
    outside = [seen for seen in spatial.values() if not _on_the_way(seen, spatial)]
    if not outside:
        raise LayerError(f"no layer of {type(model).__name__} gives maps (N, C, h, w)")
    last = {seen.shape[2:]: seen for seen in outside}
    names = []
    for seen in sorted(last.values(), key=lambda one: one.order):
        same = [one for one in outside if one.tensor == seen.tensor]
        names.append(min(same, key=lambda one: (one.name.count("."), -one.order)).name)
    return tuple(names)


def _on_the_way(seen: Seen, spatial: dict[str, Seen]) -> bool:
    """Whether a block around it changes the resolution once more: what an inner layer of a block gives is no stage."""
    parts = seen.name.split(".")
    around = (spatial.get(".".join(parts[:end])) for end in range(1, len(parts)))
    return any(
        one is not None
        and not isinstance(one.module, nn.Sequential)
        and one.shape[2:] != seen.shape[2:]
        for one in around
    )
