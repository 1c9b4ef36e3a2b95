"""Files of explained images, written in threads: overlays, raw maps, and the line that describes them."""

__all__ = ["Finished", "Writer", "is_current"]

import io
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import ImageError
from figureground.base.identity import file_identity, file_name, path_identity, shown
from figureground.base.record import write_atomically
from figureground.maps.image_files import file_stem, page_picture, png_bytes
from figureground.methods import Explanation
from figureground.models import Classifier
from figureground.models.predicting import default_workers
from figureground.studies.explain.descriptions import image_descriptions
from figureground.studies.explain.options import ExplainOptions, Truth
from figureground.studies.explain.painting import Canvas, canvas_of, painted, painted_alone
from figureground.studies.explain.panels import Panel, panels_of, stacks_of
from figureground.studies.failures import Failure
from figureground.studies.loading import LoadedImage

Finished: TypeAlias = tuple[str, dict[str, Any], list[str]]
"""Identity of an image whose files are complete, what is known of it, and these files."""

_BOXED_AT_ONCE = 16  # images
_MOST_WAITING = 2**26  # bytes of images and maps that are not yet painted
_MANY = 100  # images: from here on, the page holds smaller pictures


class Writer:
    """Writes what was explained, in threads, and hands back the lines of images whose files are complete, in order.

    Args:
        folder: The job's folder.
        classifier: For the names of classes.
        options: Colours, boxes and threads.
        truths: What is known of images.
        expected: How many images there are in all.
    """

    def __init__(
        self,
        folder: Path,
        classifier: Classifier,
        options: ExplainOptions,
        *,
        truths: Mapping[Path, Truth],
        expected: int = 1,
    ) -> None:
        self._folder = folder
        self._classifier = classifier
        self.preprocessing = classifier.preprocessing
        self._drawing = options
        self.workers = default_workers(options.workers)
        self._truths = truths
        self._longest = options.thumbnail or (400 if expected <= _MANY else 200)
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="write")
        self._waiting: deque[tuple[int, Future[Finished | Failure]]] = deque()
        self._bytes = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what has begun; nothing new is begun after an error."""
        self._pool.shutdown(wait=True, cancel_futures=error is not None)

    def submit(
        self,
        images: Sequence[LoadedImage],
        explanation: Explanation,
        refused: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[Finished | Failure]:
        """Have the files of a batch written.

        A photo is read again to be painted on; one that is gone by then is a failure.

        Args:
            images: N images.
            explanation: Theirs.
            refused: Methods that were left out, and why.

        Yields:
            Images, of this or earlier batches, that are complete or have failed.
        """
        stacks = stacks_of(explanation)
        size = (int(explanation.images.shape[-2]), int(explanation.images.shape[-1]))
        arrays = {f"{one.method}/{one.layer}": one.maps.numpy() for one in stacks}
        described = image_descriptions(explanation, self._classifier)
        together = [path_identity(image.path) for image in images]
        for first in range(0, len(images), _BOXED_AT_ONCE):
            count = min(_BOXED_AT_ONCE, len(images) - first)
            fraction = self._drawing.box_fraction
            panels = panels_of(stacks, size, fraction, first=first, count=count)
            for row, mine in enumerate(panels, start=first):
                maps = {key: value[row] for key, value in arrays.items()}
                about = {**described[row], "together": together, "refused": dict(refused)}
                job = self._pool.submit(self._write, images[row], mine, maps=maps, described=about)
                held = images[row].pixels.nbytes + sum(one.nbytes for one in maps.values())
                self._waiting.append((held, job))
                self._bytes += held
            yield from self._complete()

    def rest(self) -> Iterator[Finished | Failure]:
        """Wait for all that is not complete.

        Yields:
            Those images.
        """
        while self._waiting:
            yield self._next()

    def _complete(self) -> Iterator[Finished | Failure]:
        """Images that are complete, after a wait where too much is not."""
        while self._waiting and (self._bytes > _MOST_WAITING or self._waiting[0][1].done()):
            yield self._next()

    def _next(self) -> Finished | Failure:
        size, job = self._waiting.popleft()
        self._bytes -= size
        return job.result()

    def _write(
        self,
        image: LoadedImage,
        panels: list[Panel],
        *,
        maps: dict[str, np.ndarray],
        described: dict[str, Any],
    ) -> Finished | Failure:
        """All files of one image; they are complete when this returns."""
        truth = self._truths.get(image.path)
        try:
            canvas = canvas_of(image, self._drawing, self.preprocessing.value_range)
        except ImageError as error:
            return Failure(shown(image.path), error.reason)
        seen = [round(one, 2) for one in image.view.window]
        whole = [0, 0, *image.view.original_size]
        about = {
            "image": shown(image.path),
            "place": quote(os.path.abspath(image.path), errors="surrogateescape"),  # noqa: PTH100 - links stay apart
            "source": file_identity(image.path),
            "size": list(image.view.original_size),
            "window": seen if canvas.window is None else whole,
            "seen": seen,
            **described,
            "notices": [asdict(one) for one in image.notices],
            "truth": None if truth is None else {"label": truth.label, "boxes": truth.boxes},
            "thumbnail": page_picture(canvas.picture, self._longest),
            "panels": self._panels(panels, image, canvas, described=described),
            "numbers": {},
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **maps)  # type: ignore[arg-type]
        name = f"images/{file_stem(image.path)}.npz"
        write_atomically(self._folder / name, buffer.getvalue())
        files = dict.fromkeys([name, *(panel["png"] for panel in about["panels"])])
        return path_identity(image.path), about | {"npz": name}, list(files)

    def _panels(
        self, panels: list[Panel], image: LoadedImage, canvas: Canvas, *, described: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Overlays of all maps, and what the line tells of them; maps that look the same share one."""
        names: dict[tuple[str, str, int | None], str] = {}
        told = []
        for panel in panels:
            at = (panel.same_as or panel.method, panel.layer, panel.position)
            boxes = _in_photo(panel.box, image)
            about: dict[str, Any] = {
                "method": panel.method,
                "layer": panel.layer,
                "class": panel.position,
                "label": _label(panel, described),
                "problem": panel.problem and panel.problem.message,
                "problem_kind": panel.problem and panel.problem.kind,
                "boxes": boxes.tolist(),
                "truth_iou": _best_iou(boxes, self._truths.get(image.path)),
            }
            if panel.same_as is None:
                names[at] = f"images/{_panel_name(panel, image, len(described['layers']))}"
                about |= self._painted(panel, canvas, self._folder / names[at])
            else:
                about["same_as"] = panel.same_as
            told.append(about | {"png": names[at]})
        return told

    def _painted(self, panel: Panel, canvas: Canvas, file: Path) -> dict[str, str]:
        """The overlay of one map in its file; what the page shows of it."""
        over = painted(panel, canvas, self._drawing)
        write_atomically(file, png_bytes(over))
        told = {"thumbnail": page_picture(over, self._longest)}
        small = canvas.reduced(self._longest)
        alone = painted_alone(panel, small, self._drawing.colour_map)
        if alone is not None:
            told["heat"] = page_picture(alone, self._longest)
        return told


def is_current(entry: Mapping[str, Any]) -> bool:
    """Whether an image that was explained is still there as it was.

    Args:
        entry: Its line.

    Returns:
        Whether the file has not changed, moved or gone.
    """
    place = Path(unquote(entry["place"], errors="surrogateescape"))
    return entry["source"] == file_identity(place)


def _panel_name(panel: Panel, image: LoadedImage, layers: int) -> str:
    """A file name: image, method, layer where there are several, position of the class."""
    layer = panel.layer if layers > 1 else None
    return f"{file_stem(image.path)}.{file_name(panel.method, layer, panel.position)}.png"


def _label(panel: Panel, described: Mapping[str, Any]) -> str | None:
    """The name of the panel's class."""
    if panel.position is None:
        return None
    return str(described["classes"][panel.position]["name"])


def _in_photo(box: Tensor | None, image: LoadedImage) -> Tensor:
    """The box in pixels of the image, ``(0 or 1, 4)``."""
    if box is None:
        return torch.zeros(0, 4)
    return image.view.boxes_to_original(box[None].float().cpu()).round(decimals=1)


def _best_iou(boxes: Tensor, truth: Truth | None) -> float | None:
    """Overlap of the map's box with the nearest true one; 0 without a box; None where the truth is not known."""
    if truth is None or not truth.boxes:
        return None
    if not len(boxes):
        return 0.0
    from torchvision.ops import box_iou  # noqa: PLC0415 - slow to import

    return round(float(box_iou(boxes, torch.tensor(truth.boxes)).max()), 4)
