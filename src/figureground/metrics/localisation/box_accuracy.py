"""How well boxes fit: overlaps, the best one at each threshold, and the share of images that are localised."""

__all__ = [
    "BOX_RULES",
    "CLOVA",
    "CLOVA_V2",
    "CONVENTIONS",
    "BoxAccuracy",
    "BoxRule",
    "BoxTable",
    "ChosenThreshold",
    "FrozenAccuracy",
    "best_overlaps",
    "box_table",
    "choose_threshold",
    "default_thresholds",
    "frozen_accuracy",
    "hits",
    "iou",
    "max_box_acc",
    "max_box_acc_v2",
    "scale_boxes",
]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import MapError, OptionError, ShapeError, unknown_option
from figureground.maps.boxes import Shares, ThresholdBoxes, boxes_from_map

CONVENTIONS = ("half-open", "inclusive")


@checked
def iou(
    boxes: Real[Tensor, "A 4"], others: Real[Tensor, "B 4"], *, convention: str = "half-open"
) -> Float[Tensor, "A B"]:
    """Intersection over union of every box with every other.

    Args:
        boxes: xyxy in pixels.
        others: xyxy in pixels.
        convention: "half-open": a box is ``x1 - x0`` wide. "inclusive": x1 is the last pixel and
            the box is ``x1 - x0 + 1`` wide, as in PASCAL VOC, ILSVRC and Choe et al.

    Returns:
        Overlaps in [0, 1], higher is better; 0 where both boxes are empty.

    Raises:
        ShapeError: A box is not finite, or its second corner comes before the first.

    Examples:
        >>> iou(
        ...     torch.tensor([[1.0, 2, 5, 6]]),
        ...     torch.tensor([[3.0, 1, 4, 5]]),
        ...     convention="inclusive",
        ... )
        tensor([[0.2963]])
    """
    extra = _extra(convention)
    one, other = _checked(boxes), _checked(others)
    low = torch.maximum(one[:, None, :2], other[None, :, :2])
    high = torch.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = (high - low + extra).clamp_min(0).prod(-1)
    areas = [(b[:, 2:] - b[:, :2] + extra).prod(-1) for b in (one, other)]
    union = areas[0][:, None] + areas[1][None] - shared
    return (shared / union.clamp_min(torch.finfo(union.dtype).tiny)).float()


@checked
def scale_boxes(
    boxes: Real[Tensor, "B 4"],
    size: tuple[int, int],
    new_size: tuple[int, int],
    *,
    whole: bool = False,
) -> Float[Tensor, "B 4"]:
    """Boxes of an image of one size on the same image stretched to another.

    Args:
        boxes: xyxy in pixels.
        size: Width and height that the boxes refer to.
        new_size: Width and height wanted.
        whole: Cut to whole pixels towards zero, as the protocol of Choe et al. does.

    Returns:
        xyxy in pixels of the new size.

    Raises:
        OptionError: A size is not positive.

    Examples:
        >>> scale_boxes(torch.tensor([[1.0, 2, 4, 3]]), (10, 20), (35, 10), whole=True).tolist()
        [[3.0, 1.0, 14.0, 1.0]]
    """
    if min(*size, *new_size) < 1:
        raise OptionError(f"sizes must be positive, got {size} and {new_size}")
    numbers = [new * 1.0 for new in new_size * 2]
    scaled = boxes.double() * torch.tensor(numbers) / torch.tensor([s * 1.0 for s in size * 2])
    return (scaled.trunc() if whole else scaled).float()


def _extra(convention: str) -> int:
    """How many pixels a side is longer than the difference of its corners."""
    if convention not in CONVENTIONS:
        raise unknown_option("convention", convention, CONVENTIONS)
    return int(convention == "inclusive")


def _checked(boxes: Tensor) -> Tensor:
    """Boxes as float64, if they are boxes."""
    numbers = boxes.double()
    bad = ~(numbers.isfinite().all(1) & (numbers[:, 2:] >= numbers[:, :2]).all(1))
    if bad.any():
        where = bad.nonzero()[0].item()
        raise ShapeError(f"box {where} is not xyxy in order: {boxes[int(where)].tolist()}")
    return numbers


@dataclass(frozen=True)
class BoxRule:
    """How boxes are cut from a map and compared.

    Args:
        multi: All contours rather than the largest.
        area: What "largest" means: "polygon" or "pixels".
        convention: "clova", "inclusive" or "half-open"; the true boxes are read as inclusive pixels with the
            first two, and as half-open with the last.
    """

    multi: bool = False
    area: str = "polygon"
    convention: str = "clova"


CLOVA = BoxRule()
CLOVA_V2 = BoxRule(multi=True)


@checked
def default_thresholds(step: float = 0.01) -> Float[np.ndarray, " T"]:
    """The usual shares of the maximum: 0, step, 2 step, ... below 1.

    Args:
        step: Distance of two thresholds.

    Returns:
        The shares, float64.

    Examples:
        >>> default_thresholds(0.25).tolist()
        [0.0, 0.25, 0.5, 0.75]
    """
    return np.arange(0, 1, step)


@checked
def best_overlaps(
    maps: Float[Tensor, "N H W"] | Float[np.ndarray, "N H W"],
    true_boxes: Sequence[Real[Tensor, "_ 4"]],
    *,
    thresholds: Shares,
    rule: BoxRule = CLOVA,
) -> Float[Tensor, "N T"]:
    """Best intersection over union for each image at each threshold.

    Everything that boxes can say follows from this table: an image is a hit at overlap 0.5 and threshold j where
    ``best_overlaps(...)[:, j] >= 0.5``. Whose maps they are does not matter.

    Args:
        maps: One map an image, at the size that the true boxes refer to; for the "clova"
            convention normalised to [0, 1].
        true_boxes: For each image its boxes, xyxy in pixels, at least one.
        thresholds: Shares of each map's maximum, in [0, 1].
        rule: How boxes are cut and compared.

    Returns:
        Overlaps in [0, 1], (N, T).

    Raises:
        MapError: A map cannot be boxed, with its position.
        ShapeError: There are not as many lists of boxes as maps, or one is empty.

    References:
        Choe et al. (2020). Evaluating Weakly Supervised Object Localization Methods Right. CVPR,
        section 3.2, arXiv 2001.07437.

    Examples:
        >>> one_map = torch.zeros(1, 6, 8)
        >>> one_map[0, 1:4, 2:6] = 1
        >>> best_overlaps(one_map, [torch.tensor([[2.0, 1, 6, 4]])], thresholds=[0.0, 0.5])
        tensor([[1., 1.]])
    """
    if len(maps) != len(true_boxes):
        raise ShapeError(f"{len(maps)} maps but {len(true_boxes)} lists of true boxes")
    rows = [
        _one(maps[position], boxes, (position, thresholds, rule))
        for position, boxes in enumerate(true_boxes)
    ]
    return torch.stack(rows) if rows else torch.zeros(0, len(thresholds))


def _one(
    one_map: Tensor | np.ndarray,
    true_boxes: Tensor,
    asked: tuple[int, Shares, BoxRule],
) -> Tensor:
    """Best overlap at each threshold for one image."""
    position, thresholds, rule = asked
    if len(true_boxes) == 0:
        raise ShapeError(f"image {position} has no true box; leave such images out")
    try:
        cut = boxes_from_map(
            one_map, thresholds, multi=rule.multi, area=rule.area, convention=rule.convention
        )
    except MapError as error:
        raise MapError(f"map {position}: {error}") from error
    reading = "half-open" if rule.convention == "half-open" else "inclusive"
    overlap = iou(cut.boxes, true_boxes, convention=reading).amax(1)
    return torch.zeros(len(thresholds)).scatter_reduce(0, cut.threshold, overlap, "amax")


BOX_RULES: dict[str, tuple[BoxRule, BoxRule]] = {
    "clova": (CLOVA, CLOVA_V2),
    "pixels": (
        BoxRule(area="pixels", convention="inclusive"),
        BoxRule(multi=True, area="pixels", convention="inclusive"),
    ),
}
"""Name -> how the box of the largest region is cut, and the boxes of all contours."""


@dataclass(frozen=True, eq=False)
class BoxTable:
    """Best intersection over union of each image at each threshold.

    Args:
        single: Of the box of the largest region, (N, T).
        multi: Of the best of all contours, (N, T); never below ``single`` by more than rounding.
    """

    single: Float[np.ndarray, "N T"]
    multi: Float[np.ndarray, "N T"]


@checked
def box_table(
    maps: Float[Tensor, "N H W"],
    boxes: Sequence[Real[Tensor, "_ 4"]],
    *,
    shares: Float[np.ndarray, " T"],
    rule: str = "clova",
) -> BoxTable:
    """Both tables of a stack of maps.

    Equal to ``best_overlaps`` with both rules. For ``clova`` the boxes of a map that comes several times in a
    row, as a baseline does, are cut once.

    Args:
        maps: In [0, 1], at the size that the boxes refer to.
        boxes: For each image its boxes, xyxy pixels, half-open, at least one. (The rules compare inclusive
            pixels, so the last column and row are one less there.)
        shares: Shares of the maximum, in [0, 1).
        rule: ``clova``, the published evaluation code's; or ``pixels``, the region of most pixels, compared
            in whole pixels.

    Returns:
        The tables.

    Raises:
        OptionError: The rule is unknown.
        ShapeError: There are more or fewer lists of boxes than maps, or a list is empty, or a box is none.

    Examples:
        >>> import torch
        >>> one_map = torch.zeros(1, 6, 8)
        >>> one_map[0, 1:4, 2:6] = 1
        >>> box = [torch.tensor([[2.0, 1, 6, 4]])]
        >>> box_table(one_map, box, shares=np.array([0.0, 0.5]), rule="pixels").single.tolist()
        [[1.0, 1.0]]
    """  # noqa: DOC501 - unknown_option makes an OptionError
    if rule not in BOX_RULES:
        raise unknown_option("box rule", rule, BOX_RULES)
    if len(maps) != len(boxes):
        raise ShapeError(f"{len(maps)} maps but {len(boxes)} lists of true boxes")
    arrays = maps.cpu().numpy()
    table = np.zeros((2, len(arrays), len(shares)), np.float32)
    cuts: list[ThresholdBoxes] = []
    for at, true in enumerate(boxes):
        if len(true) == 0:
            raise ShapeError(f"image {at} has no true box; leave such images out")
        # baselines are the same map for every image: its boxes are cut once
        if not cuts or not np.array_equal(arrays[at], arrays[at - 1]):
            cuts = [_cut(arrays[at], shares, one) for one in BOX_RULES[rule]]
        truth = _checked(true).cpu().numpy() - np.array([0, 0, 1, 1])
        table[:, at] = [_best(cut, truth, len(shares)) for cut in cuts]
    return BoxTable(table[0], table[1])


def _cut(one_map: np.ndarray, shares: np.ndarray, rule: BoxRule) -> ThresholdBoxes:
    """Boxes of one map at all thresholds."""
    return boxes_from_map(
        one_map, shares, multi=rule.multi, area=rule.area, convention=rule.convention
    )


def _best(cut: ThresholdBoxes, truth: np.ndarray, count: int) -> np.ndarray:
    """Best overlap at each threshold, (T,), in inclusive pixels."""
    found = cut.boxes.numpy().astype(np.float64)
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    shared = np.maximum(high - low + 1, 0).prod(-1)
    areas = [(some[:, 2:] - some[:, :2] + 1).prod(-1) for some in (found, truth)]
    overlap = (shared / (areas[0][:, None] + areas[1][None] - shared)).max(1)
    best = np.zeros(count)
    np.maximum.at(best, cut.threshold.numpy(), overlap)
    return best


@dataclass(frozen=True)
class ChosenThreshold:
    """What the validation part says.

    Args:
        threshold: Share of the maximum.
        position: Its place in the list.
        overlap: Intersection over union that makes a hit.
        validation_accuracy: Share of validation images that are hits with it.
    """

    threshold: float
    position: int
    overlap: float
    validation_accuracy: float


@dataclass(frozen=True, eq=False)
class FrozenAccuracy:
    """Accuracy on the test part.

    Args:
        accuracy: With the threshold chosen on the validation part: the number to report.
        oracle_accuracy: With the threshold that is best on the test part itself: an upper bound that no user
            could have reached; never to be reported without the word "oracle".
        oracle_threshold: That threshold.
        per_image: Which test images are hits with the chosen threshold, for intervals and paired tests.
        chosen: The choice.
    """

    accuracy: float
    oracle_accuracy: float
    oracle_threshold: float
    per_image: Bool[Tensor, " N"]
    chosen: ChosenThreshold


@checked
def choose_threshold(
    validation: Float[Tensor, "N T"],
    thresholds: Shares,
    *,
    overlap: float = 0.5,
) -> ChosenThreshold:
    """The threshold at which most validation images are right.

    Args:
        validation: Best overlap of each validation image at each threshold.
        thresholds: Shares of the maximum, as many as the table has columns.
        overlap: Intersection over union that makes a hit.

    Returns:
        The choice; of equally good thresholds the middle one of the first run of them, for it is
        the least likely to be at an edge by chance.

    Raises:
        ShapeError: The table does not have one column a threshold, or no row.

    Examples:
        >>> import torch
        >>> best = torch.tensor([[0.6, 0.6, 0.6, 0.1]])
        >>> choose_threshold(best, [0.1, 0.2, 0.3, 0.4]).threshold
        0.2
    """
    if validation.shape[0] == 0 or validation.shape[1] != len(thresholds):
        raise ShapeError(f"{len(thresholds)} thresholds but a table of {tuple(validation.shape)}")
    shares = hits(validation, overlap).double().mean(0)
    best = shares == shares.max()
    first = int(best.int().argmax())
    run = int(best[first:].int().cumprod(0).sum())
    position = first + (run - 1) // 2
    return ChosenThreshold(float(thresholds[position]), position, overlap, shares[position].item())


@checked
def frozen_accuracy(
    test: Float[Tensor, "N T"],
    thresholds: Shares,
    *,
    chosen: ChosenThreshold,
) -> FrozenAccuracy:
    """Accuracy on the test part with a threshold that was chosen elsewhere, and the oracle's.

    Args:
        test: Best overlap of each test image at each threshold; other images than the validation part's.
        thresholds: The same shares of the maximum as in the choice.
        chosen: The choice.

    Returns:
        Both accuracies and the hits of each image.

    Raises:
        ShapeError: The thresholds are not those of the choice, or there is no image.

    References:
        Choe et al. (2020). CVPR, section 4, arXiv 2001.07437: hyper-parameters of the box come from
        held-out images with boxes.

    Examples:
        >>> import torch
        >>> chosen = choose_threshold(torch.tensor([[0.6, 0.1]]), [0.2, 0.4])
        >>> result = frozen_accuracy(
        ...     torch.tensor([[0.1, 0.6], [0.7, 0.8]]), [0.2, 0.4], chosen=chosen
        ... )
        >>> result.accuracy, result.oracle_accuracy
        (0.5, 1.0)
    """
    if test.shape[1] != len(thresholds) or thresholds[chosen.position] != chosen.threshold:
        raise ShapeError("the thresholds are not the ones that the choice was made from")
    oracle = max_box_acc(test, chosen.overlap)
    per_image = hits(test, chosen.overlap)[:, chosen.position]
    return FrozenAccuracy(
        per_image.double().mean().item(),
        oracle.accuracy,
        float(thresholds[oracle.position]),
        per_image,
        chosen,
    )


V2_OVERLAPS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class BoxAccuracy:
    """Accuracy at the threshold that is best for these very images: an oracle's choice.

    Args:
        accuracy: Share of images that are hits, in [0, 1]; higher is better.
        position: Which threshold; the first of equals.
        overlap: Intersection over union that makes a hit.
    """

    accuracy: float
    position: int
    overlap: float


@checked
def hits(best: Float[Tensor, "N T"], overlap: float = 0.5) -> Bool[Tensor, "N T"]:
    """Which images are right at which threshold.

    Args:
        best: Best overlap of each image at each threshold.
        overlap: Intersection over union that makes a hit, reached or exceeded; in (0, 1].

    Returns:
        True for a hit.

    Raises:
        OptionError: The overlap is out of range.

    Examples:
        >>> import torch
        >>> hits(torch.tensor([[0.5, 0.49]])).tolist()
        [[True, False]]
    """
    if not 0 < overlap <= 1:
        raise OptionError(f"overlap must lie in (0, 1], got {overlap}")
    return best >= overlap


@checked
def max_box_acc(best: Float[Tensor, "N T"], overlap: float = 0.5) -> BoxAccuracy:
    """Share of images that are right at the threshold where most are.

    The threshold is chosen on the images that are judged: use it on a validation part, or name
    it an oracle's number (``frozen_accuracy`` gives both).

    Args:
        best: Best overlap of each image at each threshold.
        overlap: Intersection over union that makes a hit.

    Returns:
        The accuracy and the threshold's position.

    Raises:
        ShapeError: There is no image or no threshold.

    References:
        Choe et al. (2020). CVPR, equation 2, arXiv 2001.07437.

    Examples:
        >>> import torch
        >>> best = torch.tensor([[0.6, 0.2], [0.1, 0.7], [0.4, 0.9]])
        >>> max_box_acc(best).accuracy, max_box_acc(best).position
        (0.6666666666666666, 1)
    """
    if best.numel() == 0:
        raise ShapeError(f"no images or no thresholds to judge: table of shape {tuple(best.shape)}")
    shares = hits(best, overlap).double().mean(0)
    position = int(shares.argmax())
    return BoxAccuracy(shares[position].item(), position, overlap)


@checked
def max_box_acc_v2(
    best: Float[Tensor, "N T"], overlaps: Sequence[float] = V2_OVERLAPS
) -> tuple[float, tuple[BoxAccuracy, ...]]:
    """Mean over several overlaps of the accuracy at each one's own best threshold.

    Args:
        best: Best overlap of each image at each threshold, over all contours (``CLOVA_V2``).
        overlaps: Intersections over union.

    Returns:
        The mean, and the accuracy at each overlap.

    References:
        Choe et al. (2022). Evaluation for Weakly Supervised Object Localization: Protocol, Metrics, and
        Datasets. TPAMI, arXiv 2007.04178.

    Examples:
        >>> import torch
        >>> max_box_acc_v2(torch.tensor([[0.6], [0.4]]))[0]
        0.5
    """
    each = tuple(max_box_acc(best, overlap) for overlap in overlaps)
    return sum(one.accuracy for one in each) / len(each), each
