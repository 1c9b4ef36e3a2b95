"""What makes two jobs the same: equal networks, images and options have equal digests, all others differ."""

__all__ = [
    "digest",
    "file_identity",
    "file_name",
    "model_identity",
    "path_identity",
    "shown",
    "tensor_identity",
]

import hashlib
import os
import re
from urllib.parse import quote

import torch
from torch import nn

from figureground.base.code import code_identity
from figureground.base.places import Member, Place, located
from figureground.base.printable import printable
from figureground.base.storage import RemoteFile


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
    named = [*classifier.named_parameters(), *classifier.named_buffers()]
    names, values = [name for name, _ in named], tensor_identity(*(value for _, value in named))
    described = [
        getattr(classifier, name, None) for name in ("name", "preprocessing", "class_names")
    ]
    # layers without parameters, strides and the like; what a network prints may hold addresses in memory
    structure = re.sub(r" at 0x[0-9a-f]+", "", repr(classifier))
    return digest(names, values, described, structure, code_identity(classifier))


def tensor_identity(*tensors: torch.Tensor) -> str:
    """Stands for the values of tensors, their types and shapes.

    Args:
        tensors: On any device, in any memory format.

    Returns:
        Sixteen hexadecimal digits.
    """
    values = hashlib.blake2b(digest_size=8)
    for one in tensors:
        values.update(f"{one.dtype} {tuple(one.shape)}".encode())
        plain = one.detach().cpu().contiguous().flatten()
        values.update(plain.view(torch.uint8).numpy().data)
    return values.hexdigest()


def file_identity(place: Place) -> str:
    """Stands for a file as it is now, or a part of one: its place, size and time of change.

    Args:
        place: The file; one in a storage counts as it was when it was listed.

    Returns:
        Text that changes with the file; empty where there is none.
    """
    if isinstance(place, Member):
        return f"{file_identity(place.file)}|{place.name}|{place.offset}|{place.size}"
    if isinstance(place, RemoteFile):
        return f"{path_identity(place)}|{place.size}|{place.version}"
    try:
        status = place.stat()
    except OSError:
        return ""
    return f"{path_identity(place)}|{status.st_size}|{status.st_mtime_ns}"


def file_name(*words: object, longest: int = 120) -> str:
    """Words as part of a file's name: readable, and different for different words.

    Args:
        words: Names and numbers; None is left out.
        longest: Bytes at most.

    Returns:
        The words between dots; what no file name can hold is written as ``%`` and a number.

    Examples:
        >>> file_name("grad-cam", "layer4.1", 0), file_name("a_b"), file_name("a/b", None)
        ('grad-cam.layer4.1.0', 'a_b', 'a%2Fb')
    """
    name = ".".join(
        quote(str(word), safe="+", errors="surrogateescape") for word in words if word is not None
    )
    return name if len(name) <= longest else f"{name[: longest - 17]}-{digest(name)}"


def path_identity(place: Place) -> str:
    """Stands for a place: the same however it is written.

    Args:
        place: Any.

    Returns:
        Twelve hexadecimal digits.
    """
    # two images in a larger file may have one name
    inside = f"|{place.offset}" if isinstance(place, Member) else ""
    return hashlib.sha256(os.fsencode(located(place) + inside)).hexdigest()[:12]


def shown(place: Place) -> str:
    """A place as text for a reader: bytes that are no text become question marks, control characters escapes.

    Args:
        place: Any.

    Returns:
        The text.
    """
    return printable(os.fsencode(str(place)).decode("utf-8", "replace"))
