"""From an explanation to files: overlays, raw maps, thumbnails, boxes, and the line that tells of them."""

__all__ = ["Writer"]

import base64
import hashlib
import io
import re
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.ops import box_iou

from figureground.base.record import write_atomically
from figureground.maps import resize
from figureground.maps.boxes import largest_component_box
from figureground.methods import Explanation
from figureground.models import Classifier
from figureground.studies.concepts import concept_colours, concept_panel
from figureground.studies.options import Drawing, Truth
from figureground.studies.photos import Photo

_TOP = 5


@dataclass(frozen=True)
class _Panel:
    """One map of one photo, ready to be written."""

    method: str
    layer: str
    position: int | None
    painted: np.ndarray
    box: Tensor | None
    problem: str | None


class Writer:
    """Writes what was explained, in threads, and hands back the lines of photos whose files are complete, in order.

    Args:
        folder: The job's folder.
        classifier: For the names of classes.
        drawing: Colours and boxes.
        workers: Threads.
        truths: What is known of photos.
    """

    def __init__(
        self,
        folder: Path,
        classifier: Classifier,
        drawing: Drawing,
        *,
        workers: int,
        truths: Mapping[Path, Truth],
    ) -> None:
        self._folder = folder
        self._classifier = classifier
        self._drawing = drawing
        self._truths = truths
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="write")
        self._waiting: deque[Future[dict[str, Any]]] = deque()
        self._most_waiting = 64

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

    def submit(self, photos: list[Photo], explanation: Explanation) -> Iterator[dict[str, Any]]:
        """Have the files of a batch written.

        Args:
            photos: N photos.
            explanation: Theirs.

        Yields:
            Lines of photos, of this or earlier batches, that are complete.
        """
        for index, (photo, panels) in enumerate(
            zip(photos, self._panels(explanation), strict=True)
        ):
            facts = self._facts(photo, explanation, index)
            arrays = {key: maps[index].cpu().numpy() for key, maps in _stacks(explanation).items()}
            self._waiting.append(
                self._pool.submit(self._write, photo, panels, arrays=arrays, facts=facts)
            )
        while len(self._waiting) > self._most_waiting or (
            self._waiting and self._waiting[0].done()
        ):
            yield self._waiting.popleft().result()

    def rest(self) -> Iterator[dict[str, Any]]:
        """Wait for all that is not complete.

        Yields:
            Their lines.
        """
        while self._waiting:
            yield self._waiting.popleft().result()

    def _panels(self, explanation: Explanation) -> list[list[_Panel]]:
        """Every map of every image, painted, with its box."""
        panels: list[list[_Panel]] = [[] for _ in explanation.images]
        pictures = _enlarged(explanation.images, self._drawing.thumbnail)
        problems = {
            (p.method, p.layer, p.image, p.class_position): p.message for p in explanation.problems
        }
        size = (int(explanation.images.shape[-2]), int(explanation.images.shape[-1]))
        for key, maps in _stacks(explanation).items():
            method, layer = key.split("/", 1) if "/" in key else (key, explanation.layers[0].name)
            chosen = explanation.methods[method]
            if method == "dff":
                painted = concept_panel(pictures, maps)[:, None].cpu().numpy()
                boxes = None
            else:
                painted = (
                    explanation.overlay(
                        method,
                        layer=layer,
                        images=pictures,
                        colour_map=self._drawing.colour_map,
                        alpha_by_value=self._drawing.alpha_by_value,
                    )
                    .cpu()
                    .numpy()
                )
                boxes = self._boxes(maps, size)
            for image, position in np.ndindex(*painted.shape[:2]):
                problem = problems.get((method, layer, image, position))
                box = boxes[image, position] if boxes is not None and problem is None else None
                place = position if chosen.class_specific else None
                panels[image].append(
                    _Panel(method, layer, place, painted[image, position], box, problem)
                )
        return panels

    def _boxes(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        large = resize(maps.relu(), size)
        return largest_component_box(
            large, threshold_fraction=self._drawing.box_fraction, on_blank="empty"
        )

    def _facts(self, photo: Photo, explanation: Explanation, index: int) -> dict[str, Any]:
        """What is known of a photo before its files are written."""
        scores = explanation.probabilities[index]
        best = scores.topk(min(_TOP, len(scores)))
        classes = explanation.classes[index].tolist() if explanation.classes is not None else []
        truth = self._truths.get(photo.path)
        return {
            "image": str(photo.path),
            "size": list(photo.view.original_size),
            "layers": [{"name": one.name, "reason": one.reason} for one in explanation.layers],
            "predictions": [
                self._named(i, float(s))
                for s, i in zip(best.values, best.indices.tolist(), strict=True)
            ],
            "classes": [self._named(i, float(scores[min(i, len(scores) - 1)])) for i in classes],
            "truth": None
            if truth is None
            else {"label": truth.label, "boxes": [list(box) for box in truth.boxes]},
            "concepts": _concepts(explanation, self._classifier),
            "numbers": {},
        }

    def _named(self, index: int, score: float) -> dict[str, Any]:
        return {
            "index": index,
            "name": self._classifier.class_name(index),
            "score": round(score, 6),
        }

    def _write(
        self,
        photo: Photo,
        panels: list[_Panel],
        *,
        arrays: dict[str, np.ndarray],
        facts: dict[str, Any],
    ) -> dict[str, Any]:
        """All files of one photo; its line is complete when this returns."""
        slug = _slug(photo.path)
        written = [self._write_panel(panel, photo, slug=slug, facts=facts) for panel in panels]
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        npz = f"images/{slug}.npz"
        write_atomically(self._folder / npz, buffer.getvalue())
        pixels = _enlarged(photo.pixels[None], self._drawing.thumbnail)[0]
        seen = Image.fromarray(pixels.permute(1, 2, 0).numpy().squeeze())
        return {
            **facts,
            "npz": npz,
            "thumbnail": _thumbnail(seen, self._drawing.thumbnail),
            "panels": written,
        }

    def _write_panel(
        self, panel: _Panel, photo: Photo, *, slug: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        picture = Image.fromarray(panel.painted)
        words = [slug, panel.method, panel.layer.replace(".", "_"), panel.position]
        name = ".".join(str(word) for word in words if word is not None) + ".png"
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG", compress_level=1)
        write_atomically(self._folder / "images" / name, buffer.getvalue())
        boxes = _in_photo(panel.box, photo)
        label = (
            None
            if panel.position is None or not facts["classes"]
            else facts["classes"][panel.position]["name"]
        )
        return {
            "method": panel.method,
            "layer": panel.layer.removeprefix("network."),
            "class": panel.position,
            "label": label,
            "png": f"images/{name}",
            "thumbnail": _thumbnail(picture, self._drawing.thumbnail),
            "problem": panel.problem,
            "boxes": boxes.tolist(),
            "truth_iou": _best_iou(boxes, facts["truth"]),
        }


def _stacks(explanation: Explanation) -> dict[str, Tensor]:
    """``method`` or ``method/layer`` -> maps ``(N, K, h, w)``."""
    stacks: dict[str, Tensor] = {}
    for method, found in explanation.maps.items():
        if isinstance(found, Tensor):
            stacks[method] = found
        else:
            stacks |= {f"{method}/{layer}": maps for layer, maps in found.items()}
    return stacks


def _in_photo(box: Tensor | None, photo: Photo) -> Tensor:
    """The box in pixels of the photo, ``(0 or 1, 4)``."""
    if box is None or not bool(box[2] > box[0]):
        return torch.zeros(0, 4)
    return photo.view.boxes_to_original(box[None].float().cpu()).round(decimals=1)


def _best_iou(boxes: Tensor, truth: dict[str, Any] | None) -> float | None:
    """Overlap of the map's box with the nearest true one; 0 without a box; None where the truth is not known."""
    if truth is None or not truth["boxes"]:
        return None
    if not len(boxes):
        return 0.0
    return round(float(box_iou(boxes, torch.tensor(truth["boxes"])).max()), 4)


def _concepts(explanation: Explanation, classifier: Classifier) -> list[dict[str, Any]] | None:
    """The concepts of the (first) factorized layer, each with the two classes that the head sees in it."""
    if not explanation.concepts:
        return None
    found = next(iter(explanation.concepts.values()))
    if found.logits is None:
        return None
    best = found.logits.softmax(1).topk(min(2, found.logits.shape[1]))
    colours = concept_colours(len(found.energy))
    return [
        {
            "colour": colours[k],
            "energy": round(float(found.energy[k]), 4),
            "labels": [
                [classifier.class_name(int(i)), round(float(s), 4)]
                for s, i in zip(best.values[k], best.indices[k], strict=True)
            ],
        }
        for k in range(len(found.energy))
    ]


def _thumbnail(picture: Image.Image, longest: int) -> str:
    small = picture.copy()
    small.thumbnail((longest, longest), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.convert("RGB").save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _enlarged(images: Tensor, least: int) -> Tensor:
    """Small pictures with every pixel made a square, so that their shorter side is at least about ``least``."""
    factor = max(1, round(least / min(images.shape[-2:])))
    return (
        images.repeat_interleave(factor, -1).repeat_interleave(factor, -2) if factor > 1 else images
    )


def _slug(path: Path) -> str:
    """A file name that is safe, readable and different for every path."""
    stem = re.sub(r"[^\w\-]+", "_", path.stem)[:60]
    return f"{stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"
