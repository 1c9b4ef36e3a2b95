"""The demo: train a small network on digits in clutter, look at its maps, measure them against the true boxes."""

__all__ = ["DemoWatch", "run_demo"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.ops import box_iou

from figureground.base.record import write_json
from figureground.base.seeds import generator, seed_everything
from figureground.data import Clutter, ClutterSpec, make_clutter, sklearn_digits, split_digits
from figureground.maps import resize
from figureground.maps.boxes import largest_component_box
from figureground.methods import METHODS, Explainer
from figureground.models import Classifier, LeNetGAP, Preprocessing
from figureground.studies.explain import explain_photos
from figureground.studies.options import ExplainOptions, ExplainRecord, Truth

DemoWatch = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is."""

_SPEC = ClutterSpec(size=48, distractors=3)
_BATCH = 64
_LEARNING_RATE = 0.005
_SHOWN = 48
_MEASURED = 500
_IOU = 0.5


@dataclass(frozen=True)
class _Sets:
    """Clutter made of disjoint sets of digits."""

    train: Clutter
    val: Clutter
    test: Clutter


def run_demo(out: Path, *, seed: int, samples: int, watch: DemoWatch) -> ExplainRecord:
    """Train, explain, measure; results as ``explain_photos`` leaves them, with tables.

    Args:
        out: The folder.
        seed: For data, weights and training.
        samples: Training pictures shown to the network.
        watch: Told of progress.

    Returns:
        The record, as saved.
    """
    seed_everything(seed)
    sets = _make_sets(seed)
    classifier = _classifier()
    _train(classifier, sets.train, samples=samples, seed=seed, watch=watch)
    accuracy = [
        ["validation digits", f"{_accuracy(classifier, sets.val):.1%}", str(len(sets.val.labels))],
        [
            "unseen test digits",
            f"{_accuracy(classifier, sets.test):.1%}",
            str(len(sets.test.labels)),
        ],
    ]
    photos, truths = _write_photos(out / "photos", sets.test)
    methods = tuple(METHODS)
    overlaps = _overlaps(classifier, sets.test, methods, watch=watch)
    options = ExplainOptions(methods=methods, overwrite=True)
    record = explain_photos(
        classifier,
        photos,
        out=out,
        options=options,
        truths=truths,
        watch=lambda done, total: watch("drawing", done, total),
    )
    note = (
        f"trained here on {samples} pictures of {_SPEC.size}×{_SPEC.size} made of scikit-learn's digits, seed {seed}; "
        "a digit is the brightest thing in its picture, so finding it is easy: see the brightness row"
    )
    record = replace(
        record,
        tables=(_accuracy_table(accuracy), _overlap_table(overlaps)),
        notes=(*record.notes, note),
    )
    write_json(out / "record.json", record)
    return record


def _make_sets(seed: int) -> _Sets:
    digits, labels = sklearn_digits()
    split = split_digits(labels, seed=seed)
    parts = [(split.train, 20_000), (split.val, 1_000), (split.test, 1_000)]
    made = [
        make_clutter(digits[rows], labels[rows], count=count, spec=_SPEC, seed=seed + 1 + number)
        for number, (rows, count) in enumerate(parts)
    ]
    return _Sets(*made)


def _classifier() -> Classifier:
    size = (_SPEC.size, _SPEC.size)
    plain = Preprocessing(size, "stretch", 1.0, "nearest", (0.0,), (1.0,), 1)
    names = [str(digit) for digit in range(10)]
    return Classifier(
        LeNetGAP(channels=1), plain, name="LeNet-GAP on digits in clutter", class_names=names
    )


def _train(
    classifier: Classifier, clutter: Clutter, *, samples: int, seed: int, watch: DemoWatch
) -> None:
    """The smallest honest loop: AdamW, one cycle, cross-entropy, nothing chosen by looking at the test digits."""
    images, labels = _tensors(clutter)
    steps = samples // _BATCH
    network: nn.Module = classifier.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps)
    draw = generator(seed)
    for step in range(steps):
        rows = torch.randint(len(images), (_BATCH,), generator=draw)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(_unit(images[rows]))
        loss = F.cross_entropy(logits.float(), labels[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        watch("training", (step + 1) * _BATCH, steps * _BATCH)
    network.eval()


@torch.no_grad()
def _accuracy(classifier: Classifier, clutter: Clutter) -> float:
    images, labels = _tensors(clutter)
    hits = [
        classifier(_unit(x)).argmax(1) == y
        for x, y in zip(torch.split(images, 256), torch.split(labels, 256), strict=True)
    ]
    return float(torch.cat(hits).float().mean())


def _overlaps(
    classifier: Classifier, clutter: Clutter, methods: tuple[str, ...], *, watch: DemoWatch
) -> dict[str, Tensor]:
    """Name -> IoU of each map's box with the true one, and the same of baselines that know nothing of the network."""
    images, _ = _tensors(clutter)
    images = images[:_MEASURED]
    boxes = torch.from_numpy(clutter.boxes[:_MEASURED]).float()
    size = (_SPEC.size, _SPEC.size)
    explainer = Explainer(classifier)
    found: dict[str, list[Tensor]] = {}
    for done, part in _parts(images):
        result = explainer(_unit(part), methods=[name for name in methods if name != "dff"])
        for name, maps in result.maps.items():
            assert isinstance(maps, Tensor)  # noqa: S101 - one layer
            found.setdefault(name, []).append(_map_boxes(maps[:, 0], size))
        found.setdefault("brightest region of the picture", []).append(
            _map_boxes(_unit(part)[:, 0], size)
        )
        watch("measuring", done, len(images))
    quarter, side = _SPEC.size * (1 - 0.5**0.5) / 2, float(_SPEC.size)
    baselines = {
        "centred box of half the area": [quarter, quarter, side - quarter, side - quarter],
        "whole picture": [0, 0, side, side],
    }
    guesses = {name: torch.cat(parts) for name, parts in found.items()}
    guesses |= {name: torch.tensor([box]).expand(len(boxes), -1) for name, box in baselines.items()}
    return {name: box_iou(guess, boxes).diagonal() for name, guess in guesses.items()}


def _map_boxes(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return largest_component_box(
        resize(maps.relu(), size), threshold_fraction=0.2, on_blank="empty"
    )


def _accuracy_table(rows: list[list[str]]) -> dict[str, Any]:
    caption = "Digits of the three sets are disjoint; each is drawn into several pictures."
    return {
        "title": "Accuracy",
        "caption": caption,
        "columns": ["set", "accuracy", "pictures"],
        "rows": rows,
    }


def _overlap_table(overlaps: dict[str, Tensor]) -> dict[str, Any]:
    rows = [
        [name, f"{float(iou.mean()):.3f}", f"{float((iou >= _IOU).float().mean()):.1%}"]
        for name, iou in overlaps.items()
    ]
    caption = (
        "Box round the largest region above 20 % of the map's maximum (after ReLU, bilinear resize), for the "
        f"predicted class, against the true box of {_MEASURED} unseen pictures. "
        "The last three rows do not look at the network."
    )
    return {
        "title": "Localisation",
        "caption": caption,
        "columns": ["method", "mean IoU", f"IoU ≥ {_IOU}"],
        "rows": rows,
    }


def _write_photos(folder: Path, clutter: Clutter) -> tuple[list[Path], dict[Path, Truth]]:
    folder.mkdir(parents=True, exist_ok=True)
    truths: dict[Path, Truth] = {}
    for row in range(_SHOWN):
        path = folder / f"{row:03d}-digit-{int(clutter.labels[row])}.png"
        Image.fromarray(clutter.images[row]).save(path)
        x0, y0, x1, y1 = (float(value) for value in clutter.boxes[row])
        truths[path] = Truth(str(int(clutter.labels[row])), ((x0, y0, x1, y1),))
    return list(truths), truths


def _parts(images: Tensor, size: int = 50) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, len(images), size):
        yield min(start + size, len(images)), images[start : start + size]


def _tensors(clutter: Clutter) -> tuple[Tensor, Tensor]:
    """Images ``(N, 1, H, W)`` uint8 and labels."""
    return torch.from_numpy(clutter.images)[:, None], torch.from_numpy(
        np.asarray(clutter.labels, np.int64)
    )


def _unit(images: Tensor) -> Tensor:
    return images.float().div(255).contiguous(memory_format=torch.channels_last)
