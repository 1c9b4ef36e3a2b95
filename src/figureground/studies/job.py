"""What makes two runs the same job: a finished photo of one is a finished photo of the other."""

__all__ = ["Job"]

import hashlib
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from figureground.methods import find_methods
from figureground.models import Classifier
from figureground.studies.classes import find_classes
from figureground.studies.options import ExplainOptions
from figureground.studies.places import photo_id


@dataclass(frozen=True)
class Job:
    """One model and everything asked of it that changes results.

    Args:
        methods: Name -> options.
        classes: Numbers of the classes, ``"topK"`` or None.
        digest: Of the model, its weights, and every option that changes results.
    """

    methods: dict[str, str]
    classes: str | list[int] | None
    digest: str

    @classmethod
    def of(cls, classifier: Classifier, options: ExplainOptions) -> "Job":
        """The job that these options ask of this classifier.

        Args:
            classifier: The model.
            options: What is asked.

        Returns:
            The job.
        """
        methods = {name: repr(method) for name, method in find_methods(options.methods).items()}
        classes = find_classes(classifier, options.classes)
        described = (
            classifier.name,
            repr(classifier.preprocessing),
            classifier.class_names,
            _weights(classifier),
            methods,
            classes,
            options.layers,
            (options.precision, options.fuse, options.smooth),
            asdict(options.drawing),
        )
        return cls(methods, classes, hashlib.sha256(repr(described).encode()).hexdigest()[:16])

    def key(self, path: Path) -> str:
        """Stands for a photo as it is now, in this job.

        Args:
            path: The photo.

        Returns:
            Changes with the photo's place, size and date and with the job; empty where there is no file.
        """
        try:
            status = path.stat()
        except OSError:
            return ""
        text = f"{photo_id(path)}|{status.st_size}|{status.st_mtime_ns}|{self.digest}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def _weights(classifier: Classifier) -> list[tuple[str, tuple[int, ...], int]]:
    """A checksum of every parameter and buffer, whatever device and memory format it is in."""
    return [
        (name, tuple(value.shape), _checksum(value))
        for name, value in classifier.state_dict().items()
    ]


def _checksum(value: torch.Tensor) -> int:
    plain = value.detach().cpu().contiguous().flatten()
    return zlib.crc32(plain.view(torch.uint8).numpy().data)
