"""Recipro-CAM: the class score of each position alone."""

__all__ = ["ReciproCAM", "cell_masks"]

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.shapes import MapsPerClass
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS
from figureground.methods.sweeps import Sweeps

_WINDOW = (1.0, 2.0, 1.0)


def cell_masks(height: int, width: int, *, kernel: str = "cell") -> Float[Tensor, "cells h w"]:
    """What is kept of a feature map, for each of its positions.

    Args:
        height: h.
        width: w.
        kernel: ``cell`` keeps the position alone; ``3x3`` its neighbours, too, weighted 1 2 1, 2 4 2, 1 2 1 over 16.

    Returns:
        ``(h·w, h, w)`` in [0, 1], in the order of the positions, row by row.

    Examples:
        >>> cell_masks(1, 3, kernel="3x3")[1].tolist()
        [[0.125, 0.25, 0.125]]
    """
    cells = torch.eye(height * width).reshape(-1, 1, height, width)
    if kernel == "3x3":
        line = torch.tensor(_WINDOW)
        window = torch.outer(line, line)[None, None] / 16
        cells = torch.nn.functional.conv2d(cells, window, padding=1)
    return cells[:, 0]


@dataclass(frozen=True)
class ReciproCAM(CamMethod):
    """Recipro-CAM (Byun & Lee 2024), the cheapest map without gradients: one replay for each position.

    ``M(i, j) = p(A ∘ mask_ij) − p(0)``: the class probability when the feature map holds that position alone, less that
    of an empty map. Signed. Prefix tokens of a transformer stay. On a linear head the map of logits is CAM over the
    number of positions, exactly. For transformers the paper takes the output of the last block but one, and
    ``kernel="3x3"``.

    *Differs:* the score of the empty map is subtracted, so that 0 means nothing: else the classifier's bias would look
    like evidence. Nothing is normalised here.

    Args:
        score: ``probability`` or ``logit``. With many classes the probabilities are flat where no single position can
            decide.
        kernel: ``cell`` or ``3x3``; see ``cell_masks``.

    Raises:
        OptionError: No such score or kernel.
    """

    score: str = "probability"
    kernel: str = "cell"

    entry = METHODS["recipro-cam"]

    def __post_init__(self) -> None:
        if self.score not in {"probability", "logit"}:
            raise OptionError(f"a score is 'probability' or 'logit', not '{self.score}'")
        if self.kernel not in {"cell", "3x3"}:
            raise OptionError(f"a kernel is 'cell' or '3x3', not '{self.kernel}'")

    def forwards(self, channels: int, height: int, width: int) -> int:
        """One for each position, and one for the empty map; see the base."""
        del channels
        return height * width + 1

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, signed."""
        targets, sweeps = inputs.per_sweep
        height, width = inputs.activations.shape[2:]
        masks = cell_masks(height, width, kernel=self.kernel).to(inputs.activations)
        masks = torch.cat([masks, torch.zeros_like(masks[:1])])
        logits = sweeps.once(
            ("recipro", self.kernel), partial(_swept, sweeps, inputs.activations, masks=masks)
        )
        maps = []
        for image, rows in enumerate(logits):
            own = targets.of_image(image)
            found = own.probability(rows) if self.score == "probability" else own.score(rows)
            maps.append((found[:-1] - found[-1]).T.reshape(-1, height, width))
        return torch.stack(maps)


def _swept(sweeps: Sweeps, activations: Tensor, image: int, *, masks: Tensor) -> Tensor:
    """Logits ``(h·w + 1, L)`` of one image's maps behind each mask."""
    own = activations[image]
    parts = (own * part[:, None] for part in sweeps.parts(masks, own))
    return torch.cat([sweeps.replay(image, maps, keep=False) for maps in parts])
