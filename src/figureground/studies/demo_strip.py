"""The demo's strip: a few pictures, and beside each the maps of both networks."""

__all__ = ["strip_figure"]

import base64
from collections.abc import Sequence

import torch
from torch import Tensor

from figureground.data.labeled import LabeledImages
from figureground.maps import overlay
from figureground.methods import Explainer
from figureground.studies.demo_numbers import Arm
from figureground.studies.pictures import enlarged, png_bytes

_DIGITS, _EMPTY = 6, 2
_METHODS = ("cam", "eigen-cam")
_SIDE, _GAP = 128, 4


def strip_figure(arms: Sequence[Arm], test: LabeledImages) -> dict[str, str]:
    """Unseen digits and clutter without one; columns: the picture, then CAM and Eigen-CAM of each network.

    Args:
        arms: The networks.
        test: Digits, and clutter under label K.

    Returns:
        A figure as records hold it: title, caption, and the picture as a data address.
    """
    known = test.labels < test.num_classes
    rows = torch.cat(
        [torch.nonzero(known).flatten()[:_DIGITS], torch.nonzero(~known).flatten()[:_EMPTY]]
    )
    assert isinstance(test.images, Tensor)  # noqa: S101 - generated in memory
    images = test.images[rows].float().div(255)
    columns = [(enlarged(images, _SIDE).expand(-1, 3, -1, -1) * 255).byte().permute(0, 2, 3, 1)]
    for arm in arms:
        # of clutter: the map of the digit that the network takes it for
        likeliest = arm.classifier(images)[:, : test.num_classes].argmax(1)
        classes = torch.where(known[rows], test.labels[rows], likeliest)
        explanation = Explainer(arm.classifier)(images, classes, list(_METHODS))
        shown = enlarged(images, _SIDE)
        columns += [overlay(shown, explanation.map_of(name)[:, 0]) for name in _METHODS]
    picture = _grid([column.cpu() for column in columns])
    address = base64.b64encode(png_bytes(picture.numpy())).decode()
    names = "; ".join(f"{' and '.join(_METHODS)} of the network “{arm.name}”" for arm in arms)
    caption = (
        f"From the left: the picture; {names}. The last {_EMPTY} lines are clutter without a digit."
    )
    return {
        "title": "What the two networks look at",
        "caption": caption,
        "png": f"data:image/png;base64,{address}",
    }


def _grid(columns: Sequence[Tensor]) -> Tensor:
    """Pictures ``(H, W, 3)``, column by column, with white between them."""
    height, width = columns[0].shape[1:3]
    count = len(columns[0])
    whole = torch.full(
        (count * (height + _GAP) - _GAP, len(columns) * (width + _GAP) - _GAP, 3),
        255,
        dtype=torch.uint8,
    )
    for across, column in enumerate(columns):
        for down, picture in enumerate(column):
            top, left = down * (height + _GAP), across * (width + _GAP)
            whole[top : top + height, left : left + width] = picture
    return whole
