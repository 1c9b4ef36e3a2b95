"""The diagnosis of images in memory, for those who have a network, images, labels and masks at hand."""

__all__ = ["Diagnosis", "diagnose"]

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Real, UInt8
from torch import Tensor, nn

from figureground.base.claim import claimed
from figureground.base.errors import DataError, ShapeError
from figureground.base.lazy import load
from figureground.base.outputs import find_logits
from figureground.base.progress import Progress, no_progress
from figureground.base.record import write_atomically, write_json
from figureground.capture.untouched import borrowed
from figureground.metrics.reliance import filled_boxes
from figureground.models import Classifier
from figureground.models.predicting import device_of
from figureground.studies.diagnosis.crossing import InMemory, Network, cross_scenes, units_of
from figureground.studies.diagnosis.findings import find, image_rows, verdict_sentence
from figureground.studies.diagnosis.offer import load_probe
from figureground.studies.diagnosis.options import DiagnoseOptions, DiagnosisRecord
from figureground.studies.diagnosis.recommendation import ReadyModel, recommend
from figureground.studies.diagnosis.recording import (
    About,
    arrays_of,
    check_labels,
    csv_of,
    record_of,
    told_of,
)
from figureground.studies.diagnosis.scenes import FEWEST, Scenes, is_enough, scenes_of
from figureground.studies.evaluation.tables import model_description

_PAGE = {"page": "figureground.reports.diagnosis_report:write_diagnosis_report"}
_FILES = ("record.json", "report.html", "pairs.npz", "per_image.csv", "treatment.yaml")


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found; rows are dicts, so that ``pandas.DataFrame(found.classes)`` is a table.

    Args:
        record: All that the page shows.
        images: One row an image: position among the images that were given, label, area, loss, pull, flips.
        arrays: Answers to all composites, as ``pairs.npz`` holds them.
    """

    record: DiagnosisRecord
    images: tuple[dict[str, Any], ...]
    arrays: Mapping[str, np.ndarray]

    @property
    def verdict(self) -> str:
        """Begins with "rests on the background", "does not rest on the background" or "cannot tell"."""
        return self.record.verdict

    @property
    def table(self) -> tuple[dict[str, Any], ...]:
        """The numbers: name, value and interval of each; ``share`` is of probabilities, all others of hits."""
        numbers = self.record.numbers["given"]
        return tuple(
            {"number": name, "value": one[0], "low": one[1], "high": one[2]}
            for name, one in numbers.items()
        )

    @property
    def classes(self) -> tuple[dict[str, Any], ...]:
        """Classes by the lower end of their pull, those with fewer than five images left out."""
        found = next(one for one in self.record.tables if one["title"] == "Classes")
        names = [*found["columns"]]
        return tuple(dict(zip(names, row, strict=True)) for row in found["rows"])

    def save(self, folder: Path | str) -> Path:
        """Write what the command ``figureground diagnose`` writes.

        Args:
            folder: Gets ``report.html``, ``record.json``, ``tables``, ``per_image.csv``, ``pairs.npz`` and, where a
                treatment is called for, ``treatment.yaml``.

        Returns:
            Path of the page.

        Raises:
            DataError: The folder holds something else, or cannot be written to.
        """
        with claimed(folder, "diagnosis", writes=_FILES) as claim:
            claim.mark(self.record.options | {"data": self.record.data})
            (claim.folder / "record.json").unlink(missing_ok=True)
            np.savez_compressed(claim.folder / "pairs.npz", **self.arrays)  # type: ignore[arg-type]
            head = list(self.images[0]) if self.images else []
            rows = [head, *(list(one.values()) for one in self.images)]
            write_atomically(claim.folder / "per_image.csv", csv_of(rows))
            if self.record.recipe:
                write_atomically(claim.folder / "treatment.yaml", self.record.recipe.encode())
            write_json(claim.folder / "record.json", self.record)
            # pages are made one floor up, where nothing of ours may look; so the name is resolved here, when it is used
            write_page = load(__name__, "page", _PAGE)
            assert callable(write_page)  # noqa: S101 - a function of ours
            page = write_page(claim.folder)
        assert isinstance(page, Path)  # noqa: S101 - as it says
        return page


def diagnose(
    model: Classifier | nn.Module | Callable[[Tensor], Any],
    images: Float[Tensor, "N c H W"] | UInt8[Tensor, "N c H W"],
    labels: Int[Tensor, " L"],
    *,
    masks: Tensor | Sequence[Real[Tensor, "_ 4"]],
    class_names: Sequence[str] | None = None,
    options: DiagnoseOptions | None = None,
    progress: Progress = no_progress,
) -> Diagnosis:
    """How far a classifier rests on the background: foregrounds and backgrounds of the images are crossed.

    Works in memory, 12 bytes a pixel of the images, and writes nothing until ``save`` is called.

    Args:
        model: A ``Classifier``; or a network, or any function, that takes images in [0, 1] and gives logits
            ``(N, K)``. A network is put into evaluation mode and back, and asked on its own device.
        images: ``(N, 3, H, W)`` or ``(N, 1, H, W)``, held out, as the network takes them: float in [0, 1], or bytes.
        labels: Class of each, as the network numbers them.
        masks: ``(N, H, W)`` bool, True on the object; or for each image its boxes ``(B, 4)``, xyxy pixels, half-open.
        class_names: Of all classes of the network; else those that a ``Classifier`` has.
        options: Rounds, fill, deltas, seed.
        progress: Called throughout.

    Returns:
        The verdict, the numbers, classes and images.

    Raises:
        ShapeError: The sizes do not fit together.
        DataError: Fewer than ten images of two classes can be used, or the network is at chance on them.

    References:
        Xiao, Engstrom, Ilyas, Madry (2021). Noise or Signal: The Role of Image Backgrounds in Object Recognition.
        ICLR, arXiv 2006.09994.
    """
    chosen = options or DiagnoseOptions()
    scenes = _scenes(images, labels, masks, fill=chosen.fill, progress=progress)
    kept = InMemory(units_of(scenes, chosen))
    with _asked(model, images) as score:
        crossing = cross_scenes(
            scenes,
            score,
            store=kept,
            options=chosen,
            progress=progress,
            probe=load_probe(chosen),
        )
    check_labels(crossing)
    found = find(crossing, chosen)
    about = _about(model, scenes, class_names, count=len(images))
    sentence = verdict_sentence(found, chosen)
    advice = recommend(found, ReadyModel(), sentence, options=chosen, out="FOLDER")
    head, *rows = image_rows(found, crossing, about.names(crossing))
    return Diagnosis(
        record_of(found, crossing, about, advice=advice, options=chosen),
        tuple(dict(zip(head, row, strict=True)) for row in rows),
        arrays_of(kept, {"": crossing}),
    )


def _scenes(
    images: Tensor,
    labels: Tensor,
    masks: Tensor | Sequence[Tensor],
    *,
    fill: str,
    progress: Progress,
) -> Scenes:
    """Images, labels and masks that fit together, on the CPU."""
    if images.ndim != 4 or images.shape[1] not in {1, 3} or len(labels) != len(images):
        raise ShapeError(
            f"images are (N, 3, H, W) or (N, 1, H, W) with N labels, not {tuple(images.shape)} and "
            f"{tuple(labels.shape)}"
        )
    if len(masks) != len(images):
        raise ShapeError(f"{len(masks)} masks or lists of boxes for {len(images)} images")
    if len(labels) and int(labels.min()) < -1:
        raise ShapeError(f"labels are 0 to K - 1, or -1 where unknown, not {int(labels.min())}")
    exact = isinstance(masks, Tensor)
    marked = masks if isinstance(masks, Tensor) else filled_boxes(masks, images.shape[2:])
    if marked.shape != (len(images), *images.shape[2:]):
        raise ShapeError(f"masks {tuple(marked.shape)} do not fit images {tuple(images.shape)}")
    pixels = images.cpu()
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if len(pixels) and not 0 <= float(pixels.min()) <= float(pixels.max()) <= 1:
        raise ShapeError(
            f"images lie in [0, 1], or are bytes; these run from {pixels.min():g} to {pixels.max():g}: leave the "
            "normalisation to the model"
        )
    scenes = scenes_of(
        pixels, labels.cpu().long(), marked.cpu().bool(), exact=exact, fill=fill, progress=progress
    )
    if not is_enough(scenes):
        reasons = "; ".join(dict.fromkeys(one.message for one in scenes.problems))
        raise DataError(
            f"{len(scenes)} of {len(images)} images can be crossed, of {len(torch.unique(scenes.labels))} classes; at "
            f"least {FEWEST} of two classes are needed ({reasons or 'nothing was left out'})"
        )
    return scenes


@contextmanager
def _asked(
    model: Classifier | nn.Module | Callable[[Tensor], Any], images: Tensor
) -> Iterator[Callable[[Tensor], Tensor]]:
    """The model as a function from images to logits on the CPU; a network as it was afterwards."""
    channels = images.shape[1]
    device = device_of(model) if isinstance(model, nn.Module) else images.device
    network = Network(model, None) if isinstance(model, Classifier) else None

    def score(batch: Tensor) -> Tensor:
        if network is not None:
            return network(batch)
        with torch.inference_mode():
            found = find_logits(model(batch[:, :channels].to(device)), len(batch))
        logits = found.float().cpu().clone()
        return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], 1)

    with borrowed(model) if isinstance(model, nn.Module) else nullcontext():
        yield score


def _about(
    model: Classifier | nn.Module | Callable[[Tensor], Any],
    scenes: Scenes,
    class_names: Sequence[str] | None,
    *,
    count: int,
) -> About:
    """Model, data and problems, as a record tells them."""
    known = class_names or (model.class_names if isinstance(model, Classifier) else None)
    problems, lost, odd = told_of((), scenes.problems)
    if isinstance(model, Classifier):
        described = model_description(model)
    else:
        described = {"name": str(getattr(model, "__name__", type(model).__name__))}

    def class_name(number: int) -> str:
        return known[number] if known is not None and number < len(known) else f"class {number}"

    return About(described, class_name, f"{count} images in memory", odd, problems, lost)
