"""What networks other than classifiers are asked: their outputs read as scores, one column for each thing to explain.

Each is a function from what a network returns for a batch to scores ``(N, L)``, for ``Explainer(model, output=...)``:
then every method and every way to ask for classes works, and a class number is a column.
"""

__all__ = ["anchors", "boxes", "detections", "regression", "segmentation", "similarity"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.amount import amount
from figureground.base.checking import checked
from figureground.base.errors import ModelError, OptionError, ShapeError

Readout = Callable[[Any], Tensor]


@checked
def segmentation(mask: Bool[Tensor, "H W"] | None = None) -> Readout:
    """Of a segmentation network: the scores of each category added up over pixels.

    Args:
        mask: ``(H, W)``, the pixels that are asked about: "why these?" None takes, for each category, the pixels where
            the network says it; under methods that change the image these pixels change, too, so give a mask there.

    Returns:
        From ``(N, C, H, W)``, or a mapping that holds it as ``out`` or ``logits``, to ``(N, C)``: a category is a
        class.

    Examples:
        >>> scores = torch.tensor([[[[3.0, 1.0]], [[2.0, 5.0]]]])
        >>> segmentation()(scores).tolist()
        [[3.0, 5.0]]
        >>> segmentation(torch.tensor([[True, True]]))({"out": scores}).tolist()
        [[4.0, 7.0]]
    """

    def read(returned: Any) -> Tensor:  # noqa: ANN401
        scores = _scores_per_pixel(returned)
        if mask is None:
            best = scores.detach().argmax(1, keepdim=True)
            inside = best == torch.arange(scores.shape[1], device=scores.device)[:, None, None]
        else:
            if mask.shape != scores.shape[2:]:
                raise ShapeError(
                    f"the mask is {tuple(mask.shape)}, the network's scores are {tuple(scores.shape[2:])}"
                )
            inside = mask.to(scores.device).expand_as(scores)
        return (scores * inside).sum((2, 3))

    return read


@checked
def boxes(
    reference: Float[Tensor, "B 4"], labels: Sequence[int] | Tensor, *, iou: float = 0.5
) -> Readout:
    """Of a detector in the manner of torchvision: the score of what it still detects at each of the given boxes.

    Gradients come from the box head alone, since torchvision detaches its proposals.

    Args:
        reference: ``(B, 4)`` xyxy pixels, of the image that is explained: the clean run's detections, say.
        labels: Of each box.
        iou: The least overlap with which a detection of the same label stands for the box.

    Returns:
        From one mapping an image (``boxes``, ``labels``, ``scores``) to ``(N, B)``: a box is a class; 0 where nothing
        stands for it.

    Raises:
        ShapeError: There are not as many labels as boxes, or no box.
        OptionError: The overlap is outside (0, 1].

    Examples:
        >>> found = {
        ...     "boxes": torch.tensor([[0.0, 0, 4, 4]]),
        ...     "labels": torch.tensor([7]),
        ...     "scores": torch.tensor([0.9]),
        ... }
        >>> read = boxes(torch.tensor([[0.0, 0, 4, 5], [5.0, 5, 9, 9]]), [7, 7])
        >>> read([found]).tolist()
        [[0.8999999761581421, 0.0]]
    """
    wanted = torch.as_tensor(labels)
    if not len(reference) or wanted.shape != (len(reference),):
        raise ShapeError(
            f"{amount(len(wanted), 'label')} for {amount(len(reference), 'box', 'boxes')}; give at least one of each"
        )
    if not 0 < iou <= 1:
        raise OptionError(f"iou must be in (0, 1], not {iou}")

    from torchvision.ops import box_iou  # noqa: PLC0415 - slow to import, and needed here alone

    def read_one(found: Mapping[str, Tensor]) -> Tensor:
        scores = found["scores"]
        nothing = scores.sum() * 0  # keeps the graph where nothing is detected
        if not len(scores):
            return nothing.expand(len(reference))
        overlap = box_iou(reference.to(scores.device), found["boxes"].detach())
        same = wanted.to(scores.device)[:, None] == found["labels"]
        best, at = overlap.masked_fill(~same, -1).max(1)
        return torch.where(best >= iou, scores[at], nothing)

    return lambda returned: torch.stack([read_one(one) for one in _per_image(returned)])


@checked
def detections(classes: int) -> Readout:
    """Of a detector in the manner of torchvision: the best score of any detection of each category, as a logarithm.

    A softmax over them, which every report takes, then gives each category its share of the scores. Where nothing is
    detected the score is taken for a thousandth, which is below what a detector reports.

    Args:
        classes: Number of categories, with the background that torchvision counts as category 0.

    Returns:
        From one mapping an image (``boxes``, ``labels``, ``scores``) to ``(N, classes)``: a category is a class.

    Raises:
        OptionError: Fewer than two categories.

    Examples:
        >>> found = {"labels": torch.tensor([2, 1, 2]), "scores": torch.tensor([0.9, 0.3, 0.2])}
        >>> detections(4)([found]).exp().mul(1000).round().tolist()
        [[1.0, 300.0, 900.0, 1.0]]
    """
    if classes < 2:
        raise OptionError(f"a detector has at least one category and the background, not {classes}")

    def read_one(found: Mapping[str, Tensor]) -> Tensor:
        scores, labels = found["scores"], found["labels"]
        best = scores.new_zeros(classes).scatter_reduce(0, labels, scores, "amax")
        return (
            (best + scores.sum() * 0).clamp(min=_NOT_DETECTED).log()
        )  # a graph without detections, too

    return lambda returned: torch.stack([read_one(one) for one in _per_image(returned)])


_NOT_DETECTED = 1e-3


def _per_image(returned: Any) -> list[Mapping[str, Tensor]]:  # noqa: ANN401
    """One mapping an image."""
    rows = list(returned) if isinstance(returned, list | tuple) else []
    if not rows or not all(isinstance(one, Mapping) and "scores" in one for one in rows):
        raise ModelError(
            "this readout wants the detections of a torchvision detector, a list of mappings with boxes, labels and "
            f"scores; the network returned {type(returned).__name__}"
        )
    return rows


@checked
def anchors(indices: Sequence[int] | Tensor, classes: Sequence[int] | Tensor) -> Readout:
    """Of a one-stage detector: class scores at the anchors that made its boxes, where suppression has no say.

    Args:
        indices: Anchors of the boxes in the clean run.
        classes: The class of each.

    Returns:
        From ``(N, 4 + C, A)``, or a tuple that begins with it, to ``(N, B)``: a box is a class.

    Raises:
        ShapeError: There are not as many classes as anchors, or none.

    Examples:
        >>> head = torch.arange(12.0).view(1, 6, 2)  # 2 classes, 2 anchors
        >>> anchors([1, 0], [0, 1])((head, "features")).tolist()
        [[9.0, 10.0]]
    """
    at, kinds = torch.as_tensor(indices), torch.as_tensor(classes)
    if not len(at) or at.shape != kinds.shape or at.ndim != 1:
        raise ShapeError(
            f"{amount(len(kinds), 'class', 'classes')} for {amount(len(at), 'anchor')}; give at least one of each"
        )

    def read(returned: Any) -> Tensor:  # noqa: ANN401
        head = returned[0] if isinstance(returned, tuple | list) else returned
        _check_tensor(head, 3, "(N, 4 + C, anchors)")
        return head[:, (4 + kinds).to(head.device), at.to(head.device)]

    return read


@checked
def similarity(references: Float[Tensor, "R D"]) -> Readout:
    """Of a network that embeds images: the cosine similarity with each reference.

    What tells two references apart is asked for with a function: ``classes=lambda z: z[:, 0] - z[:, 1]``.

    Args:
        references: ``(R, D)`` embeddings, of other images or of texts.

    Returns:
        From ``(N, D)`` to ``(N, R)``: a reference is a class.

    Examples:
        >>> similarity(torch.tensor([[0.0, 2.0], [1.0, 1.0]]))(torch.tensor([[0.0, 3.0]])).tolist()
        [[1.0, 0.7071067690849304]]
    """

    def read(returned: Any) -> Tensor:  # noqa: ANN401
        _check_tensor(returned, 2, "(N, D)")
        with_length_one = torch.nn.functional.normalize
        others = with_length_one(references.to(returned.device, returned.dtype), dim=1)
        return with_length_one(returned, dim=1) @ others.T

    return read


def regression() -> Readout:
    """Of a network whose outputs are quantities.

    Returns:
        From ``(N,)`` or ``(N, L)`` to ``(N, L)``: a quantity is a class, and its map shows what raises it. A single
        quantity is followed by its negative, so that class 0 is what raises it and class 1 what lowers it, where a
        classifier's single logit would be read the other way round.

    Examples:
        >>> regression()(torch.tensor([2.0, -3.0])).tolist()
        [[2.0, -2.0], [-3.0, 3.0]]
    """

    def read(returned: Any) -> Tensor:  # noqa: ANN401
        rows = returned[:, None] if returned.ndim == 1 else returned
        _check_tensor(rows, 2, "(N,) or (N, L)")
        return torch.cat([rows, -rows], 1) if rows.shape[1] == 1 else rows

    return read


def _scores_per_pixel(returned: Any) -> Tensor:  # noqa: ANN401
    """``(N, C, H, W)``."""
    for name in ("out", "logits"):
        value = (
            returned.get(name) if isinstance(returned, Mapping) else getattr(returned, name, None)
        )
        if isinstance(value, Tensor):
            returned = value
            break
    _check_tensor(returned, 4, "(N, C, H, W), alone, as 'out' or as 'logits'")
    return returned


def _check_tensor(value: object, axes: int, wanted: str) -> None:
    """Refuse what a readout cannot read."""
    if not isinstance(value, Tensor) or value.ndim != axes:
        kind = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ModelError(f"this readout wants {wanted}; the network returned {kind}")
