"""Names of layers, and of one run of a layer that runs several times: ``backbone@1``."""

__all__ = ["module_of", "named_run", "shown_layer"]

from torch import nn


def named_run(name: str) -> tuple[str, int | None]:
    """The name of a layer, and which of its runs is meant.

    Args:
        name: ``backbone`` or ``backbone@1``.

    Returns:
        The dotted name, and the number of the run, from 1; None where the last run is meant.

    Examples:
        >>> named_run("network.backbone@2"), named_run("layer4")
        (('network.backbone', 2), ('layer4', None))
    """
    layer, _, run = name.rpartition("@")
    return (layer, int(run)) if layer and run.isdecimal() and int(run) > 0 else (name, None)


def shown_layer(name: str) -> str:
    """The name of a layer as its user knows it: that of the network which a classifier holds.

    Args:
        name: Its full name.

    Returns:
        The name that ``figureground ls layers`` lists, which is accepted wherever the full one is.

    Examples:
        >>> shown_layer("network.blocks.5@2")
        'blocks.5@2'
    """
    return name.removeprefix("network.")


def module_of(model: nn.Module, name: str) -> nn.Module:
    """The module of a layer, whichever of its runs is meant.

    Args:
        model: The network.
        name: Its full name, with or without a run.

    Returns:
        The module.
    """
    return model.get_submodule(named_run(name)[0])
