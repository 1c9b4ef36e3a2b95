"""The exception tree. Every error that figureground raises on purpose is one of these.

FigureGroundError
├── OptionError (ValueError)     an option, name or combination that does not exist
├── ShapeError (ValueError)      a tensor whose shape or type cannot be what was asked for
├── LayerError                   a layer that does not exist, was not reached or has no positions
├── HeadError                    a method needs a kind of classifier head that the model lacks
├── ModelError                   a model that cannot be found, built, loaded or run
├── DataError                    a file or data set that cannot be used
│   └── ImageError               one image that cannot be decoded
├── EngineError                  worker processes of a job keep ending, or one of them failed
└── MapError                     a map that holds no information where some was asked for
"""

__all__ = [
    "DataError",
    "EngineError",
    "FigureGroundError",
    "HeadError",
    "ImageError",
    "LayerError",
    "MapError",
    "ModelError",
    "OptionError",
    "ShapeError",
    "unknown_option",
]

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class FigureGroundError(Exception):
    """Root of everything that figureground raises on purpose."""


class OptionError(FigureGroundError, ValueError):
    """An option, a name or a combination of options that does not exist."""


class ShapeError(FigureGroundError, ValueError):
    """A tensor whose shape, type or length does not fit what was asked for."""


class LayerError(FigureGroundError):
    """A layer that does not exist, was not reached, or has no spatial extent."""


class HeadError(FigureGroundError):
    """A method needs a kind of classifier head that this model does not have."""


class ModelError(FigureGroundError):
    """A model that cannot be found, built, loaded or run."""


class DataError(FigureGroundError):
    """A file, folder or data set that cannot be used."""


class EngineError(FigureGroundError):
    """Worker processes of a job keep ending, or one of them failed."""


class ImageError(DataError):
    """One image that cannot be decoded; carries its ``path`` and the ``reason``."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str]]:
        # the default reduce replays the joined message as one argument and fails in a worker process
        return type(self), (self.path, self.reason)


class MapError(FigureGroundError):
    """A map that holds no information (blank, constant, not finite) where some was asked for."""


def unknown_option(kind: str, given: object, known: Iterable[str]) -> OptionError:
    """An error that says what was asked for, what is closest, and what exists.

    Args:
        kind: What the name stands for, in the singular ("method", "layer").
        given: What the caller wrote.
        known: Every name that would have worked.

    Returns:
        The error, ready to be raised.

    Examples:
        >>> print(unknown_option("method", "grad-cm", ["grad-cam", "eigen-cam"]))
        no method 'grad-cm'; closest: 'grad-cam'; known: eigen-cam, grad-cam
    """
    names = sorted(known)
    close = get_close_matches(str(given).lower(), names, n=1, cutoff=0.4)
    hint = f"; closest: '{close[0]}'" if close else ""
    shown = ", ".join(names[:40]) + (f", … ({len(names)} in all)" if len(names) > 40 else "")
    return OptionError(f"no {kind} '{given}'{hint}; known: {shown}")
