"""Photos through the network, as many at a time as the memory holds."""

__all__ = ["BatchExplainer", "batched", "default_batch_size", "placed"]

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

from figureground.base.errors import ModelError, OptionError
from figureground.methods import Explainer, Explanation
from figureground.methods.explainer import MethodSpec
from figureground.models import Classifier
from figureground.studies.photos import Failure, Photo

_CPU_BATCH, _OTHER_BATCH = 16, 256


class BatchExplainer:
    """Explains batches, in smaller parts once the memory has not sufficed.

    Args:
        explainer: Explains.
        methods: What for.
        classes: Their numbers, ``"topK"`` or None.
        most: Photos at a time, to begin with.
    """

    def __init__(
        self,
        explainer: Explainer,
        methods: MethodSpec,
        classes: str | list[int] | None,
        *,
        most: int,
    ) -> None:
        self._explainer = explainer
        self._methods = methods
        self._classes = classes
        self.most = most

    def __call__(self, photos: Sequence[Photo]) -> Iterator[tuple[Sequence[Photo], Explanation]]:
        """Explain a batch.

        Args:
            photos: The batch.

        Yields:
            Some of the photos and their explanation, until all are explained.

        Raises:
            ModelError: Not even one photo fits into the memory.
        """
        done = 0
        while done < len(photos):
            part = photos[done : done + self.most]
            explanation = self._tried(part)
            if explanation is not None:
                done += len(part)
                yield part, explanation
            elif len(part) == 1:
                raise ModelError(
                    "the memory does not suffice for one photo; try fewer methods, classes or layers, "
                    "a smaller --size or --precision bf16"
                )
            else:
                self.most = len(part) // 2

    def _tried(self, photos: Sequence[Photo]) -> Explanation | None:
        """The explanation, or None where the memory does not suffice."""
        device = next(iter(self._explainer.model.buffers())).device
        # the error is dropped before the next try: its traceback holds on to the tensors
        try:
            pixels = torch.stack([photo.pixels for photo in photos]).to(device)
            images = pixels.float().div_(255).contiguous(memory_format=torch.channels_last)
            return self._explainer(images, self._classes, self._methods)
        except torch.OutOfMemoryError:
            return None


def batched(
    photos: Iterable[Photo | Failure], size: int
) -> Iterator[tuple[list[Photo], list[Failure]]]:
    """Photos in batches, with the failures met on the way.

    Args:
        photos: In order.
        size: Photos in a batch.

    Yields:
        Up to ``size`` photos, and failures.
    """
    batch: list[Photo] = []
    failures: list[Failure] = []
    for one in photos:
        if isinstance(one, Failure):
            failures.append(one)
        else:
            batch.append(one)
        if len(batch) == size or len(failures) == size:
            yield batch, failures
            batch, failures = [], []
    if batch or failures:
        yield batch, failures


def default_batch_size(device: torch.device) -> int:
    """How many photos to begin with.

    Args:
        device: Where the network is.

    Returns:
        16 on a processor, where more gains nothing; 256 elsewhere.
    """
    return _CPU_BATCH if device.type == "cpu" else _OTHER_BATCH


@contextmanager
def placed(classifier: Classifier, device: torch.device) -> Iterator[None]:
    """The classifier on a device, its pictures channels-last; afterwards where and as it was.

    Args:
        classifier: The model.
        device: Where it shall run.

    Yields:
        Nothing.

    Raises:
        OptionError: The device cannot be used.
    """
    before = next(iter(classifier.buffers())).device
    format_before = _memory_format(classifier)
    try:
        _move(classifier, device, torch.channels_last)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"cannot use device '{device}': {str(error).splitlines()[0]}") from error
    try:
        yield
    finally:
        _move(classifier, before, format_before)


def _memory_format(classifier: Classifier) -> torch.memory_format:
    """Channels-last if any kernel is."""
    kernels = [value for value in classifier.parameters() if value.ndim == 4]
    last = any(not value.is_contiguous() for value in kernels)
    return torch.channels_last if last else torch.contiguous_format


def _move(classifier: Classifier, device: torch.device, form: torch.memory_format) -> None:
    classifier.to(device, memory_format=form)  # type: ignore[call-overload]
