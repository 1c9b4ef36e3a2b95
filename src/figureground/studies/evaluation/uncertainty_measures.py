"""A network as the uncertainty study asks it, and how much its maps differ from run to run."""

__all__ = ["AskedNetwork", "Runs", "contest_of", "instability_of", "likeness_of", "spread_of"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import HeadError
from figureground.base.shapes import ClassIndices, Images, Labels, Maps
from figureground.maps import resize
from figureground.methods import CamMethod, Explainer
from figureground.metrics.faithfulness.similarity import spearman
from figureground.metrics.uncertainty.contest import top_class_contest
from figureground.metrics.uncertainty.instability import cam_instability
from figureground.metrics.uncertainty.spread import cam_area, cam_entropy
from figureground.metrics.uncertainty.views import View


@dataclass(frozen=True)
class AskedNetwork:
    """A network with the methods that explain it.

    Args:
        explainer: Of the network.
        methods: Row -> method.
        relu: Clamp maps at zero.
    """

    explainer: Explainer
    methods: Mapping[str, CamMethod]
    relu: bool = True

    def maps(self, images: Images, classes: ClassIndices) -> dict[str, Tensor]:
        """Maps of every method for every class.

        Args:
            images: ``(N, C, H, W)`` in [0, 1].
            classes: ``(N, K)``.

        Returns:
            Row -> ``(N, K, h, w)``; K = 1 for class-free methods. One NaN per map where this network's head does
            not let a method work, which a changed copy may find.
        """
        try:
            return self._asked(dict(self.methods), images, classes)
        except HeadError:
            found = {row: self._alone(row, images, classes) for row in self.methods}
        nothing = torch.full((*classes.shape, 1, 1), torch.nan, device=images.device)
        return {row: nothing if stack is None else stack for row, stack in found.items()}

    def _alone(self, row: str, images: Tensor, classes: Tensor) -> Tensor | None:
        try:
            return self._asked({row: self.methods[row]}, images, classes)[row]
        except HeadError:
            return None

    def _asked(
        self, methods: Mapping[str, CamMethod], images: Tensor, classes: Tensor
    ) -> dict[str, Tensor]:
        """One pass for all methods of different names, one more for each name that comes again."""
        left, found = dict(methods), {}
        while left:
            group = {method.name: row for row, method in reversed(left.items())}
            explanation = self.explainer(images, classes, [left[row] for row in group.values()])
            for name, row in group.items():
                stack = explanation.map_of(name)
                found[row] = stack.relu() if self.relu else stack
                del left[row]
        return {row: found[row] for row in methods}


Runs = Sequence[tuple[AskedNetwork, View]]
"""Networks and ways to look whose maps should agree."""


def spread_of(maps: Maps, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Area and entropy at the size of the picture.

    Args:
        maps: ``(N, h, w)``.
        size: Height and width of the pictures.

    Returns:
        ``area`` and ``entropy``, ``(N,)`` each.
    """
    sized = resize(maps, size)
    return {"area": _array(cam_area(sized)), "entropy": _array(cam_entropy(sized))}


def contest_of(maps: Tensor) -> np.ndarray:
    """Share of the picture that two of the leading classes claim.

    Args:
        maps: ``(N, K, h, w)``, one map per leading class; K = 1 for a class-free method.

    Returns:
        ``(N,)``; NaN for a class-free method, where nobody contests.
    """
    if maps.shape[1] < 2:
        return np.full(len(maps), np.nan, np.float32)
    return _array(top_class_contest(maps))


def instability_of(
    runs: Runs, images: Images, classes: Labels, *, size: tuple[int, int]
) -> dict[str, np.ndarray]:
    """How much the maps of several runs differ, laid over the same picture.

    Args:
        runs: At least two.
        images: ``(N, C, H, W)`` in [0, 1].
        classes: ``(N,)``, the same for all runs.
        size: Height and width of the pictures.

    Returns:
        Row -> ``cam_instability`` ``(N,)``.
    """
    stacks: dict[str, list[Tensor]] = {}
    for network, view in runs:
        for row, maps in network.maps(view.change(images), classes[:, None]).items():
            stacks.setdefault(row, []).append(view.align(resize(maps[:, 0], size)))
    return {row: _array(cam_instability(torch.stack(maps))) for row, maps in stacks.items()}


def likeness_of(first: Maps, second: Maps) -> np.ndarray:
    """Spearman correlation over positions.

    Args:
        first: ``(N, h, w)``.
        second: The same shape, or one NaN per map where there is none.

    Returns:
        ``(N,)``; NaN where a map is blank.
    """
    if first.shape != second.shape:
        return np.full(len(first), np.nan, np.float32)
    return _array(spearman(first, second))


def _array(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()
