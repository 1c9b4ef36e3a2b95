"""What do the answers of a classifier tell beyond the class? Conditional mutual information and what belongs to it."""

__all__ = ["PARTS", "InformationOptions", "open_labelled", "study_information"]

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import DataError, OptionError, unknown_option
from figureground.base.record import provenance, write_json
from figureground.data.labeled import LabeledImages
from figureground.data.loaders import DATASETS, LoadOptions, image_folder, load_dataset
from figureground.data.loaders.packed_sets import pack
from figureground.metrics.classification import ece
from figureground.metrics.information import CMIMeter, Information
from figureground.models import Classifier
from figureground.studies.evaluation.information_pictures import pictures_for
from figureground.studies.evaluation.information_tables import (
    class_table,
    omitted_tables,
    overall_table,
)
from figureground.studies.evaluation.measure_record import MeasureRecord
from figureground.studies.progress import Watch, unwatched
from figureground.training.algorithms.mcmi import best_temperature

PARTS = ("train", "val", "test", "all")
_NOTE = (
    "the published CMI of teachers is measured on training pictures, cut and mirrored at random: compare with it only "
    "values of the same part"
)

_FEW = 100  # pictures of a class; below, the mean follows single pictures


@dataclass(frozen=True)
class InformationOptions:
    """What is measured.

    Args:
        temperature: Logits are divided by it.
        prior: Weight of each class: ``empirical``, its share of the pictures, or ``uniform``.
        separation: ``pairs``, ``different-pairs``, ``other-centroids`` or ``centroid-divergence``.
        batch_size: Pictures at a time.
        omitted: Numbers of classes that training left out; adds a table on them.
        as_trained: Whether pictures are fitted as ``train`` does it, cut to the shape of the model's input and nothing
            more, or by all of the model's own preprocessing.
    """

    temperature: float = 1.0
    prior: str = "empirical"
    separation: str = "pairs"
    batch_size: int = 256
    omitted: tuple[int, ...] = ()
    as_trained: bool = False

    def meter(self, num_classes: int) -> CMIMeter:
        """An empty meter with these options."""
        return CMIMeter(
            num_classes, temperature=self.temperature, prior=self.prior, kind=self.separation
        )


def open_labelled(
    name: str,
    part: str = "test",
    *,
    root: Path | None = None,
    options: LoadOptions | None = None,
) -> LabeledImages:
    """Labelled pictures by the name of a data set, a pack or a folder with a folder for each class.

    Args:
        name: What the user wrote.
        part: ``train``, ``val`` or ``test``; ``all`` of a pack or folder that is not divided.
        root: Where a data set is, if it is not a pack of the shared folder.
        options: Seeds and shares of the division.

    Returns:
        The pictures of the known classes.

    Raises:
        DataError: There is no such data set, pack or folder, or no picture of a known class in it.
        OptionError: There is no such part.
    """
    data = _loaded(name, _checked_part(part), options or LoadOptions(), root=root)
    known = (data.labels >= 0) & (data.labels < data.num_classes)
    if not known.any():
        raise DataError(f"{name} has no picture of a known class in its part '{part}'")
    return data if known.all() else data.subset(known.nonzero().flatten())


def study_information(
    classifier: Classifier,
    data: LabeledImages,
    *,
    out: Path,
    source: str,
    options: InformationOptions | None = None,
    watch: Watch = unwatched,
) -> MeasureRecord:
    """Measure, and leave ``per_image.npz``, ``information.npz`` and, last, ``record.json`` in a folder.

    Args:
        classifier: The model, on its device; a background output beyond the classes of the data is dropped.
        data: Pictures of its classes.
        out: The folder.
        source: The data in words.
        options: What to measure.
        watch: Told of progress.

    Returns:
        The record, as saved.
    """
    began, chosen = time.perf_counter(), options or InformationOptions()
    (out / "record.json").unlink(missing_ok=True)
    preprocessing = classifier.preprocessing
    data = pictures_for(preprocessing, data, as_trained=chosen.as_trained)
    meter = chosen.meter(data.num_classes).to(next(classifier.parameters()).device)
    logits = torch.cat(
        list(_logits(classifier.eval(), data, meter, size=chosen.batch_size, watch=watch))
    )
    found = meter.report()
    logits = logits / chosen.temperature
    _keep(out, logits, found, labels=data.labels)
    record = MeasureRecord(
        kind="information",
        data=source,
        images=len(data),
        model={"name": classifier.name, "preprocessing": repr(preprocessing)},
        methods={},
        options={key: str(value) for key, value in vars(chosen).items()},
        tables=(
            overall_table(found, chosen.separation, **_calibration(logits, data.labels)),
            class_table(found, data.class_names),
            *omitted_tables(logits, data, chosen.omitted),
        ),
        curves=(),
        problems={},
        examples_of_problems=(),
        notes=(*classifier.notes, *data.notes, *_notes(classifier, data, found, logits=logits)),
        seconds=round(time.perf_counter() - began, 1),
        provenance=provenance(),
    )
    write_json(out / "record.json", record)
    return record


def _checked_part(part: str) -> str:
    if part not in PARTS:
        raise unknown_option("part", part, PARTS)
    return part


def _loaded(name: str, part: str, options: LoadOptions, *, root: Path | None) -> LabeledImages:
    """A data set by name, else a pack, else a folder."""
    place = Path(name)
    if name.lower() in DATASETS and part != "all":
        return load_dataset(name, root, part=part, options=options)
    if place.is_dir():
        if part == "all":
            return image_folder(place)
        return load_dataset("folder", place, part=part, options=options)
    if place.is_file():
        return pack(place, train=None if part == "all" else _of_pack(part) == "train")
    if name.lower() in DATASETS:
        raise OptionError(
            f"the data set '{name}' is divided: part is train, val or test, not 'all'"
        )
    raise DataError(
        f"'{name}' is no data set, pack or folder of class folders; data sets: {', '.join(sorted(DATASETS))}"
    )


def _of_pack(part: str) -> str:
    """A part that a pack can have."""
    if part == "val":
        raise OptionError("a pack has no part 'val': it is train, test, or all of it")
    return part


def _logits(
    classifier: Classifier, data: LabeledImages, meter: CMIMeter, *, size: int, watch: Watch
) -> Iterator[Tensor]:
    """Batch by batch, on the CPU; the meter sees them on the way."""
    device = meter.device
    for start in range(0, len(data), size):
        rows = slice(start, start + size)
        with torch.inference_mode():
            images = data.pixels[rows].to(device).float().div_(255)
            logits = _known(classifier(images), data)
            meter.update(logits, data.labels[rows].to(device))
        watch(min(start + size, len(data)), len(data))
        yield logits.float().cpu()


def _known(logits: Tensor, data: LabeledImages) -> Tensor:
    """Without a background output; another difference is an error."""
    extra = logits.shape[1] - data.num_classes
    if extra not in {0, 1}:
        raise OptionError(
            f"the model has {logits.shape[1]} outputs, the data have {data.num_classes} classes: "
            "they do not belong together"
        )
    return logits[:, : data.num_classes]


def _keep(out: Path, logits: Tensor, found: Information, *, labels: Tensor) -> None:
    """Per picture: its divergence from its class's centroid, its entropy, its answer."""
    logs = logits.double().log_softmax(1)
    against = found.centroids.cpu()[labels].clamp_min(1e-300).log()
    columns: dict[str, Any] = {
        "label": labels,
        "predicted": logits.argmax(1),
        "divergence": (logs.exp() * (logs - against)).sum(1),
        "entropy": torch.special.entr(logs.exp()).sum(1),
    }
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "per_image.npz", **{key: value.numpy() for key, value in columns.items()})
    numbers = {key: value.cpu().numpy() for key, value in vars(found).items()}
    np.savez(out / "information.npz", **numbers)


def _calibration(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """How far confidence is from accuracy, and the temperature that mends it; NaN where an output is no number."""
    if not bool(logits.isfinite().all()):
        return {"calibration": float("nan"), "temperature": float("nan")}
    return {
        "calibration": float(ece(logits, labels)),
        "temperature": best_temperature(logits, labels),
    }


def _notes(
    classifier: Classifier, data: LabeledImages, found: Information, *, logits: Tensor
) -> tuple[str, ...]:
    """What a reader must know."""
    notes: list[str] = []
    broken = int((~logits.isfinite().all(1)).sum())
    if broken:
        notes.append(f"{broken} of {len(logits)} pictures have outputs that are no numbers")
    empty = [data.class_names[row] for row in (found.counts == 0).nonzero().flatten().tolist()]
    if empty:
        notes.append(
            f"no picture of {', '.join(empty)}: undefined there, and left out of all means"
        )
    fewest = int(found.counts[found.counts > 0].min())
    if fewest < _FEW:
        notes.append(
            f"only {fewest} pictures of a class: its CMI comes out too low, since the centroid is the mean of these "
            "pictures themselves; compare it with values from as many"
        )
    called = (classifier.class_names or data.class_names)[: data.num_classes]
    for theirs, ours in zip(called, data.class_names, strict=True):
        if theirs.casefold() != ours.casefold():
            notes.append(
                f"the model's class '{theirs}' is taken to be the data's '{ours}', and so on: in the order of both"
            )
            break
    return (*notes, _NOTE)
