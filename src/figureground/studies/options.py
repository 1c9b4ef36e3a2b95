"""What an explain job is asked and what it answers."""

__all__ = ["ClassChoice", "Drawing", "ExplainOptions", "ExplainRecord", "Truth"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from figureground.base.errors import OptionError, unknown_option
from figureground.base.record import Provenance
from figureground.maps import COLOUR_MAPS
from figureground.maps.fuse import FUSIONS
from figureground.methods import find_methods
from figureground.methods.explainer import MethodSpec
from figureground.studies.photos import Failure

ClassChoice: TypeAlias = int | str | Sequence[int | str] | None
"""The predicted class (None), ``"top3"``, or one or several numbers and names, the same for all photos."""

_PRECISIONS = ("fp32", "bf16", "fp16")
_DEVICES = ("cpu", "cuda", "mps", "xpu")


@dataclass(frozen=True)
class Drawing:
    """How results are drawn.

    Args:
        colour_map: Name of a colour map.
        alpha_by_value: Paint low values lightly.
        box_fraction: A map's box surrounds its largest region above this fraction of its maximum (Zhou et al.: 0.2).
        thumbnail: Longest side of the page's thumbnails, pixels; smaller photos are drawn enlarged.

    Raises:
        OptionError: A value that cannot be.
    """

    colour_map: str = "inferno"
    alpha_by_value: bool = False
    box_fraction: float = 0.2
    thumbnail: int = 160

    def __post_init__(self) -> None:
        if self.colour_map not in COLOUR_MAPS:
            raise unknown_option("colour map", self.colour_map, COLOUR_MAPS)
        if not 0 <= self.box_fraction < 1:
            raise OptionError(f"box_fraction lies in [0, 1), not {self.box_fraction}")
        if self.thumbnail < 1:
            raise OptionError(f"a thumbnail has at least 1 pixel, not {self.thumbnail}")


@dataclass(frozen=True)
class Truth:
    """What is known of a photo.

    Args:
        label: Its true class, in words.
        boxes: Boxes x0, y0, x1, y1 of its objects, pixels of the photo, half-open.
    """

    label: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class ExplainOptions:
    """What to explain and how to draw it.

    Args:
        methods: Names or configured methods.
        classes: None for the predicted class, ``"top3"``, or numbers and names.
        layers: Names; empty leaves the choice to figureground.
        precision: ``bf16`` or ``fp16`` for autocast; None or ``fp32`` for the network's own.
        fuse: ``mean``, ``max`` or ``product`` of several layers.
        smooth: Average over six views.
        batch_size: Images at a time; None chooses by the device. Halved when the memory runs out.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; None takes CUDA if there is one.
        workers: Threads that decode, and as many that write; None for one per core, at most 8.
        overwrite: Do photos again that an earlier run finished.
        drawing: Colours and boxes.

    Raises:
        OptionError: A name that does not exist or a value that cannot be, before any work.

    Examples:
        >>> ExplainOptions(methods="grad-cm")
        Traceback (most recent call last):
            ...
        figureground.base.errors.OptionError: no method 'grad-cm'; closest: 'grad-cam'; known: cam, cnn-fixations, ...
    """

    methods: MethodSpec = ("grad-cam",)
    classes: ClassChoice = None
    layers: tuple[str, ...] = ()
    precision: str | None = None
    fuse: str | None = None
    smooth: bool = False
    batch_size: int | None = None
    device: str | None = None
    workers: int | None = None
    overwrite: bool = False
    drawing: Drawing = field(default_factory=Drawing)

    def __post_init__(self) -> None:
        find_methods(self.methods)
        if self.precision not in {None, *_PRECISIONS}:
            raise unknown_option("precision", self.precision, _PRECISIONS)
        if self.device is not None and self.device.partition(":")[0] not in _DEVICES:
            raise unknown_option("device", self.device, _DEVICES)
        for name in ("batch_size", "workers"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise OptionError(f"{name} is at least 1, not {number}")
        _check_fusion(self.fuse, self.layers)


@dataclass(frozen=True)
class ExplainRecord:
    """A finished job; saved as ``record.json``, last.

    Args:
        schema: Version of this form.
        kind: ``explain``.
        model: Name, layer, why that layer, preprocessing, precision, device.
        methods: Name -> options.
        images: How many explained photos the folder holds, those of earlier runs included.
        skipped: How many of them earlier runs had finished.
        failed: Photos that could not be used, with reasons.
        blank_maps: How many maps show nothing.
        seconds: Wall-clock time of this run.
        notes: What the user should know.
        provenance: Command, versions, machine.
        colour_map: Of the overlays.
        tables: Tables for the page: title, caption, columns, rows.
        figures: Pictures for the page: title, caption, png (a data address).
    """

    model: dict[str, Any]
    methods: dict[str, str]
    images: int
    skipped: int
    failed: tuple[Failure, ...]
    blank_maps: int
    seconds: float
    notes: tuple[str, ...]
    provenance: Provenance
    colour_map: str = "inferno"
    tables: tuple[dict[str, Any], ...] = ()
    figures: tuple[dict[str, str], ...] = ()
    schema: int = 1
    kind: str = "explain"


def _check_fusion(fuse: str | None, layers: tuple[str, ...]) -> None:
    """Refuse a fusion that does not exist or has nothing to fuse."""
    if fuse is not None and fuse not in FUSIONS:
        raise unknown_option("way to fuse", fuse, FUSIONS)
    if fuse is not None and len(layers) < 2:
        raise OptionError(f"fuse='{fuse}' joins the maps of several layers; name at least two")
