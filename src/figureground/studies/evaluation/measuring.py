"""Measurements of many batches, part by part, in this process or another."""

__all__ = ["Measuring"]

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from figureground.engines import Part
from figureground.engines.work import Tick
from figureground.models.predicting import Portable, device_of
from figureground.studies.evaluation.image_set import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.tables import ImageProblem

Measured: TypeAlias = tuple[Mapping[str, np.ndarray | Tensor], Sequence[ImageProblem]]
"""Numbers of a batch by name, one row per image, and problems."""

_Rows: TypeAlias = tuple[dict[str, np.ndarray], list[tuple[str, str, str]]]


Measure: TypeAlias = Callable[[EvaluationBatch, Any], Measured | Callable[[], Measured]]
"""Numbers of a batch by a network; what needs the network no more may be returned as a function."""


class Measuring(Portable):
    """Columns and problems of each batch; a part's images are the rows of one batch.

    Args:
        measure: ``Evaluation.measure``.
        size: Rows of a batch.
        network: A ``Subject``, or the classifier where only predictions are measured; it stays where it is.
        images: The set.
    """

    def __init__(
        self,
        measure: Measure,
        size: int,
        *,
        network: Any,  # noqa: ANN401 - a Subject or a Classifier
        images: EvaluationSet,
    ) -> None:
        super().__init__(network.classifier if isinstance(network, Subject) else network)
        self._measure, self._size, self._network, self._images = measure, size, network, images

    @property
    def total(self) -> int:
        """How many images there are."""
        return len(self._images)

    def rows(self, number: int) -> range:
        """Rows of a batch.

        Args:
            number: Its place, from 0.

        Returns:
            Positions in the set.
        """
        return range(number * self._size, min((number + 1) * self._size, self.total))

    def stream(self, parts: Iterable[Part], tick: Tick) -> Iterator[tuple[str, _Rows]]:
        """Measure parts, decoding ahead of the network; what needs it no more is done beside the next one.

        Args:
            parts: In order.
            tick: Told of images that are done.

        Yields:
            Name of each part, its columns and its problems. What is measured comes also when the next part could not
            be, or was stopped: it shall not have to be measured again.
        """
        parts = list(parts)
        rows = [row for part in parts for row in part.images]
        lost = [part.images[at] for part in parts for at in part.lost]
        batches = self._images.batches(self._size, rows, lost=lost)
        before: tuple[str, Future[_Rows]] | None = None
        stopped: BaseException | None = None
        # measuring leaves the interpreter's lock most of the time, so it takes hardly anything from the network
        with ThreadPoolExecutor(1, thread_name_prefix="measure") as pool:
            try:
                for part, batch in zip(parts, batches, strict=True):
                    found = self._measured(batch, int(part.name))
                    if before is not None:
                        yield before[0], before[1].result()
                    before = (part.name, pool.submit(_rows, batch, found))
                    tick(len(part.images))
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it is raised below
                stopped = error
            if before is not None:
                yield before[0], before[1].result()
        if stopped is not None:
            raise stopped

    def _measured(self, batch: EvaluationBatch, number: int) -> Measured | Callable[[], Measured]:
        """Numbers of a batch, or how they are had."""
        if not len(batch):
            return {}, ()
        network = self._network
        device = network.device if isinstance(network, Subject) else device_of(network)
        return self._measure(batch.on(device, number), network)


def _rows(batch: EvaluationBatch, found: Measured | Callable[[], Measured]) -> _Rows:
    """What is stored of a batch."""
    measured, problems = found() if callable(found) else found
    columns: dict[str, np.ndarray] = {}
    if len(batch):
        columns = {
            "row": batch.rows.numpy(),
            "name": np.array(batch.names, np.str_),
            "label": batch.labels.numpy(),
        }
    columns |= {
        key: one.float().cpu().numpy() if isinstance(one, Tensor) else one
        for key, one in measured.items()
    }
    told = [(one.kind, one.where, one.message) for one in (*batch.problems, *problems)]
    return columns, told
