"""What a rectangle to erase looks like, where it may lie, and what it is filled with."""

__all__ = ["PRESETS", "ErasingOptions"]

from typing import Any, Literal

from pydantic import Field, model_validator

from figureground.training.recipe import RecipePart

_ERASING = "erasing"


class ErasingOptions(RecipePart):
    """Options of one erasing step; the defaults are Zhong's law, conditioned on the object.

    With chance ``p`` an image loses one rectangle. Its area is a share of the image, uniform in ``area``; its
    aspect, height by width, lies in ``aspect``, ``uniform`` in itself (Zhong) or in its logarithm (``log``:
    torchvision, timm). Of so many ``attempts`` the first that is smaller than the image both ways counts; without
    one, nothing is erased.

    Where it lies: ``uniform`` anywhere; ``object`` and ``away`` uniformly over the positions whose score passes, or
    does not pass, the threshold; over those that come closest where there is none. ``rule`` is the score: the ``mean``
    of the map over the rectangle, its value at the ``centre``, or the share of the rectangle whose map is at least
    ``threshold`` (``overlap``). In mode ``quantile`` a score passes that is above the scores of a share ``threshold``
    of all positions of this very rectangle in this very image; in mode ``abs`` one of at least ``threshold``
    (``min_overlap`` for ``overlap``, which knows this mode only).

    ``fill``: ``zero`` (black), the ``mean`` colour of the data, one ``random`` colour per image, or random colours for
    each ``pixel``; random colours are uniform in [0, 1].

    ``sampler`` ``hide-and-seek`` and ``grid-mask`` erase cells instead of a rectangle: their side in pixels is
    uniform in ``cell``, and ``hidden`` is the chance of each cell, or the share of a cell's side that is erased.

    Examples:
        >>> ErasingOptions(preset="timm").aspect_law
        'log'
        >>> ErasingOptions(sampler="grid-mask").region
        'uniform'
    """

    preset: Literal["zhong", "torchvision", "timm", "oh-lee-reconstructed"] | None = None
    p: float = Field(default=0.5, ge=0, le=1)
    area: tuple[float, float] = (0.02, 0.4)
    aspect: tuple[float, float] = (0.3, 1 / 0.3)
    aspect_law: Literal["uniform", "log"] = "uniform"
    attempts: int = Field(default=10, ge=1)
    region: Literal["object", "away", "uniform"] = "object"
    rule: Literal["mean", "centre", "overlap"] = "mean"
    threshold: float = Field(default=0.5, ge=0, le=1)
    threshold_mode: Literal["abs", "quantile"] = "quantile"
    min_overlap: float = Field(default=0.25, ge=0, le=1)
    fill: Literal["zero", "mean", "random", "pixel"] = "pixel"
    sampler: Literal["erasing", "hide-and-seek", "grid-mask"] = "erasing"
    cell: tuple[int, int] = (4, 8)
    hidden: float = Field(default=0.5, gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, given: Any) -> Any:  # noqa: ANN401 - what a file holds
        """Options of the preset where none of their own are given; what a rule or a sampler leaves no choice of."""
        if not isinstance(given, dict):
            return given
        preset = given.get("preset")
        filled = (PRESETS.get(preset, {}) if isinstance(preset, str) else {}) | given
        if filled.get("rule") == "overlap":
            filled.setdefault("threshold_mode", "abs")
        if filled.get("sampler", _ERASING) != _ERASING:
            filled.setdefault("region", "uniform")
        return filled

    @model_validator(mode="after")
    def _fits_together(self) -> "ErasingOptions":
        """Refuse ranges without an inside, and options that would be without effect."""
        for name, (low, high) in {
            "area": self.area,
            "aspect": self.aspect,
            "cell": self.cell,
        }.items():
            if not 0 < low <= high:
                raise ValueError(f"{name} runs from a positive number to one not below it")
        if self.area[1] > 1:
            raise ValueError("area is a share of the image, at most 1")
        if self.rule == "overlap" and self.threshold_mode == "quantile":
            raise ValueError("the rule 'overlap' has thresholds of its own: threshold_mode is abs")
        if self.sampler != _ERASING and self.region != "uniform":
            raise ValueError(f"the sampler '{self.sampler}' knows no region: leave it out")
        return self


_ZHONG: dict[str, Any] = {
    "p": 0.5,
    "area": (0.02, 0.4),
    "aspect": (0.3, 1 / 0.3),
    "aspect_law": "uniform",
    "attempts": 100,
    "region": "uniform",
    "fill": "pixel",
}
_LOG: dict[str, Any] = {"aspect_law": "log", "attempts": 10}
PRESETS: dict[str, dict[str, Any]] = {
    # torchvision's zero and timm's colours are meant for normalised images: there, zero is the mean colour
    "zhong": _ZHONG,
    "torchvision": _ZHONG | _LOG | {"area": (0.02, 0.33), "aspect": (0.3, 3.3), "fill": "mean"},
    "timm": _ZHONG | _LOG | {"area": (0.02, 1 / 3), "fill": "pixel"},
    # a reconstruction: the paper's abstract says that Grad-CAM restricts the erasing to the object's vicinity, no more
    "oh-lee-reconstructed": _ZHONG
    | {"region": "object", "rule": "mean", "threshold": 0.5, "threshold_mode": "abs"},
}
