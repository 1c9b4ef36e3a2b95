"""Small images of one bright box each with their annotations, and a way to run evaluations on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from figureground.models import Classifier
from figureground.studies.evaluation.engine import Evaluation, run_evaluation
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.tables import EvaluationRecord

NAMES = ("tabby", "tiger cat", "lynx")


@pytest.fixture
def box_folder(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes ``count`` images of 64 x 48 pixels and ``boxes.csv``, and returns the folder."""

    def write(count: int = 12) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir()
        random = np.random.default_rng(0)
        rows = ["path,label,x0,y0,x1,y1"]
        for number in range(count):
            x0, y0 = random.integers(0, 30), random.integers(0, 20)
            x1, y1 = x0 + random.integers(10, 30), y0 + random.integers(10, 25)
            pixels = random.integers(0, 60, (48, 64, 3)).astype(np.uint8)
            pixels[y0:y1, x0:x1] += 180
            Image.fromarray(pixels).save(folder / f"{number:02d}.png")
            rows.append(f"{number:02d}.png,{NAMES[number % 3]},{x0},{y0},{x1},{y1}")
        (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
        return folder

    return write


@pytest.fixture
def images(classifier: Classifier, box_folder: Callable[..., Path]) -> EvaluationSet:
    """Ten images with boxes as the classifier sees them."""
    return open_images(box_folder(10), classifier)


@pytest.fixture
def measure(out: Path) -> Callable[..., tuple[EvaluationRecord, dict[str, np.ndarray]]]:
    """Runs an evaluation and returns its record and its per-image numbers."""

    def run(
        evaluation: Evaluation,
        classifier: Classifier | None,
        images: EvaluationSet,
        folder: Path = out,
        **more: Any,
    ) -> tuple[EvaluationRecord, dict[str, np.ndarray]]:
        record = run_evaluation(evaluation, classifier, images, out=folder, **more)
        with np.load(folder / "per_image.npz", allow_pickle=False) as arrays:
            return record, dict(arrays)

    return run
