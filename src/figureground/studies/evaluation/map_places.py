"""Where maps point: boxes at every threshold, peak and mass; a blank map is a miss, not a gap."""

__all__ = ["MapPlaces", "PlaceRule", "map_places"]

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import unknown_option
from figureground.base.shapes import Maps
from figureground.metrics.localisation.best_overlap import best_overlaps
from figureground.metrics.localisation.pointing import energy_pointing_game, pointing_game
from figureground.studies.evaluation.box_table import BOX_RULES
from figureground.studies.evaluation.post_processing import PostProcessing

_INCLUSIVE = torch.tensor([0.0, 0.0, 1.0, 1.0])


@dataclass(frozen=True)
class PlaceRule:
    """How maps become boxes and points.

    Args:
        post: From raw maps to maps in [0, 1].
        boxes: ``clova`` or ``pixels``; the largest region only.
        step: Distance of two thresholds.
        tolerance: Of pointing, pixels.

    Raises:
        OptionError: An unknown box rule.
    """

    post: PostProcessing = field(default_factory=PostProcessing)
    boxes: str = "pixels"
    step: float = 0.02
    tolerance: float = 15.0

    def __post_init__(self) -> None:
        if self.boxes not in BOX_RULES:
            raise unknown_option("box rule", self.boxes, BOX_RULES)

    @property
    def thresholds(self) -> Float[np.ndarray, " T"]:
        """Shares of the maximum: 0, step, ... below 1."""
        return np.arange(0, 1, self.step)

    def __str__(self) -> str:
        boxes = f"box of the largest region by rule '{self.boxes}'"
        return f"{self.post}; {boxes}; pointing within {self.tolerance:g} pixels"


@dataclass(frozen=True, eq=False)
class MapPlaces:
    """What can be said of the places of one method's maps of one batch. NaN where a picture has no box.

    Args:
        overlaps: ``(N, T)``, overlap of the map's box with the best true one at each threshold; 0 for a blank map.
        pointing: ``(N,)``, 1 where the peak is in a box or near; 0 for a blank map.
        energy: ``(N,)``, share of the mass in the boxes; NaN for a blank map too.
        blank: ``(N,)``, 1 for a blank map, whether there is a box or not.
    """

    overlaps: Float[np.ndarray, "N T"]
    pointing: Float[np.ndarray, " N"]
    energy: Float[np.ndarray, " N"]
    blank: Float[np.ndarray, " N"]


def map_places(
    maps: Maps, boxes: Sequence[Tensor], *, size: tuple[int, int], rule: PlaceRule
) -> MapPlaces:
    """Boxes, peak and mass of maps, against true boxes.

    Args:
        maps: ``(N, h, w)``, raw.
        boxes: For each picture its boxes xyxy in pixels of ``size``, half-open; none where unknown.
        size: Height and width of the pictures.
        rule: How.

    Returns:
        The places.

    Examples:
        >>> one_map = torch.zeros(1, 30, 30)
        >>> one_map[0, 10:20, 5:15] = 1
        >>> box = [torch.tensor([[5.0, 10, 15, 20]])]
        >>> found = map_places(one_map, box, size=(30, 30), rule=PlaceRule(step=0.5))
        >>> found.overlaps.tolist(), found.pointing.tolist(), found.energy.tolist()
        ([[1.0, 1.0]], [1.0], [1.0])
    """
    count, width = len(maps), len(rule.thresholds)
    overlaps = np.full((count, width), np.nan, np.float32)
    pointing, energy = (np.full(count, np.nan, np.float32) for _ in range(2))
    sized, blank = rule.post(maps.cpu(), size)
    known = torch.tensor([len(some) > 0 for some in boxes], dtype=torch.bool)
    lost = (known & blank).nonzero()[:, 0].numpy()
    overlaps[lost], pointing[lost] = 0, 0
    usable = (known & ~blank).nonzero()[:, 0]
    if len(usable):
        shown, at = sized[usable], usable.numpy()
        true = [boxes[row].cpu().float() for row in at]
        # the rules compare pixels, the last one included
        inclusive = [some - _INCLUSIVE for some in true]
        found = best_overlaps(
            shown, inclusive, thresholds=rule.thresholds, rule=BOX_RULES[rule.boxes][0]
        )
        overlaps[at] = found.numpy()
        pointing[at] = pointing_game(shown, true, tolerance=rule.tolerance).float().numpy()
        energy[at] = energy_pointing_game(shown, true).numpy()
    return MapPlaces(overlaps, pointing, energy, blank.float().numpy())
