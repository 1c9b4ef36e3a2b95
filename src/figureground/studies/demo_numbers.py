"""The demo's tables: two networks side by side, on digits that neither has seen."""

__all__ = ["Arm", "arms_table", "localisation_table"]

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_iou

from figureground.data.labeled import LabeledImages
from figureground.maps import resize
from figureground.maps.boxes import largest_component_box
from figureground.methods import METHODS, Explainer
from figureground.metrics.classification.detection import auroc
from figureground.metrics.classification.quality import accuracy, ece, nll
from figureground.metrics.uncertainty.spread import cam_area
from figureground.models import Classifier
from figureground.training.algorithms.background_class.scores import ood_score

_IOU = 0.5
_BATCH = 50


@dataclass(frozen=True, eq=False)
class Arm:
    """A trained network of the demo.

    Args:
        name: In the tables.
        classifier: In evaluation mode.
        validation: Accuracy on the validation digits.
        seconds: Of training.
    """

    name: str
    classifier: Classifier
    validation: float
    seconds: float


def arms_table(arms: Sequence[Arm], test: LabeledImages) -> dict[str, Any]:
    """How right, how sure and how wary the networks are.

    Args:
        arms: The networks.
        test: Unseen digits, and clutter without a digit under label K.

    Returns:
        A table as records hold it: a measure a line, a network a column.
    """
    columns = [_numbers(arm, test) for arm in arms]
    digits = int((test.labels < test.num_classes).sum())
    caption = (
        f"Digits of the sets are disjoint; {digits} unseen digits, {len(test) - digits} pictures of clutter alone. "
        "Unknown: can the network tell clutter without a digit from digits; score msp (one minus the largest "
        "probability) or s2 (the same with the background in the softmax). Area: of the CAM above half its maximum."
    )
    return {
        "title": "With and without a background class",
        "caption": caption,
        "columns": ["measure", *(arm.name for arm in arms)],
        "rows": [[name, *(column[name] for column in columns)] for name in columns[0]],
    }


def localisation_table(
    arms: Sequence[Arm],
    test: LabeledImages,
    *,
    count: int,
    watch: Callable[[int, int], None],
) -> dict[str, Any]:
    """How well boxes of the maps meet the true ones.

    Args:
        arms: The networks.
        test: Pictures with boxes.
        count: How many digits are measured.
        watch: Told of progress.

    Returns:
        A table as records hold it: a method a line, two columns a network.
    """
    rows = torch.nonzero(test.labels < test.num_classes).flatten()[:count]
    digits = test.subset(rows)
    assert digits.boxes is not None  # noqa: S101 - generated with boxes
    boxes = torch.cat(list(digits.boxes)).float()
    total = len(arms) * len(digits)
    found: list[dict[str, Tensor]] = []
    for number, arm in enumerate(arms):
        before = number * len(digits)

        def told(done: int, before: int = before) -> None:
            watch(before + done, total)

        guesses = _guesses(arm.classifier, digits, watch=told)
        found.append({name: box_iou(guess, boxes).diagonal() for name, guess in guesses.items()})
    caption = (
        "Box round the largest region above 20 % of the map's maximum (after ReLU, bilinear resize), true class, "
        f"against the true box of {len(digits)} unseen pictures. The last three rows do not look at a network."
    )
    names = [f"{word}, {arm.name}" for arm in arms for word in ("mean IoU", f"IoU ≥ {_IOU}")]
    lines = [[name, *(cell for one in found for cell in _cells(one[name]))] for name in found[0]]
    return {
        "title": "Localisation",
        "caption": caption,
        "columns": ["method", *names],
        "rows": lines,
    }


@torch.no_grad()
def _numbers(arm: Arm, test: LabeledImages) -> dict[str, str]:
    """Measure -> its value in words."""
    assert isinstance(test.images, Tensor)  # noqa: S101 - generated in memory
    logits = torch.cat([arm.classifier(_unit(part)) for part in torch.split(test.images, 256)])
    known, classes = test.labels < test.num_classes, test.num_classes
    inside, labels = logits[known][:, :classes], test.labels[known]
    has_background = logits.shape[1] > classes
    method = "s2" if has_background else "msp"
    scores = ood_score(logits, classes, method)
    shown = test.subset(torch.nonzero(known).flatten()[:200])
    assert isinstance(shown.images, Tensor)  # noqa: S101 - as before
    maps = Explainer(arm.classifier)(_unit(shown.images), shown.labels, "cam").map_of("cam")
    return {
        "accuracy, validation digits": f"{arm.validation:.1%}",
        "accuracy, unseen digits": f"{float(accuracy(inside, labels)):.1%}",
        "negative log-likelihood, nats": f"{float(nll(inside, labels)):.3f}",
        "calibration error": f"{float(ece(inside, labels)):.3f}",
        "unknown: AUROC": f"{float(auroc(scores[known], scores[~known])):.3f} ({method})",
        "area of the maps": f"{float(cam_area(maps[:, 0].relu()).nanmean()):.1%}",
        "training, seconds": f"{arm.seconds:.0f}",
    }


def _guesses(
    classifier: Classifier, digits: LabeledImages, *, watch: Callable[[int], None]
) -> dict[str, Tensor]:
    """Name -> boxes ``(N, 4)`` of each map, and of baselines that know nothing of the network."""
    explainer = Explainer(classifier)
    names = [name for name in METHODS if name != "dff"]
    found: dict[str, list[Tensor]] = {}
    for done, images, labels in _parts(digits):
        size = (int(images.shape[2]), int(images.shape[3]))
        result = explainer(images, labels, methods=names)
        for name in names:
            found.setdefault(name, []).append(_map_boxes(result.map_of(name)[:, 0], size))
        brightest = _map_boxes(images[:, 0], size)
        found.setdefault("brightest region of the picture", []).append(brightest)
        watch(done)
    guesses = {name: torch.cat(parts) for name, parts in found.items()}
    side = float(size[0])
    quarter = side * (1 - 0.5**0.5) / 2
    fixed = {
        "centred box of half the area": [quarter, quarter, side - quarter, side - quarter],
        "whole picture": [0.0, 0.0, side, side],
    }
    count = len(digits)
    return guesses | {name: torch.tensor([box]).expand(count, -1) for name, box in fixed.items()}


def _cells(overlaps: Tensor) -> tuple[str, str]:
    return f"{float(overlaps.mean()):.3f}", f"{float((overlaps >= _IOU).float().mean()):.1%}"


def _map_boxes(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return largest_component_box(
        resize(maps.relu(), size), threshold_fraction=0.2, on_blank="empty"
    )


def _parts(digits: LabeledImages) -> Iterator[tuple[int, Tensor, Tensor]]:
    assert isinstance(digits.images, Tensor)  # noqa: S101 - generated in memory
    for start in range(0, len(digits), _BATCH):
        part = slice(start, start + _BATCH)
        yield min(start + _BATCH, len(digits)), _unit(digits.images[part]), digits.labels[part]


def _unit(images: Tensor) -> Tensor:
    return images.float().div(255).contiguous(memory_format=torch.channels_last)
