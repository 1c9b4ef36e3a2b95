"""How well a run that seeks rare classes brings them to the top, on pictures that it has not seen."""

__all__ = ["RankingRecord", "measure_ranking"]

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from figureground.base.errors import DataError, OptionError
from figureground.base.record import Provenance, provenance, write_json
from figureground.data.in_memory import in_memory
from figureground.data.labeled import LabeledImages
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.data.rare import with_rare
from figureground.metrics.classification import (
    average_precision,
    class_scores,
    expected_random_ap,
    macro_f1,
    mean_average_precision_interval,
    precision_at_k,
    recall_at_k,
)
from figureground.models import Classifier
from figureground.studies.batches import placed
from figureground.studies.progress import Watch, unwatched
from figureground.studies.trained import load_trained
from figureground.training.recipe import Recipe, read_recipe

_CHUNK = 256


@dataclass(frozen=True)
class RankingRecord:
    """Finished measurements; saved as ``record.json``.

    Args:
        run: Folder of the run.
        which: Its weights.
        data: The pictures, in words.
        images: How many of them are labelled and could be used.
        backgrounds: How many of those are background.
        classes: For each rare class its name, ``positives``, ``chance_ap``, ``ap`` (by probability), ``ap_logit``, and
            ``recall_at_K`` and ``precision_at_K`` (by probability); None where no picture is of it.
        mean_ap: By probability: mean, low and high end of the bootstrap interval, 95 %.
        mean_ap_logit: The same by logit.
        chance_ap: Mean over the classes of what a random order has on average.
        macro_f1: Of the rare classes, at the most probable class.
        notes: What the reader must know.
        seconds: Wall-clock time.
        provenance: Command, versions, machine.
        schema: Version of this form.
        kind: ``ranking``.
    """

    run: str
    which: str
    data: str
    images: int
    backgrounds: int
    classes: tuple[dict[str, Any], ...]
    mean_ap: dict[str, Any]
    mean_ap_logit: dict[str, Any]
    chance_ap: float
    macro_f1: float
    notes: tuple[str, ...]
    seconds: float
    provenance: Provenance
    schema: int = 1
    kind: str = "ranking"


def measure_ranking(
    run: Path,
    *,
    out: Path,
    which: str = "best",
    at: Sequence[int] = (10, 100, 1000),
    device: str | None = None,
    watch: Watch = unwatched,
) -> RankingRecord:
    """Average precision and its kin on the test part of the data that a run was trained on.

    A few hundred pictures are in memory at a time.

    Args:
        run: Folder of a run whose recipe has ``data.rare``.
        out: Gets ``record.json``.
        which: Weights of the run: ``best``, ``last`` or ``step-N``.
        at: For recall and precision at k.
        device: Where to compute; None takes CUDA if there is one.
        watch: Told of progress.

    Returns:
        The record.

    Raises:
        OptionError: The run seeks no rare classes, or a k is below 1.
        DataError: No test picture is of a rare class.
    """
    began = time.perf_counter()
    recipe = read_recipe(run / "recipe.yaml")
    if not recipe.data.rare or min(at, default=1) < 1:
        raise OptionError(
            f"{run} seeks no rare classes (data.rare of its recipe), or a k is below 1"
        )
    classifier = load_trained(run, which)
    names = (classifier.class_names or ())[:-1]
    data = _test_part(recipe, names)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    logits, labels, notes = _answers(classifier, data, device=where, watch=watch)
    classes = tuple(_of_class(logits, labels, c, name=n, at=at) for c, n in enumerate(names))
    chances = [one["chance_ap"] for one in classes if one["positives"]]
    if not chances:
        raise DataError(f"no test picture is of a rare class ({', '.join(names)})")
    by = {s: asdict(mean_average_precision_interval(logits, labels, classes=len(names), score=s))
          for s in ("softmax", "logit")}  # fmt: skip
    record = RankingRecord(
        str(run), which, f"test part of {recipe.data.name}", len(labels), int((labels == len(names)).sum()), classes,
        by["softmax"], by["logit"], sum(chances) / len(chances),
        macro_f1(logits.argmax(1), labels, classes=len(names)).item(),
        tuple(notes), round(time.perf_counter() - began, 3), provenance(),
    )  # fmt: skip
    write_json(out / "record.json", record)
    return record


def _test_part(recipe: Recipe, names: Sequence[str]) -> LabeledImages:
    """The labelled pictures of the test part, as the run divided the data."""
    spec = recipe.data
    seed = recipe.seed if spec.seed is None else spec.seed
    options = LoadOptions(seed, spec.val_fraction, spec.download, None, spec.background)
    data = with_rare(load_dataset(spec.name, spec.root, part="test", options=options), names)
    return data.subset((data.labels >= 0).nonzero().flatten())


def _answers(
    classifier: Classifier, data: LabeledImages, *, device: torch.device, watch: Watch
) -> tuple[Tensor, Tensor, list[str]]:
    """Logits and labels on the CPU, and what is to be said of pictures that were left out."""
    fit = "stretch" if classifier.preprocessing.resize == "stretch" else "crop"
    logits, labels, notes = [], [], []
    with placed(classifier, device), torch.inference_mode():
        for start in range(0, len(data), _CHUNK):
            rows = torch.arange(start, min(start + _CHUNK, len(data)))
            try:
                some = in_memory(data.subset(rows), classifier.preprocessing.size, fit=fit)
            except DataError as error:  # not one of them can be used
                notes.append(str(error))
                continue
            notes += some.notes[len(data.notes) :]
            logits.append(classifier(some.pixels.to(device).float().div_(255)).float().cpu())
            labels.append(some.labels)
            watch(int(rows[-1]) + 1, len(data))
    if not logits:
        raise DataError("no test picture can be used; " + "; ".join(notes[:3]))
    return torch.cat(logits), torch.cat(labels), [*data.notes, *notes]


def _of_class(
    logits: Tensor, labels: Tensor, number: int, *, name: str, at: Sequence[int]
) -> dict[str, Any]:
    """What is known of one rare class."""
    positive = labels == number
    count = int(positive.sum())
    found: dict[str, Any] = {"name": name, "positives": count, "chance_ap": None}
    by = {score: class_scores(logits, score)[:, number] for score in ("softmax", "logit")}
    if count:
        found["chance_ap"] = expected_random_ap(count, len(labels))
    found["ap"] = _number(average_precision(by["softmax"], positive))
    found["ap_logit"] = _number(average_precision(by["logit"], positive))
    for k in at:
        found[f"recall_at_{k}"] = _number(recall_at_k(by["softmax"], positive, k=k))
        found[f"precision_at_{k}"] = _number(precision_at_k(by["softmax"], positive, k=k))
    return found


def _number(value: Tensor) -> float | None:
    """None for NaN."""
    return None if value.isnan() else value.item()
