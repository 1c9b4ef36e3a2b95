"""Networks from a Python file of the user's."""

__all__ = ["build", "of_module"]

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from figureground.base.errors import FigureGroundError, ModelError, OptionError, unknown_option
from figureground.models.classifier import Classifier
from figureground.models.preprocessing import Preprocessing
from figureground.models.source import Found, Wanted, source

_PLAIN = Preprocessing(
    size=(224, 224),
    resize="crop",
    crop_fraction=0.875,
    interpolation="bilinear",
    mean=(0.0,) * 3,
    std=(1.0,) * 3,
)


def build(name: str, wanted: Wanted) -> Found:
    """What a function in a Python file returns. The file is run: use files that you trust.

    A bare module says how its images are prepared by an attribute ``preprocessing`` (ours) or ``pretrained_cfg`` or
    ``default_cfg`` (timm's form), and may have ``class_names``. Without the first, images are taken to be
    224 × 224 in [0, 1], and a note says so.

    Args:
        name: ``path/file.py:function``.
        wanted: ``arguments`` go to the function; whether the network is trained is up to it.

    Returns:
        The network (a module, or a ``Classifier`` as it is) with what is known of it.

    Raises:
        OptionError: No such function in the file, or it does not take the arguments.
        ModelError: No such file, it fails, or what it returns is no network.
    """
    path, _, factory_name = name.rpartition(":")
    file = Path(path)
    if not file.is_file():
        raise ModelError(f"no file {file} to take a model from")
    with _importable(file.resolve().parent):
        factory = _factory(_run(file), factory_name, file)
        network = _call(factory, wanted.arguments, name)
    if not isinstance(network, nn.Module):
        raise ModelError(f"{name} must return a torch.nn.Module, got {type(network).__name__}")
    return of_module(network, name)


def of_module(network: nn.Module, name: str = "") -> Found:
    """A network of the user's with what it says of itself.

    Args:
        network: A module, or a ``Classifier`` as it is.
        name: For notes; its class's where omitted.

    Returns:
        The network with what is known of it.
    """
    name = name or type(network).__name__
    if isinstance(network, Classifier):
        return Found(
            *(
                network,
                network.preprocessing,
                network.class_names,
                network.num_classes,
                network.notes,
            )
        )
    preprocessing, notes = _preprocessing(network, name)
    class_names = getattr(network, "class_names", None)
    return Found(
        network=network,
        preprocessing=preprocessing,
        class_names=tuple(map(str, class_names)) if class_names is not None else None,
        assumptions=notes,
    )


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the file import its neighbours, for as long as it is being used."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _run(file: Path) -> ModuleType:
    """The file as a module, under a name that cannot hide another module."""
    spec = importlib.util.spec_from_file_location(f"figureground_file_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ModelError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # dataclasses and pickling look their module up by name
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ModelError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _factory(module: ModuleType, name: str, file: Path) -> Callable[..., object]:
    """The function or class with this name."""
    factory = getattr(module, name, None)
    if not callable(factory):
        own = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
        ]
        raise unknown_option(f"function in {file}", name, own)
    return factory


def _call(factory: Callable[..., object], arguments: Mapping[str, Any], name: str) -> object:
    """What the function returns, with its failures as our errors."""
    try:
        return factory(**arguments)
    except FigureGroundError:
        raise
    except TypeError as error:
        raise OptionError(f"{name} cannot be called with {dict(arguments)}: {error}") from error
    except Exception as error:
        raise ModelError(f"{name} failed: {type(error).__name__}: {error}") from error


def _preprocessing(network: nn.Module, name: str) -> tuple[Preprocessing, tuple[str, ...]]:
    """What the module says of its images, or the plainest assumption and a note on it."""
    own = getattr(network, "preprocessing", None)
    if isinstance(own, Preprocessing):
        return own, ()
    config = (
        own or getattr(network, "pretrained_cfg", None) or getattr(network, "default_cfg", None)
    )
    if own is None and isinstance(config, Mapping):
        return source("timm").from_config(config), ()  # type: ignore[attr-defined]
    channels = _input_channels(network)
    plain = _PLAIN.changed({"channels": channels, **(own if isinstance(own, Mapping) else {})})
    if isinstance(own, Mapping):
        return plain, ()
    note = (
        f"{name} does not say how its images are prepared: assumed a 224 × 224 centre crop with values in "
        "[0, 1], not normalised. --size, --resize, --mean and --std say otherwise (in the library: preprocessing)."
    )
    return plain, (note,)


def _input_channels(network: nn.Module) -> int:
    """1 where the first convolution takes grey images, else 3."""
    first = next((part for part in network.modules() if isinstance(part, nn.Conv2d)), None)
    return 1 if first is not None and first.in_channels == 1 else 3
