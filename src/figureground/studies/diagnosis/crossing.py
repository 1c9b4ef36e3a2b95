"""Runs a network over originals, backgrounds, holes, composites and swapped cells; whatever is done is stored."""

__all__ = [
    "Answers",
    "Crossing",
    "InMemory",
    "Kept",
    "Network",
    "cross_scenes",
    "crossed_logits",
    "units_of",
]

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.errors import EngineError
from figureground.base.progress import Progress
from figureground.capture.taps import output_and_features
from figureground.data.splits import random_subset
from figureground.engines import Part, Where, results
from figureground.engines.work import Tick
from figureground.metrics.reliance import (
    Pairs,
    background_of,
    colour_thumbnail,
    composite,
    cross,
)
from figureground.models import Classifier
from figureground.models.predicting import Portable, device_of
from figureground.studies.diagnosis.cells import cell_losses, mean_cells
from figureground.studies.diagnosis.options import MASKS, DiagnoseOptions
from figureground.studies.diagnosis.scenes import Scenes

_ALONE, _PAIRS, _CELLS = 64, 256, 4  # rows of a unit
_CELL_STEP, _NESTED_STEP = 11, 101  # added to the seed, so that drawings are independent

Columns = dict[str, np.ndarray]
Score = Callable[[Tensor], Tensor]
_Work = dict[str, tuple[Callable[[Score, Tensor], Columns], Tensor]]


@runtime_checkable
class Kept(Protocol):
    """Where answers are kept: a ``Store``, or ``InMemory``."""

    def unfinished(self) -> list[str]:
        """Units that are still to be done."""

    def add_columns(self, unit: str, columns: Columns) -> None:
        """Keep what was measured."""

    def parts(self, only: Iterable[str] | None = None) -> Iterator[tuple[str, Columns]]:
        """What is kept of these units, or of all."""


class InMemory:
    """Answers that go with the process.

    Args:
        units: Those that will be done, in order.
    """

    def __init__(self, units: Iterable[str]) -> None:
        self._units = list(units)
        self._done: dict[str, Columns] = {}

    def unfinished(self) -> list[str]:
        """Units that are still to be done.

        Returns:
            In order.
        """
        return [unit for unit in self._units if unit not in self._done]

    def add_columns(self, unit: str, columns: Columns) -> None:
        """Keep what was measured.

        Args:
            unit: Which.
            columns: Name -> array.
        """
        self._done[unit] = columns

    def parts(self, only: Iterable[str] | None = None) -> Iterator[tuple[str, Columns]]:
        """What is kept.

        Args:
            only: Some units; None for all.

        Yields:
            Unit, and name -> array.
        """
        for unit in self._units if only is None else only:
            yield unit, self._done[unit]


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network says of composites with one kind of mask.

    Args:
        pairs: Positions among the scenes that took part.
        probabilities: Of the K classes that occur, in the order of ``Crossing.classes``.
        best: Highest class of all, as the network numbers them.
    """

    pairs: Pairs
    probabilities: Float[Tensor, "P K"]
    best: Tensor

    def hits(self, classes: Tensor) -> Float[Tensor, "P K"]:
        """1 where a class is the answer.

        Args:
            classes: As the network numbers them.

        Returns:
            One row a composite.
        """
        return (self.best[:, None] == classes).float()


@dataclass(frozen=True, eq=False)
class Crossing:
    """All that was measured.

    Args:
        scenes: The images.
        classes: Classes that occur, as the network numbers them.
        labels: Class of each scene, as a position in ``classes``.
        alone: Columns with a row for each scene: ``probability`` and ``best`` of the original, ``background`` and
            ``background_best`` of the background alone, ``hole`` and ``hole_best`` of the original with another's hole;
            ``thumbnail`` ``(N, 48)`` of the background and, where there are any, its ``features`` ``(N, D)``.
        answers: Mask -> answers.
        cells: Mean loss of log-probability where a cell of the background is replaced by another class's, less that by
            the class's own; NaN where too few images have background there. None where not measured.
        cell_errors: Their standard errors.
    """

    scenes: Scenes
    classes: Tensor
    labels: Tensor
    alone: Mapping[str, Tensor]
    answers: Mapping[str, Answers]
    cells: Float[Tensor, "g g"] | None
    cell_errors: Float[Tensor, "g g"] | None


class Network:
    """Logits of the classes, that of the background at minus infinity.

    Args:
        classifier: On its device.
        dropped: Output that stands for background; None for none.
    """

    def __init__(self, classifier: Classifier, dropped: int | None) -> None:
        self.classifier = classifier
        self._dropped, self._channels = dropped, classifier.preprocessing.channels

    def __call__(self, images: Tensor) -> Tensor:
        """Logits.

        Args:
            images: In [0, 1].

        Returns:
            ``(n, L)`` on the CPU.
        """
        with torch.inference_mode():
            logits = self.classifier(self._batch(images)).float().cpu()
        return self._answers(logits)

    def with_features(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and what the last linear layer was given, from one pass.

        Args:
            images: In [0, 1].

        Returns:
            ``(n, L)`` and ``(n, D)`` on the CPU; None where the network has no such layer.
        """
        with torch.inference_mode():
            logits, features = output_and_features(self.classifier, self._batch(images))
            logits = logits.float().cpu()
        return self._answers(logits), None if features is None else features.cpu().clone()

    def _batch(self, images: Tensor) -> Tensor:
        """As the network takes them."""
        if self._channels == 1:
            images = images[:, :1]
        return images.to(device_of(self.classifier)).contiguous(memory_format=torch.channels_last)

    def _answers(self, logits: Tensor) -> Tensor:
        """Logits of at least two classes."""
        logits = logits.clone()  # which may be changed, other than what inference mode made
        if logits.shape[1] == 1:  # one logit speaks for class 1
            logits = torch.cat([torch.zeros_like(logits), logits], 1)
        if self._dropped is not None:
            logits[:, self._dropped] = -torch.inf
        return logits


def crossed_logits(
    networks: Sequence[Score],
    scenes: Scenes,
    ends: Int[Tensor, "2 P"],
    *,
    mask: str,
    batch_size: int,
) -> Iterator[list[Tensor]]:
    """What several networks say of the same composites; each batch of these is made once and then forgotten.

    Args:
        networks: All of one input size.
        scenes: The images.
        ends: Rows of the scenes that give the foregrounds, and rows that give the backgrounds.
        mask: Along which the foregrounds are cut.
        batch_size: Composites at a time.

    Yields:
        For every batch the logits of each network.
    """
    for front, back in torch.split(ends, batch_size, dim=1):
        made = composite(
            scenes.images(front), scenes.objects(front, mask), scenes.without_objects(back, mask)
        )
        yield [network(made) for network in networks]


def cross_scenes(
    scenes: Scenes,
    network: Score,
    *,
    store: Kept,
    options: DiagnoseOptions,
    progress: Progress,
    prefix: str = "",
    probe: Score | None = None,
    where: Where = None,
) -> Crossing:
    """Measure what an earlier run has not measured.

    Args:
        scenes: The images.
        network: A ``Network`` on its device, or what else gives logits on the CPU.
        store: What is done already; those of ``units_of`` are among its wanted units.
        options: What is measured.
        progress: Called after every unit.
        prefix: Of the units, as for ``units_of``.
        probe: Backgrounds to their features; None takes those of the classifier, in the pass that is made anyway.
        where: Who asks the network; this process where omitted.

    Returns:
        All answers.
    """
    plan = _Plan(scenes, options, prefix, probe=probe)
    work = plan.work()
    parts = [Part(unit, work[unit][1].tolist()) for unit in store.unfinished() if unit in work]
    done, total = len(work) - len(parts), len(work)
    progress("asking the network", done, total)
    for unit, columns in results(Asking(plan.work, network, probe), parts, where, tick=_unheard):
        store.add_columns(unit, columns)
        done += 1
        progress("asking the network", done, total)
    return plan.gathered(store)


class Asking(Portable):
    """What a network says of composites, a unit a part.

    Args:
        plan: Gives for the name of each unit what measures it, and of which rows.
        network: Logits of images; a ``Network`` stays where it is.
        probe: The other network, if there is one.
    """

    def __init__(self, plan: Callable[[], _Work], network: Score, probe: Score | None) -> None:
        owners = [getattr(one, "classifier", None) for one in (network, probe)]
        super().__init__(*[one for one in owners if isinstance(one, Classifier)])
        self._plan, self._network = plan, network

    def stream(self, parts: Iterable[Part], tick: Tick) -> Iterator[tuple[str, Columns]]:
        """Measure one after the other.

        Args:
            parts: In order.
            tick: Told of rows that are done.

        Yields:
            Name of each part and its columns.

        Raises:
            EngineError: A part has ended processes; no image is opened here that could be left out.
        """
        work = self._plan()
        for part in parts:
            if part.lost:
                raise EngineError(
                    f"worker processes keep ending with part {part.name}: too little memory? Fewer --actors, or a "
                    "smaller --batch-size, would help"
                )
            measure, rows = work[part.name]
            yield part.name, measure(self._network, rows)
            tick(len(part.images))


def _unheard(_: int) -> None:
    """Units are counted, not rows."""


def units_of(scenes: Scenes, options: DiagnoseOptions, prefix: str = "") -> list[str]:
    """Names of the units of work.

    Args:
        scenes: The images.
        options: What is measured.
        prefix: Of the names, where several sets of scenes share a store.

    Returns:
        In order.
    """
    return list(_Plan(scenes, options, prefix).work())


class _Plan:
    """Which composites are made."""

    def __init__(
        self, scenes: Scenes, options: DiagnoseOptions, prefix: str, *, probe: Score | None = None
    ) -> None:
        self._scenes, self._options, self._prefix = scenes, options, prefix
        self._probe = probe
        self.classes, self.labels = torch.unique(scenes.labels, return_inverse=True)
        rounds, same = options.asked_rounds
        draw = partial(cross, rounds=rounds, same_rounds=same)
        self.pairs = {"given": draw(self.labels, seed=options.seed, groups=scenes.groups)}
        few = min(options.nested, len(scenes))
        if few and not options.quick:
            rows = random_subset(len(scenes), few, options.seed + _NESTED_STEP)
            inner = draw(self.labels[rows], seed=options.seed, groups=scenes.groups[rows])
            chosen = Pairs(rows[inner.foreground], rows[inner.background], inner.round)
            self.pairs |= {name: chosen for name in MASKS if name != "given"}
        self.cell_rows = torch.zeros(0, dtype=torch.int64)
        if options.cells and not options.quick:
            self.cell_rows = random_subset(len(scenes), options.cells, options.seed + _CELL_STEP)
        given = self.pairs["given"]
        ends = (given.foreground.flip(0).tolist(), given.background.flip(0).tolist())
        self._donor = dict(zip(*ends, strict=True))  # of the first round

    def work(self) -> _Work:
        """Name of each unit -> what measures it, and of which rows."""
        rows = torch.arange(len(self._scenes))
        found = _in_units("alone", self._alone, rows, size=_ALONE)
        for mask, pairs in self.pairs.items():
            ask = partial(self._composites, mask)
            found |= _in_units(mask, ask, torch.arange(len(pairs)), size=_PAIRS)
        found |= _in_units("cells", self._cells, self.cell_rows, size=_CELLS)
        return {f"{self._prefix}{name}": one for name, one in found.items()}

    def _alone(self, network: Score, rows: Tensor) -> Columns:
        """Originals, backgrounds alone, and originals with a hole in their background."""
        scenes, of_class = self._scenes, self._scenes.labels[rows]
        images, backgrounds = scenes.images(rows), scenes.without_objects(rows, "given")
        size = self._options.batch_size
        first, third = (_asked(network, one, size) for one in (images, self._holed(rows, images)))
        second, features = self._on_backgrounds(network, backgrounds)
        at = torch.arange(len(rows))
        return _arrays(
            **features,
            row=rows,
            probability=first.softmax(1)[at, of_class],
            best=first.argmax(1),
            background=second.softmax(1)[at, of_class],
            background_best=second.argmax(1),
            hole=third.softmax(1)[at, of_class],
            hole_best=third.argmax(1),
        )

    def _on_backgrounds(
        self, network: Score, backgrounds: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits of backgrounds alone, and what a probe is to be given of them."""
        told = {"thumbnail": colour_thumbnail(backgrounds)}
        parts, probe = torch.split(backgrounds, self._options.batch_size), self._probe
        if isinstance(network, Network) and probe is None:
            logits, features = zip(*(network.with_features(part) for part in parts), strict=True)
            if all(one is not None for one in features):
                told["features"] = torch.cat(features)
            return torch.cat(logits), told
        if probe is not None:
            told["features"] = torch.cat([probe(part) for part in parts])
        return torch.cat([network(part) for part in parts]), told

    def _holed(self, rows: Tensor, images: Tensor) -> Tensor:
        """Images with the hole of the first one that they are paired with cut out of their background and filled."""
        donors = torch.tensor([self._donor.get(int(row), int(row)) for row in rows])
        own, others = (self._scenes.objects(one, "given") for one in (rows, donors))
        return composite(images, own, background_of(images, others & ~own, fill=self._options.fill))

    def _composites(self, mask: str, network: Score, some: Tensor) -> Columns:
        """Composites of some pairs."""
        pairs = self.pairs[mask]
        front, back = pairs.foreground[some], pairs.background[some]
        asked = crossed_logits(
            (network,),
            self._scenes,
            torch.stack([front, back]),
            mask=mask,
            batch_size=self._options.batch_size,
        )
        logits = torch.cat([batch for (batch,) in asked])
        at = torch.arange(len(front))
        own = logits[at, self._scenes.labels[front]]
        return _arrays(
            foreground=front,
            background=back,
            round=pairs.round[some],
            best=logits.argmax(1),
            logit_foreground=own,
            logit_background=logits[at, self._scenes.labels[back]],
            log_sum_exp=logits.logsumexp(1),
            probabilities=logits.softmax(1)[:, self.classes],
        )

    def _cells(self, network: Score, rows: Tensor) -> Columns:
        """Losses by the swap of background cells."""
        losses = [
            cell_losses(self._scenes, self.labels, int(row), score=network, options=self._options)
            for row in rows
        ]
        return {"row": rows.numpy(), "loss": np.stack(losses)}

    def gathered(self, store: Kept) -> Crossing:
        """All that is stored, by what it is."""
        parts: dict[str, list[Columns]] = {}
        for unit, columns in store.parts(self.work()):
            kind = unit.removeprefix(self._prefix).rpartition("-")[0]
            parts.setdefault(kind, []).append(columns)
        whole = {name: _joined(some) for name, some in parts.items()}
        answers = {}
        for mask in self.pairs:
            one = whole[mask]
            pairs = Pairs(one["foreground"], one["background"], one["round"])
            answers[mask] = Answers(pairs, one["probabilities"], one["best"])
        cells, errors = mean_cells(whole["cells"]["loss"]) if "cells" in whole else (None, None)
        return Crossing(
            self._scenes, self.classes, self.labels, whole["alone"], answers, cells, errors
        )


def _in_units(
    name: str, ask: Callable[[Score, Tensor], Columns], rows: Tensor, *, size: int
) -> _Work:
    """Rows, so many a unit."""
    parts = torch.split(rows, size) if len(rows) else ()
    return {f"{name}-{number:05d}": (ask, part) for number, part in enumerate(parts)}


def _asked(network: Score, images: Tensor, batch_size: int) -> Tensor:
    """Logits of images in memory."""
    return torch.cat([network(part) for part in torch.split(images, batch_size)])


def _arrays(**columns: Tensor) -> Columns:
    return {name: value.numpy() for name, value in columns.items()}


def _joined(parts: list[Columns]) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(np.concatenate([one[name] for one in parts])) for name in parts[0]
    }
