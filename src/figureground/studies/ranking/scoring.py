"""Scores of many images, part by part, in this process or another."""

__all__ = ["Scoring"]

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from figureground.base.identity import shown
from figureground.base.outputs import class_logits, class_probabilities
from figureground.engines import Part
from figureground.engines.work import Tick
from figureground.metrics.classification import class_scores
from figureground.models import Classifier
from figureground.models.predicting import (
    Portable,
    default_batch_size,
    placed,
)
from figureground.studies.failures import Failure, lost_image
from figureground.studies.loading import LoadedImage, load_images
from figureground.studies.ranking.options import RankOptions


class Scoring(Portable):
    """The columns that are stored of each part.

    Args:
        classifier: The network; where it lies, and how, it is left.
        numbers: Classes that are sought.
        options: Score, images at a time, threads that decode.
        device: As for ``chosen_device``; in another process, as it finds one there.
    """

    def __init__(
        self,
        classifier: Classifier,
        numbers: list[int],
        *,
        options: RankOptions,
        device: str | None,
    ) -> None:
        super().__init__(classifier, device=device)
        self._classifier, self._numbers, self._options = classifier, numbers, options

    def stream(self, parts: Iterable[Part], tick: Tick) -> Iterator[tuple[str, dict[str, Any]]]:
        """Score parts, decoding ahead of the network.

        Args:
            parts: In order.
            tick: Told of images that are done.

        Yields:
            Name of each part and its columns.
        """
        parts, size = list(parts), self._options.batch_size or default_batch_size(self.device)
        images = load_images(
            (path for part in parts for at, path in enumerate(part.images) if at not in part.lost),
            self._classifier.preprocessing,
            workers=self._options.workers,
            waiting=max(64, 2 * size),
        )
        left = iter(parts)
        columns: list[dict[str, Any]] = []
        with placed(self._classifier, self.device), closing(images):
            groups = _groups(_with_lost(images, parts), map(_count, parts), size)
            part = next(left, None)
            for items, logits in _predicted(self._classifier, groups, self.device):
                assert part is not None  # noqa: S101 - groups come from parts
                columns.append(_columns(items, logits, self._numbers, score=self._options.score))
                tick(len(items))
                if sum(len(one["path"]) for one in columns) == len(part.images):
                    yield part.name, _joined(columns)
                    columns, part = [], next(left, None)


def _count(part: Part) -> int:
    return len(part.images)


def _joined(columns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([one[name] for one in columns]) for name in columns[0]}


def _with_lost(
    images: Iterator[LoadedImage | Failure], parts: Sequence[Part]
) -> Iterator[LoadedImage | Failure]:
    """Images in their places, failures in those of images that are not opened."""
    for part in parts:
        for at, path in enumerate(part.images):
            yield lost_image(shown(path)) if at in part.lost else next(images)


def _groups(
    images: Iterator[LoadedImage | Failure], counts: Iterable[int], size: int
) -> Iterator[list[LoadedImage | Failure]]:
    """Images in their order, up to ``size`` usable ones at a time, and never of two units."""
    # a network rounds by the size of its batch: a unit must have the same ones whenever it is done
    for count in counts:
        group: list[LoadedImage | Failure] = []
        usable = 0
        for one in islice(images, count):
            group.append(one)
            usable += isinstance(one, LoadedImage)
            if usable == size or len(group) == 4 * size:
                yield group
                group, usable = [], 0
        if group:
            yield group


def _predicted(
    classifier: Classifier, groups: Iterable[list[LoadedImage | Failure]], device: torch.device
) -> Iterator[tuple[list[LoadedImage | Failure], Tensor]]:
    """Each group and its logits, on the CPU; the next one is under way before a device is waited for."""
    before: tuple[list[LoadedImage | Failure], Tensor] | None = None
    for group in groups:
        pixels = [one.pixels for one in group if isinstance(one, LoadedImage)]
        logits = torch.zeros(0, classifier.num_classes or 1)
        if pixels:
            images = torch.stack(pixels).to(device, non_blocking=True).float().div_(255)
            with torch.inference_mode():
                logits = classifier(images.contiguous(memory_format=torch.channels_last))
        if before is not None:
            yield before[0], before[1].cpu()
        before = (group, logits)
    if before is not None:
        yield before[0], before[1].cpu()


def _columns(
    items: Sequence[LoadedImage | Failure], logits: Tensor, numbers: list[int], *, score: str
) -> dict[str, Any]:
    """What is stored of each image: the best class among those sought, -1 where the image could not be used."""
    scores = (
        class_scores(class_logits(logits.float()), score)[:, numbers].tolist()
        if len(logits)
        else []
    )
    shares = class_probabilities(logits.double())[:, numbers].tolist()
    nothing = [math.nan] * len(numbers)
    found: dict[str, list[Any]] = {
        name: [] for name in ("path", "best", "probability", "scores", "problem", "notices")
    }
    row = -1
    for item in items:
        mine, problem, path, notices = nothing, "", "", ""
        if isinstance(item, Failure):
            path, problem = item.path, item.reason or "cannot be used"
        else:
            row += 1
            path, mine = shown(item.path), scores[row]
            notices = json.dumps(list(map(asdict, item.notices))) if item.notices else ""
            problem = "" if all(map(math.isfinite, mine)) else "the model's output is not finite"
        at = -1 if problem else mine.index(max(mine))
        share = math.nan if problem else shares[row][at]
        row_of = (path, at, share, mine, problem, notices)
        for name, value in zip(found, row_of, strict=True):
            found[name].append(value)
    kinds = {"path": np.str_, "best": np.int64, "problem": np.str_, "notices": np.str_}
    return {
        name: np.array(values, dtype=kinds.get(name, np.float64)) for name, values in found.items()
    }
