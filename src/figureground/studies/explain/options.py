"""What an explain job is asked and what it answers."""

__all__ = ["ExplainOptions", "ExplainRecord", "Truth"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from figureground.base.errors import OptionError
from figureground.base.options import Options, option
from figureground.base.record import Provenance
from figureground.methods.registry import FUSIONS, check_fusion
from figureground.studies.failures import Failure

_WHAT, _OUTPUT, _SPEED = "What to explain", "Output", "Speed"
_COLOUR_MAPS = (
    *("inferno", "viridis", "magma", "plasma", "cividis", "turbo", "jet", "gray"),
    *("blue-red", "coolwarm", "RdBu_r", "bwr", "seismic"),  # pale in the middle, for signed maps
)


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(Options):
    """What to explain and how to draw it.

    Args:
        methods: Names or configured methods; or row -> configured method.
        classes: None for the predicted class, ``"top3"``, or numbers and names.
        target: None for the classes themselves; ``finer`` for what tells each from the three that it is nearest to.
        layer: Names, or ``every-stage``; empty leaves the choice to figureground.
        precision: ``bf16`` or ``fp16`` for autocast; None or ``fp32`` for the network's own.
        fuse: ``mean``, ``max``, ``product`` or ``tanh-max`` of several layers.
        smooth: Average over six views.
        colour_map: Name of a colour map.
        opacity: Share of the colour in an overlay, 0 to 1.
        alpha_by_value: Paint low values lightly.
        contour: Draw a line where a map crosses this fraction of its maximum, between 0 and 1.
        overlay: ``photo`` paints on the photo at its own size and shape, ``network`` on what the network saw of it.
        batch_size: Images at a time; None chooses by the device. Halved when the memory runs out.
        workers: Threads that decode, and as many that write; None for one per core, at most 8; 32
            decode images at URLs.
        box_fraction: A map's box surrounds its largest region above this fraction of its maximum (Zhou et al.: 0.2).
        thumbnail: Longest side of the page's pictures, pixels; None for 400, of more than 100 images 200.

    Raises:
        OptionError: A name that does not exist or a value that cannot be, before any work.

    Examples:
        >>> ExplainOptions(colour_map="inferna")
        Traceback (most recent call last):
            ...
        figureground.base.errors.OptionError: no colour map 'inferna'; closest: 'inferno'; known: RdBu_r, ...
    """

    methods: tuple[Any, ...] | Mapping[str, Any] = option(
        ("grad-cam",),
        "Methods, comma-separated, with options in brackets: grad-cam,eigen-cam(center=true); 'ls methods' lists them.",
        panel=_WHAT,
    )
    classes: int | str | Sequence[int | str] | None = option(
        None,
        "top3, or class numbers and names, comma-separated. Default: the predicted class.",
        panel=_WHAT,
    )
    target: str | None = option(
        None,
        "finer: what tells a class from the three nearest to it (Finer-CAM), with any method. Default: the class.",
        choices=("finer",),
        panel=_WHAT,
    )
    layer: tuple[str, ...] = option(
        (),
        "Layers, comma-separated, as 'ls layers' lists them, or every-stage. Default: found by looking at the network.",
        panel=_WHAT,
    )
    fuse: str | None = option(
        None,
        "One map of several layers.",
        choices=FUSIONS,
        panel=_WHAT,
    )
    smooth: bool = option(False, "Average over six views of each image.", panel=_WHAT)
    colour_map: str = option("inferno", "Of the overlays.", choices=_COLOUR_MAPS, panel=_OUTPUT)
    opacity: float = option(
        0.5, "Share of the colour in an overlay.", least=0, most=1, panel=_OUTPUT
    )
    alpha_by_value: bool = option(False, "Paint low values lightly.", panel=_OUTPUT)
    contour: float | None = option(
        None,
        "Draw a line where a map crosses this fraction of its maximum: 0.5.",
        least=0.01,
        most=0.99,
        panel=_OUTPUT,
    )
    overlay: str = option(
        "photo",
        "photo: paint on the photo at its own size (up to 4 megapixels); network: on what the network saw of it.",
        choices=("photo", "network"),
        panel=_OUTPUT,
    )
    precision: str | None = option(
        None,
        "bf16 or fp16: faster, slightly different maps.",
        choices=("fp32", "bf16", "fp16"),
        panel=_SPEED,
    )
    batch_size: int | None = option(
        None, "Images at a time. Default: by the device.", least=1, panel=_SPEED
    )
    workers: int | None = option(
        None,
        "Threads that decode, and as many that write. Default: one per core, at most 8; 32 decode images at URLs.",
        least=1,
        panel=_SPEED,
    )
    box_fraction: float = 0.2
    thumbnail: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.box_fraction < 1:
            raise OptionError(f"box_fraction lies in [0, 1), not {self.box_fraction}")
        if self.thumbnail is not None and self.thumbnail < 1:
            raise OptionError(f"a thumbnail has at least 1 pixel, not {self.thumbnail}")
        check_fusion(self.layer, self.fuse)


@dataclass(frozen=True)
class Truth:
    """What is known of an image.

    Args:
        label: Its true class, in words.
        boxes: Boxes x0, y0, x1, y1 of its objects, pixels of the image, half-open.
    """

    label: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class ExplainRecord:
    """A finished job; saved as ``record.json``, last.

    Args:
        schema: Version of this form.
        kind: ``explain``.
        model: Name, layer, why that layer, preprocessing, precision, device.
        methods: Name -> options; all that were asked for.
        refused: Method -> why it does not work with this network.
        images: How many explained images the folder holds, those of earlier runs included.
        skipped: How many of them earlier runs had finished.
        failed: Images that could not be used, with reasons.
        blank_maps: How many maps have a problem: most show nothing, some are incomplete.
        seconds: Wall-clock time of this run.
        notes: What the user should know.
        provenance: Command, versions, machine.
        colour_map: Of the overlays.
        tables: Tables for the page: title, caption, columns, rows.
        figures: Figures for the page: title, caption, png (a data address).
        answer: What the page leads with.
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
    refused: dict[str, str] = field(default_factory=dict)
    colour_map: str = "inferno"
    tables: tuple[dict[str, Any], ...] = ()
    figures: tuple[dict[str, str], ...] = ()
    answer: Any = None  # of studies.answers.Answer, which would load torch with the options
    schema: int = 1
    kind: str = "explain"
