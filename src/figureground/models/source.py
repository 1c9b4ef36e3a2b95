"""What a source of models is asked for, and what it returns."""

__all__ = [
    "LOGITS_OF_1001",
    "SOURCES",
    "UNTRAINED",
    "Found",
    "Source",
    "Wanted",
    "fetching",
    "reachable",
    "source",
]

import contextlib
import importlib
import io
import socket
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable
from urllib.parse import urlsplit

from torch import nn

from figureground.base.errors import ModelError, unknown_option
from figureground.models.preprocessing import Preprocessing
from figureground.models.zero_shot import Texts

UNTRAINED = "the network is untrained: what it says of images, and where, means nothing"
LOGITS_OF_1001 = "1001 logits: logit 0 was taken for background, logit 1 + k for ImageNet class k."
"""What a network of so many logits was taken for; void where it gets a head of its own."""

# by module name, imported on demand: timm and torchvision take seconds to import, and transformers is optional
SOURCES = {
    "timm": "figureground.models.from_timm",
    "torchvision": "figureground.models.from_torchvision",
    "hf": "figureground.models.from_hugging_face",
    "open_clip": "figureground.models.from_open_clip",
    "figureground": "figureground.models.from_figureground",
}


@dataclass(frozen=True)
class Wanted:
    """What to build.

    Args:
        trained: With the weights that the source has for the name; else with those of a fresh network.
        arguments: For the function that builds the network.
        texts: The classes of a zero-shot model; None for a classifier, which has its own.
        readout: Name of what its outputs are read as; None for a classifier's.
    """

    trained: bool = True
    arguments: Mapping[str, Any] = field(default_factory=dict)
    texts: Texts | None = None
    readout: str | None = None


@dataclass(frozen=True)
class Found:
    """What a source built.

    Args:
        network: The network; it may be a ``Classifier`` already where it comes from a file.
        preprocessing: How its images are prepared.
        class_names: One per logit, where known.
        num_classes: Number of logits, where known without running it.
        notes: What a user should know, in sentences.
        assumptions: What was assumed of the preprocessing, in sentences; void where the caller says how it is.
    """

    network: nn.Module
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None = None
    num_classes: int | None = None
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


@runtime_checkable
class Source(Protocol):
    """A source of models: a module with these two functions."""

    def build(self, name: str, wanted: Wanted) -> Found:
        """The network of this name, without the source's prefix."""

    def names(self) -> list[str]:
        """Every name that ``build`` knows, without the prefix; empty where they cannot be listed."""


def source(kind: str) -> Source:
    """The source with this prefix.

    Args:
        kind: ``timm``, ``torchvision``, ``hf``, ``open_clip`` or ``figureground``.

    Returns:
        The source, imported by now.

    Raises:
        OptionError: No such source.
    """
    return cast("Source", importlib.import_module(_module(kind)))


def reachable(address: str) -> bool:
    """Whether it is worth asking a server: its name resolves, or a proxy will resolve it.

    The zoos retry for most of a minute before they admit that there is no network; this takes no time.

    Args:
        address: With scheme and host.

    Returns:
        False where there is certainly no way to the server.
    """
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(urlsplit(address).hostname, None)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def fetching(name: str) -> Iterator[None]:
    """Run a download so that it prints nothing on stdout and its failure says what to do.

    Args:
        name: The model's full name, for the message.

    Yields:
        Nothing.

    Raises:
        ModelError: The weights could not be had.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except OSError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(
            f"cannot fetch {name}: {lines[0][:200]}. Give a weights file (--weights FILE; model.weights in a recipe) "
            "or take an untrained network (--random; model.pretrained=false); or fetch it once while online, after "
            "which it is cached on this machine"
        ) from error


def _module(kind: str) -> str:
    """The module of this source."""
    if kind not in SOURCES:
        raise unknown_option("model source", kind, SOURCES)
    return SOURCES[kind]
