"""Files of explained images, made in threads: overlays, raw maps, and the line that describes them."""

__all__ = ["Painted", "Painter", "is_current"]

import io
import json
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
from figureground.base.places import Place, file_of, located
from figureground.base.storage import is_url
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

Painted: TypeAlias = tuple[str, dict[str, Any], dict[str, bytes]]
"""Identity of an image, what is known of it, and its files by name."""

_BOXED_AT_ONCE = 16  # images
_MOST_WAITING = 2**26  # bytes of images and maps that are not yet painted
_MANY = 100  # images: from here on, the page holds smaller pictures
_VERY_MANY = (
    10_000  # images: from here on, their files lie in 256 folders, and what the page shows in files
)


class Painter:
    """Paints what was explained, in threads, and hands back the files of images, in order.

    Args:
        classifier: For the names of classes.
        options: Colours, boxes and threads.
        truths: What is known of images.
        expected: How many images there are in all.
    """

    def __init__(
        self,
        classifier: Classifier,
        options: ExplainOptions,
        *,
        truths: Mapping[Place, Truth],
        expected: int = 1,
    ) -> None:
        self._classifier = classifier
        self.preprocessing = classifier.preprocessing
        self._drawing = options
        self._truths = truths
        self._longest = options.thumbnail or (400 if expected <= _MANY else 200)
        self._in_folders = expected > _VERY_MANY
        self._pool = ThreadPoolExecutor(
            default_workers(options.workers), thread_name_prefix="paint"
        )
        self._waiting: deque[tuple[int, Future[Painted | Failure]]] = deque()
        self._bytes = 0

    def __enter__(self) -> "Painter":
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
    ) -> None:
        """Have the files of a batch made.

        A photo is read again to be painted on; one that is gone by then is a failure.

        Args:
            images: N images.
            explanation: Theirs.
            refused: Methods that were left out, and why.
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
                job = self._pool.submit(self._paint, images[row], mine, maps=maps, described=about)
                held = images[row].pixels.nbytes + sum(one.nbytes for one in maps.values())
                self._waiting.append((held, job))
                self._bytes += held

    def rest(self) -> Iterator[Painted | Failure]:
        """Wait for all that is not complete.

        Yields:
            Those images.
        """
        while self._waiting:
            yield self._next()

    def complete(self) -> Iterator[Painted | Failure]:
        """Take what is complete, after a wait where too much is not.

        Yields:
            Images, in order, or failures in their place.
        """
        while self._waiting and (self._bytes > _MOST_WAITING or self._waiting[0][1].done()):
            yield self._next()

    def _next(self) -> Painted | Failure:
        size, job = self._waiting.popleft()
        self._bytes -= size
        return job.result()

    def _paint(
        self,
        image: LoadedImage,
        panels: list[Panel],
        *,
        maps: dict[str, np.ndarray],
        described: dict[str, Any],
    ) -> Painted | Failure:
        """All files of one image."""
        truth = self._truths.get(image.path)
        try:
            canvas = canvas_of(image, self._drawing, self.preprocessing.value_range)
        except ImageError as error:
            return Failure(shown(image.path), error.reason)
        seen = [round(one, 2) for one in image.view.window]
        whole = [0, 0, *image.view.original_size]
        about = {
            "image": shown(image.path),
            "place": quote(located(file_of(image.path)), errors="surrogateescape"),
            "source": file_identity(file_of(image.path)),
            "size": list(image.view.original_size),
            "window": seen if canvas.window is None else whole,
            "seen": seen,
            **described,
            "notices": [asdict(one) for one in image.notices],
            "truth": None if truth is None else {"label": truth.label, "boxes": truth.boxes},
            "thumbnail": page_picture(canvas.picture, self._longest),
            "numbers": {},
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **maps)  # type: ignore[arg-type]
        name = f"{self._place(image)}{file_stem(image.path)}.npz"
        told, pictures = self._panels(panels, image, canvas, described=described)
        files = {name: buffer.getvalue(), **pictures}
        about |= {"panels": told, "npz": name}
        if self._in_folders:
            about["page"] = f"{name.removesuffix('.npz')}.page.json"
            files[about["page"]] = json.dumps(_pictures_out_of(about)).encode()
        return path_identity(image.path), about, files

    def _place(self, image: LoadedImage) -> str:
        """Where the files of an image lie."""
        return f"images/{path_identity(image.path)[:2]}/" if self._in_folders else "images/"

    def _panels(
        self, panels: list[Panel], image: LoadedImage, canvas: Canvas, *, described: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
        """What the line tells of all maps, and their overlays by name; maps that look the same share one."""
        names: dict[tuple[str, str, int | None], str] = {}
        files: dict[str, bytes] = {}
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
                own = _panel_name(panel, image, len(described["layers"]))
                names[at] = f"{self._place(image)}{own}"
                over = painted(panel, canvas, self._drawing)
                files[names[at]] = png_bytes(over)
                about |= self._small(panel, canvas, over)
            else:
                about["same_as"] = panel.same_as
            told.append(about | {"png": names[at]})
        return told, files

    def _small(self, panel: Panel, canvas: Canvas, over: np.ndarray) -> dict[str, str]:
        """What the page shows of an overlay."""
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
        Whether the file has not changed, moved or gone; one in a storage is believed to be there.
    """
    place = unquote(entry["place"], errors="surrogateescape")
    return is_url(place) or entry["source"] == file_identity(Path(place))


def _pictures_out_of(about: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of an image, taken out of its line: a page shows few of very many images."""
    panels = [
        {name: panel.pop(name) for name in ("thumbnail", "heat") if name in panel}
        for panel in about["panels"]
    ]
    return {"thumbnail": about.pop("thumbnail"), "panels": panels}


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
