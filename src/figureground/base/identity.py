"""What makes two jobs the same: equal networks, images and options have equal digests, all others differ."""

__all__ = ["digest", "file_identity", "model_identity", "path_identity", "shown"]

import hashlib
import inspect
import os
import re
from pathlib import Path

import torch
from torch import nn

from figureground.base.printable import printable

_LIBRARIES = ("figureground.", "timm.", "torch.", "torchvision.", "transformers.")


def digest(*described: object) -> str:
    """Stands for everything that is described.

    Args:
        described: Values whose ``repr`` tells all about them.

    Returns:
        Sixteen hexadecimal digits.
    """
    text = repr(described).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:16]


def model_identity(classifier: nn.Module | None) -> str:
    """Stands for a network: every parameter and buffer, its structure, preprocessing, class names and code.

    Args:
        classifier: The network, of which ``name``, ``preprocessing`` and ``class_names`` are read where it has them;
            None where no network takes part.

    Returns:
        Sixteen hexadecimal digits; the same on every device and in every memory format.
    """
    if classifier is None:
        return digest(None)
    values = hashlib.blake2b()
    for name, value in (*classifier.named_parameters(), *classifier.named_buffers()):
        values.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        plain = value.detach().cpu().contiguous().flatten()
        values.update(plain.view(torch.uint8).numpy().data)
    described = [
        getattr(classifier, name, None) for name in ("name", "preprocessing", "class_names")
    ]
    # layers without parameters, strides and the like; what a network prints may hold addresses in memory
    structure = re.sub(r" at 0x[0-9a-f]+", "", repr(classifier))
    return digest(values.hexdigest(), described, structure, _source_code(classifier))


def file_identity(path: Path) -> str:
    """Stands for a file as it is now: its place, size and time of change.

    Args:
        path: The file.

    Returns:
        Text that changes with the file; empty where there is none.
    """
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{path_identity(path)}|{status.st_size}|{status.st_mtime_ns}"


def path_identity(path: Path) -> str:
    """Stands for a place: the same however the path is written.

    Args:
        path: Any path.

    Returns:
        Twelve hexadecimal digits.
    """
    place = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
    return hashlib.sha256(os.fsencode(place)).hexdigest()[:12]


def shown(path: Path) -> str:
    """A path as text for any place: bytes that are no text become question marks, control characters escapes.

    Args:
        path: Any path.

    Returns:
        The text.
    """
    return printable(os.fsencode(path).decode("utf-8", "replace"))


def _source_code(network: nn.Module) -> list[str]:
    """Source of every class of modules that does not come from a library: an edited ``forward`` is another network."""
    classes = {type(module) for module in network.modules()}
    own = [one for one in classes if not f"{one.__module__}.".startswith(_LIBRARIES)]
    return sorted(map(_source_of, own))


def _source_of(kind: type[nn.Module]) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return f"{kind.__module__}.{kind.__qualname__}"
