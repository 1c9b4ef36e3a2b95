"""Every run of every arm on the same composites, each made once."""

__all__ = ["CrossedArms", "CrossedRun", "Scenery", "crossed_arms"]

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.errors import DataError
from figureground.base.progress import Progress
from figureground.data.lazy import FileDecoder
from figureground.metrics.reliance import Pairs, cross
from figureground.models import Preprocessing
from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.options import CompareOptions
from figureground.studies.diagnosis.crossing import Network, crossed_logits
from figureground.studies.diagnosis.options import MASKS, DiagnoseOptions
from figureground.studies.diagnosis.scenes import Scenes, check_enough, read_scenes
from figureground.studies.evaluation.image_set import EvaluationSet
from figureground.studies.evaluation.items import Source, items_of
from figureground.studies.evaluation.tables import ImageProblem
from figureground.studies.training.runs import TrainedRun

_PLAN = DiagnoseOptions()  # rounds, fill and the least pull of a class are those of a diagnosis


@dataclass(frozen=True, eq=False)
class CrossedRun:
    """What one run says of the images of its key, and of their composites.

    Args:
        alone: Best class of each original.
        best: Mask -> best class of each composite.
        probabilities: Of the classes that occur, for each composite along the annotated mask.
    """

    alone: Int[Tensor, " n"]
    best: Mapping[str, Int[Tensor, " p"]]
    probabilities: Float[Tensor, "p K"]


@dataclass(frozen=True, eq=False)
class Scenery:
    """The images of one key.

    Args:
        scenes: Way of preprocessing -> scenes, and the rows in them of images that can take part in every way.
        names: Of these images.
        labels: Their classes.
        pairs: Positions among them, for all networks and masks alike.
    """

    scenes: Mapping[Preprocessing, tuple[Scenes, Tensor]]
    names: tuple[str, ...]
    labels: Int[Tensor, " n"]
    pairs: Pairs


@dataclass(frozen=True, eq=False)
class CrossedArms:
    """All answers. Runs whose data were divided by different seeds have images, and so composites, of their own.

    Args:
        scenery: Key of a division -> its images; those of one key stand after those of another in what is below.
        classes: Those that occur, as the networks number them.
        arms: Arm -> key -> answers of its runs.
        problems: Images that took no part, and why.
    """

    scenery: Mapping[int, Scenery]
    classes: Int[Tensor, " K"]
    arms: Mapping[str, Mapping[int, tuple[CrossedRun, ...]]]
    problems: tuple[ImageProblem, ...]

    @property
    def labels(self) -> Int[Tensor, " N"]:
        """Class of each image, as a position in ``classes``."""
        labels = torch.cat([one.labels for one in self.scenery.values()])
        return torch.searchsorted(self.classes, labels)

    @property
    def pairs(self) -> Pairs:
        """All pairs, as positions among all images."""
        parts, before = [], 0
        for one in self.scenery.values():
            parts.append(
                (one.pairs.foreground + before, one.pairs.background + before, one.pairs.round)
            )
            before += len(one.labels)
        return Pairs(*map(torch.cat, zip(*parts, strict=True)))

    def hits(self, arm: str, mask: str) -> Float[Tensor, "P K"]:
        """Of the runs of an arm, the share whose answer to a composite is a class.

        Args:
            arm: Its name.
            mask: Along which the composites are cut.

        Returns:
            One row a pair.
        """
        return self._means(arm, lambda one, _: (one.best[mask][:, None] == self.classes).float())

    def probabilities(self, arm: str) -> Float[Tensor, "P K"]:
        """Probability of each class for each composite along the annotated mask, averaged over the runs of an arm.

        Args:
            arm: Its name.

        Returns:
            One row a pair.
        """
        return self._means(arm, lambda one, _: one.probabilities)

    def right(self, arm: str) -> Float[Tensor, " N"]:
        """Of the runs of an arm, the share that is right on each original.

        Args:
            arm: Its name.

        Returns:
            One number an image.
        """
        return self._means(arm, lambda one, of: (one.alone == of.labels).float())

    def _means(self, arm: str, numbers: Callable[[CrossedRun, Scenery], Tensor]) -> Tensor:
        """Over the runs of each key, one key after another."""
        return torch.cat(
            [
                reduce(torch.add, (numbers(one, self.scenery[key]) for one in runs)) / len(runs)
                for key, runs in self.arms[arm].items()
            ]
        )


@contextmanager
def crossed_arms(
    arms: Sequence[Arm],
    images: HeldOut,
    *,
    folder: Path,
    options: CompareOptions,
    progress: Progress,
) -> Iterator[CrossedArms]:
    """Ask all runs about the same composites; originals and backgrounds lie on disk until the end.

    Args:
        arms: The arms.
        images: The test images, with boxes.
        folder: Where there is room for 12 bytes a pixel.
        options: Limit, seed and batch size.
        progress: Called throughout.

    Yields:
        The answers.

    Raises:
        DataError: The images have no boxes, too few of them can be crossed, or the disk is full.
    """
    runs = [run for arm in arms for run in arm.runs]
    with ExitStack() as stack:
        read = partial(_read, folder=folder, stack=stack, progress=progress)
        scenery = {
            key: _scenery(
                [run for run in runs if images.key(run) == key],
                images,
                read=read,
                seed=options.seed,
            )
            for key in sorted({images.key(run) for run in runs})
        }
        classes = torch.unique(torch.cat([one.labels for one in scenery.values()]))
        asking = _Asking(classes, options.batch_size, progress=progress)
        asking.total = sum(
            len(MASKS) * len(one.pairs) * len(one.scenes) for one in scenery.values()
        )
        answers: dict[TrainedRun, CrossedRun] = {}
        for key, one in scenery.items():
            for way in one.scenes:
                some = [run for run in runs if images.key(run) == key and _way(run) == way]
                answers |= dict(zip(some, asking(one, way, some), strict=True))
        by_arm = {
            arm.name: {
                key: tuple(answers[run] for run in arm.runs if images.key(run) == key)
                for key in scenery
            }
            for arm in arms
        }
        yield CrossedArms(scenery, classes, by_arm, _lost(scenery))


def _read(
    images: HeldOut, run: TrainedRun, *, folder: Path, stack: ExitStack, progress: Progress
) -> Scenes:
    """The images of a run, on disk until the stack is left."""
    shown = _evaluation_set(images, run)
    scenes = read_scenes(shown, folder, fill=_PLAN.fill, progress=progress)
    stack.callback(scenes.close)
    check_enough(scenes, shown)
    return scenes


def _scenery(
    runs: Sequence[TrainedRun],
    images: HeldOut,
    *,
    read: Callable[[HeldOut, TrainedRun], Scenes],
    seed: int,
) -> Scenery:
    """The images of runs of one key, once for each way of preprocessing, and how they are paired."""
    scenes: dict[Preprocessing, Scenes] = {}
    for run in runs:
        if _way(run) not in scenes:
            scenes[_way(run)] = read(images, run)
    first = next(iter(scenes.values()))
    common = set(first.names).intersection(*(one.names for one in scenes.values()))
    rows = {way: _rows(one, common) for way, one in scenes.items()}
    of_first = next(iter(rows.values()))
    labels = first.labels[of_first]
    pairs = cross(
        labels,
        rounds=_PLAN.rounds,
        same_rounds=_PLAN.same_rounds,
        seed=seed,
        groups=first.groups[of_first],
    )
    front, back = pairs.classes(labels)
    if not (front == back).any():
        raise DataError(
            f"no class of {images.description} has two images that can be crossed, so that there is no accuracy on "
            "backgrounds of the own class to compare with"
        )
    names = tuple(first.names[row] for row in of_first.tolist())
    return Scenery({way: (scenes[way], rows[way]) for way in scenes}, names, labels, pairs)


def _way(run: TrainedRun) -> Preprocessing:
    """How a run's images are made, its normalisation aside, which comes after the composite."""
    preprocessing = run.classifier.preprocessing
    channels = preprocessing.channels
    return replace(preprocessing, mean=(0.0,) * channels, std=(1.0,) * channels)


def _evaluation_set(images: HeldOut, run: TrainedRun) -> EvaluationSet:
    """The test images of a run, with its own preprocessing."""
    data = images.of(run).data
    if data.boxes is None or not any(len(one) for one in data.boxes):
        raise DataError(
            f"the images ({images.description}) have no boxes, without which nothing tells the background: leave "
            "--background out, or name images with boxes, such as --data boxes:PLACE"
        )
    preprocessing = run.classifier.preprocessing
    decoded = data.decoded_by(FileDecoder(preprocessing.value_range))
    items = items_of(decoded, "image", identity=images.description)
    source = Source(items, images.description, class_names=data.class_names)
    return EvaluationSet(source, data.labels.tolist(), preprocessing)


def _rows(scenes: Scenes, names: set[str]) -> Tensor:
    """Rows of the images of these names."""
    return torch.tensor([row for row, name in enumerate(scenes.names) if name in names])


def _lost(scenery: Mapping[int, Scenery]) -> tuple[ImageProblem, ...]:
    """Images that took no part; of those that are left out in several ways of preprocessing, each reason once."""
    found: list[ImageProblem] = []
    for one in scenery.values():
        problems = [problem for scenes, _ in one.scenes.values() for problem in scenes.problems]
        found += dict.fromkeys(problems)
    return tuple(found)


class _Asking:
    """Puts originals and composites to runs of one preprocessing."""

    def __init__(self, classes: Tensor, batch_size: int, *, progress: Progress) -> None:
        self._classes, self._size, self._progress = classes, batch_size, progress
        self.total, self._done = 0, 0

    def __call__(
        self, one: Scenery, way: Preprocessing, runs: Sequence[TrainedRun]
    ) -> list[CrossedRun]:
        """Answers of each run."""
        networks = [
            Network(run.classifier, run.num_classes if run.has_background else None) for run in runs
        ]
        scenes, rows = one.scenes[way]
        ends = torch.stack([rows[one.pairs.foreground], rows[one.pairs.background]])
        alone: list[list[Tensor]] = [[] for _ in runs]
        for some in torch.split(rows, self._size):
            shown = scenes.images(some)
            for kept, network in zip(alone, networks, strict=True):
                kept.append(network(shown).argmax(1))
        best: dict[str, list[list[Tensor]]] = {}
        probabilities: list[list[Tensor]] = []
        for mask in MASKS:
            best[mask], told = self._composites(networks, scenes, ends, mask=mask)
            probabilities = probabilities or told  # of the annotated mask, the first
        return [
            CrossedRun(
                torch.cat(alone[at]),
                {mask: torch.cat(best[mask][at]) for mask in MASKS},
                torch.cat(probabilities[at]),
            )
            for at in range(len(runs))
        ]

    def _composites(
        self, networks: Sequence[Network], scenes: Scenes, ends: Tensor, *, mask: str
    ) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """Best class and, along the annotated mask, probabilities for each network, in batches."""
        best: list[list[Tensor]] = [[] for _ in networks]
        probabilities: list[list[Tensor]] = [[] for _ in networks]
        for batch in crossed_logits(networks, scenes, ends, mask=mask, batch_size=self._size):
            for at, logits in enumerate(batch):
                best[at].append(logits.argmax(1))
                if mask == MASKS[0]:
                    probabilities[at].append(logits.softmax(1)[:, self._classes])
            self._done += len(batch[0])
            self._progress("crossing foregrounds and backgrounds", self._done, self.total)
        return best, probabilities
