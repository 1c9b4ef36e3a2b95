"""The diary of a job: a line per finished photo, so that a later run can go on where this one stopped."""

__all__ = ["Entries", "Job"]

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from figureground.base.record import append_line, write_atomically, write_json
from figureground.methods import find_methods
from figureground.models import Classifier
from figureground.studies.options import ExplainOptions


@dataclass(frozen=True)
class Job:
    """What makes two runs the same job: a finished photo of one is a finished photo of the other.

    Args:
        methods: Name -> options.
        digest: Of the model, a sample of its weights, and every option that changes results.
    """

    methods: dict[str, str]
    digest: str

    @classmethod
    def of(cls, classifier: Classifier, options: ExplainOptions) -> "Job":
        """The job that these options ask of this classifier."""
        methods = {name: repr(method) for name, method in find_methods(options.methods).items()}
        described = (
            classifier.name,
            repr(classifier.preprocessing),
            _weights_sample(classifier),
            methods,
            repr(options.classes),
            options.layers,
            (options.precision, options.fuse, options.smooth),
            asdict(options.drawing),
        )
        return cls(methods, hashlib.sha256(repr(described).encode()).hexdigest()[:16])


class Entries:
    """``entries.jsonl`` of a folder; lines of other jobs and of incomplete photos are dropped at the start.

    Args:
        folder: The job's folder.
        job: The job.
        overwrite: Drop everything.
    """

    def __init__(self, folder: Path, job: Job, *, overwrite: bool) -> None:
        self._folder = folder
        self._file = folder / "entries.jsonl"
        self._job = job
        self.blank_maps = 0
        self.layers: list[dict[str, str]] = []
        self._keys: set[str] = set()
        kept = [] if overwrite else [line for line, entry in self._read() if self._usable(entry)]
        (folder / "record.json").unlink(missing_ok=True)
        write_atomically(self._file, "".join(kept).encode())
        for _, entry in self._read():
            self._note(entry)

    def finished(self, path: Path) -> bool:
        """Whether this photo, as it is now, is done."""
        return self.key(path) in self._keys

    def key(self, path: Path) -> str:
        """Stands for a photo as it is now, in this job."""
        try:
            status = path.stat()
        except OSError:
            return ""
        text = f"{path}|{status.st_size}|{status.st_mtime_ns}|{self._job.digest}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def add(self, entry: dict[str, Any]) -> None:
        """Write the line of a photo whose files are complete."""
        entry = {"key": self.key(Path(entry["image"])), "job": self._job.digest, **entry}
        append_line(self._file, entry)
        self._note(entry)

    def count(self, paths: Sequence[Path]) -> int:
        """How many of these photos are done."""
        return sum(self.finished(path) for path in paths)

    def write_boxes(self, paths: Sequence[Path]) -> None:
        """All boxes of these photos in one COCO-style file, in pixels of the photos."""
        wanted = {self.key(path) for path in paths}
        images, annotations, categories = [], [], {}
        for _, entry in self._read():
            if entry["key"] not in wanted:
                continue
            number = len(images) + 1
            images.append(_coco_image(number, entry))
            for panel, box in _boxes(entry):
                category = (
                    -1 if panel["class"] is None else entry["classes"][panel["class"]]["index"]
                )
                categories[category] = panel["label"] or panel["method"]
                place = {"id": len(annotations) + 1, "image_id": number, "category_id": category}
                annotations.append(place | _coco_box(panel, box))
        named = [{"id": index, "name": name} for index, name in sorted(categories.items())]
        content = {"images": images, "categories": named, "annotations": annotations}
        write_json(self._folder / "boxes.json", content)

    def _note(self, entry: dict[str, Any]) -> None:
        self._keys.add(entry["key"])
        self.blank_maps += sum(panel["problem"] is not None for panel in entry["panels"])
        self.layers = entry.get("layers", [])

    def _usable(self, entry: dict[str, Any]) -> bool:
        """Whether a line belongs to this job and its files are there."""
        return entry.get("job") == self._job.digest and (self._folder / entry["npz"]).exists()

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Whole lines; the half line that a killed run may have left is no entry."""
        if not self._file.exists():
            return
        with self._file.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield line, json.loads(line)


def _weights_sample(classifier: Classifier) -> list[tuple[str, tuple[int, ...], float]]:
    """Something that changes when the weights do, without reading all of them."""
    return [
        (
            name,
            tuple(value.shape),
            float(value.flatten()[:: max(1, value.numel() // 64)].double().sum()),
        )
        for name, value in classifier.state_dict().items()
        if value.numel()
    ]


def _boxes(entry: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[float]]]:
    for panel in entry["panels"]:
        for box in panel["boxes"]:
            yield panel, box


def _coco_image(number: int, entry: dict[str, Any]) -> dict[str, Any]:
    width, height = entry["size"]
    return {"id": number, "file_name": entry["image"], "width": width, "height": height}


def _coco_box(panel: dict[str, Any], box: list[float]) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    size = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
    return {**size, "method": panel["method"], "layer": panel["layer"]}
