"""Explanations of many images, part by part, in this process or another."""

__all__ = ["Explained", "Explaining", "refused_methods"]

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import torch
from PIL import Image

from figureground.base.errors import FigureGroundError, ModelError
from figureground.base.identity import digest, model_identity, shown
from figureground.base.places import Place
from figureground.base.shapes import Images
from figureground.engines import Part
from figureground.engines.work import Tick
from figureground.methods import CamMethod, Explainer, Explanation, find_methods, finer
from figureground.methods.method import layer_notes
from figureground.methods.targets import ClassSpec
from figureground.models import Classifier
from figureground.models.classes import find_classes
from figureground.models.predicting import (
    Portable,
    default_batch_size,
    device_of,
    placed,
)
from figureground.studies.explain.options import ExplainOptions, Truth
from figureground.studies.explain.painter import Painted, Painter
from figureground.studies.failures import Failure, lost_image
from figureground.studies.loading import LoadedImage, load_images


@dataclass
class Explained:
    """A part's results.

    Args:
        painted: Images with their maps, in order.
        failed: Images that could not be used.
    """

    painted: list[Painted] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)


@dataclass
class _Open:
    """A part that is under way."""

    name: str
    left: int  # images that are not painted yet
    found: Explained


class Explaining(Portable):
    """Explains the images of a part together, in smaller batches once the memory has not sufficed.

    Args:
        classifier: The network; where it lies, and how, it is left.
        options: What is asked.
        device: As for ``chosen_device``; in another process, as it finds one there.
        truths: What is known of images.
        expected: How many images there are in all.
    """

    def __init__(
        self,
        classifier: Classifier,
        options: ExplainOptions,
        *,
        device: str | None,
        truths: Mapping[Place, Truth],
        expected: int,
    ) -> None:
        super().__init__(classifier, device=device)
        found = find_methods(options.methods)
        self.methods = {name: repr(method) for name, method in found.items()}
        self.notes = layer_notes(found.values(), options.layer)
        self._asked, self._classes = found, find_classes(classifier, options.classes)
        self._refused: dict[str, str] = {}
        # neither the size of a batch nor the number of threads changes a result; methods and classes are below,
        # however they were written
        settings = replace(options, batch_size=None, workers=None, methods=(), classes=None)
        told: dict[str, object] = {
            "methods": self.methods,
            "classes": self._classes,
            "model": classifier.name,
        }
        self.asked = {**settings.description, **told}
        self.job = digest(model_identity(classifier), settings, self.methods, self._classes)
        self._explainer = Explainer(
            classifier,
            layer=list(options.layer) or None,
            precision=options.precision,  # type: ignore[arg-type]  # checked by the options
            fuse=options.fuse,
            smooth=options.smooth,
        )
        self._target = finer(self._classes) if options.target == "finer" else self._classes
        self._classifier, self._options = classifier, options
        self._truths, self._expected = truths, expected
        self.size = self._most = options.batch_size or default_batch_size(self.device)

    def look(self, paths: Iterable[Place]) -> str:
        """Choose and check the layer on the first image of all, so that every part is explained alike.

        Args:
            paths: All images.

        Returns:
            What an image costs beyond one run of the network, for a progress bar; empty where that is little.
        """
        seen = load_images(paths, self._classifier.preprocessing, workers=1, waiting=1)
        with placed(self._classifier, self.device), closing(seen) as images:
            first = next((one for one in images if isinstance(one, LoadedImage)), None)
            if first is not None:
                self._explainer.look(self._ready([first]))
        if not self._explainer.layers:
            return ""
        runs = self._explainer.forwards(self._asked, _count(self._classes))
        return f" ({runs:,} runs of the network an image)" if runs else ""

    def stream(self, parts: Iterable[Part], tick: Tick) -> Iterator[tuple[str, Explained]]:
        """Explain parts, decoding ahead of the network and painting behind it.

        Args:
            parts: In order.
            tick: Told of images that are done.

        Yields:
            Name of each part and its images. What is explained comes also when the next part could not be, or was
            stopped: it shall not have to be explained again.
        """
        parts = list(parts)
        painter = Painter(
            self._classifier, self._options, truths=self._truths, expected=self._expected
        )
        images = load_images(
            (path for part in parts for at, path in enumerate(part.images) if at not in part.lost),
            self._classifier.preprocessing,
            workers=self._options.workers,
        )
        under_way: deque[_Open] = deque()
        stopped: BaseException | None = None
        with placed(self._classifier, self.device), painter, closing(images):
            try:
                for part in parts:
                    batch, failed = _read(part, images)
                    under_way.append(_Open(part.name, len(batch), Explained(failed=failed)))
                    for some, explanation in self._explained(batch):
                        painter.submit(some, explanation, self._refused)
                        _sort_in(painter.complete(), under_way)
                    tick(len(part.images))
                    yield from _finished(under_way)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it is raised below
                stopped = error
            _sort_in(painter.rest(), under_way)
            yield from _finished(under_way)
        if stopped is not None:
            raise stopped

    def _explained(
        self, images: Sequence[LoadedImage]
    ) -> Iterator[tuple[Sequence[LoadedImage], Explanation]]:
        """Some of the images and their explanation, until all are explained."""
        done = 0
        while done < len(images):
            part = images[done : done + self._most]
            explanation = self._tried(part)
            if explanation is not None:
                done += len(part)
                yield part, explanation
            elif len(part) == 1:
                raise ModelError(
                    "the memory does not suffice for one image; try fewer methods, classes or layers, "
                    "a smaller --size or --precision bf16"
                )
            else:
                self._most = len(part) // 2

    def _tried(self, images: Sequence[LoadedImage]) -> Explanation | None:
        """The explanation, or None where the memory does not suffice."""
        # the error is dropped before the next try: its traceback holds on to the tensors
        try:
            try:
                return self._explainer(self._ready(images), self._target, self._asked)
            except FigureGroundError as error:
                self._leave_out(self._ready(images[:1]), error)
            return self._explainer(self._ready(images), self._target, self._asked)
        except torch.OutOfMemoryError:
            return None

    def _leave_out(self, image: Images, error: FigureGroundError) -> None:
        """Go on without the methods that cannot be had of this network, unless that is all of them."""
        found = refused_methods(self._explainer, image, self._asked, classes=self._target)
        self._refused |= found
        self._asked = {name: one for name, one in self._asked.items() if name not in found}
        if not self._asked or not self._refused:
            raise error

    def _ready(self, images: Sequence[LoadedImage]) -> Images:
        """A batch where the network is."""
        pixels = torch.stack([one.pixels for one in images]).to(device_of(self._classifier))
        return pixels.float().div_(255).contiguous(memory_format=torch.channels_last)


def _read(
    part: Part, images: Iterator[LoadedImage | Failure]
) -> tuple[list[LoadedImage], list[Failure]]:
    """The images of a part, which are next, and those that cannot be used."""
    found = [
        lost_image(shown(path)) if at in part.lost else next(images)
        for at, path in enumerate(part.images)
    ]
    return (
        [one for one in found if isinstance(one, LoadedImage)],
        [one for one in found if isinstance(one, Failure)],
    )


def _sort_in(painted: Iterable[Painted | Failure], under_way: Iterable[_Open]) -> None:
    """To each image its part; both come in order."""
    waiting = (part for part in under_way for _ in range(part.left))
    for one, part in zip(painted, list(waiting), strict=False):
        part.left -= 1
        if isinstance(one, Failure):
            part.found.failed.append(one)
        else:
            part.found.painted.append(one)


def _finished(under_way: deque[_Open]) -> Iterator[tuple[str, Explained]]:
    """Parts of which nothing is left to be done, in order."""
    while under_way and not under_way[0].left:
        part = under_way.popleft()
        yield part.name, part.found


def refused_methods(
    explainer: Explainer,
    images: Images | Sequence[Image.Image],
    methods: Mapping[str, CamMethod],
    *,
    classes: ClassSpec = None,
) -> dict[str, str]:
    """Methods that a network does not allow, found by trying each as cheaply as it can be had.

    Args:
        explainer: Of the network.
        images: To try them on.
        methods: Name -> method.
        classes: To explain.

    Returns:
        Name -> why not.
    """
    refused = {}
    for name, method in methods.items():
        try:
            explainer(images, classes, {name: method.trial()})
        except FigureGroundError as reason:
            refused[name] = str(reason)
    return refused


def _count(classes: str | list[int] | None) -> int:
    """How many classes are explained of each image."""
    if classes is None:
        return 1
    return int(classes.removeprefix("top")) if isinstance(classes, str) else len(classes)
