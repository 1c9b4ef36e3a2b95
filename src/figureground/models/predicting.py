"""Running a classifier over images: one place for the device, the memory format and the batches."""

__all__ = [
    "Portable",
    "chosen_device",
    "default_batch_size",
    "default_workers",
    "device_of",
    "in_batches",
    "placed",
    "predict",
]

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.base.progress import Progress, no_progress
from figureground.base.shapes import Images, Logits
from figureground.models.classifier import Classifier

_CPU_BATCH, _OTHER_BATCH = 16, 256
_MOST_WORKERS = 8


def chosen_device(name: str | None) -> torch.device:
    """The device that is asked for.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1``, ...; None takes CUDA where there is one.

    Returns:
        The device.

    Raises:
        OptionError: There is no such kind of device.
    """
    try:
        return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise OptionError(f"no device '{name}'; known: cpu, cuda, cuda:1, mps, xpu") from None


def device_of(network: nn.Module) -> torch.device:
    """Where a network is.

    Args:
        network: Any network with parameters or buffers.

    Returns:
        The device of the first of them.
    """
    return next(
        value.device for values in (network.parameters(), network.buffers()) for value in values
    )


def default_batch_size(device: torch.device) -> int:
    """How many images at a time to begin with: 16 on a processor, where more gains nothing; 256 elsewhere.

    Args:
        device: Where the network runs.

    Returns:
        The number of images.
    """
    return _CPU_BATCH if device.type == "cpu" else _OTHER_BATCH


def default_workers(asked: int | None) -> int:
    """How many threads decode images: as asked, or one per core and eight at most.

    Args:
        asked: A number, or None.

    Returns:
        The number of threads.
    """
    return asked or min(_MOST_WORKERS, os.cpu_count() or 1)


@contextmanager
def placed(classifier: Classifier, device: torch.device) -> Iterator[Classifier]:
    """The classifier on a device in channels-last format and in evaluation mode; afterwards where and as it was.

    Args:
        classifier: The network.
        device: Where it shall run.

    Yields:
        The classifier.

    Raises:
        OptionError: The device cannot be used.
    """
    before, training = device_of(classifier), classifier.training
    kernels = [value for value in classifier.parameters() if value.ndim == 4]
    last = any(not value.is_contiguous() for value in kernels)
    try:
        _move(classifier, device, torch.channels_last)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"cannot use device '{device}': {str(error).splitlines()[0]}") from error
    try:
        yield classifier.eval()
    finally:
        _move(classifier, before, torch.channels_last if last else torch.contiguous_format)
        classifier.train(training)


def in_batches(images: UInt8[Tensor, "N C H W"], size: int) -> Iterator[Images]:
    """Images in [0, 1], some at a time.

    Args:
        images: Pixels from 0 to 255.
        size: How many at a time.

    Yields:
        ``(n, C, H, W)`` float32.
    """
    for part in torch.split(images, size):
        yield part.float().div_(255)


def predict(
    classifier: Classifier,
    images: UInt8[Tensor, "N C H W"],
    *,
    batch_size: int = 128,
    progress: Progress = no_progress,
) -> Logits:
    """Logits of images that are in memory as the network takes them.

    Args:
        classifier: In evaluation mode, on its device.
        images: Pixels from 0 to 255.
        batch_size: How many at a time.
        progress: Called after every batch.

    Returns:
        ``(N, L)`` float32 on the CPU.
    """
    device, found = device_of(classifier), []
    for number, batch in enumerate(in_batches(images, batch_size), start=1):
        with torch.inference_mode():
            found.append(classifier(batch.to(device)).float().cpu())
        progress("predicting", min(number * batch_size, len(images)), len(images))
    return torch.cat(found).clone()


def _move(classifier: Classifier, device: torch.device, form: torch.memory_format) -> None:
    classifier.to(device, memory_format=form)  # type: ignore[call-overload]


class Portable:
    """Work with networks, which can be sent to other processes. Here the networks stay where and as they are.

    Args:
        classifiers: The networks; None for one that does not take part.
        device: As for ``chosen_device``; another process chooses its own.
    """

    def __init__(self, *classifiers: Classifier | None, device: str | None = None) -> None:
        self._networks = [one for one in classifiers if one is not None]
        self.device = chosen_device(device)

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which has devices of its own."""
        return {name: value for name, value in vars(self).items() if name != "device"}

    @contextmanager
    def packed(self) -> Iterator[None]:
        """For the way to other processes, where there may be no such device."""
        with ExitStack() as stack:
            for one in self._networks:
                stack.enter_context(placed(one, torch.device("cpu")))
            yield

    def settle(self) -> None:
        """Move the networks to the device of this process, for good."""
        self.device = chosen_device(None)
        for one in self._networks:
            one.to(self.device)
