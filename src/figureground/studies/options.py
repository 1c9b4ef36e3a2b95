"""What an explain job is asked and what it answers."""

__all__ = ["Drawing", "ExplainOptions", "ExplainRecord", "Truth"]

from dataclasses import dataclass, field

from figureground.base.record import Provenance
from figureground.capture import Precision
from figureground.methods.explainer import MethodSpec
from figureground.methods.targets import ClassSpec
from figureground.studies.photos import Failure


@dataclass(frozen=True)
class Drawing:
    """How results are drawn.

    Args:
        colour_map: Name of a colour map.
        alpha_by_value: Paint low values lightly.
        box_fraction: A map's box surrounds its largest region above this fraction of its maximum (Zhou et al.: 0.2).
        thumbnail: Longest side of the page's thumbnails, pixels.
    """

    colour_map: str = "inferno"
    alpha_by_value: bool = False
    box_fraction: float = 0.2
    thumbnail: int = 160


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
        classes: As for ``Explainer``: None for the predicted class, ``"top3"``, numbers or names.
        layers: Names; empty leaves the choice to figureground.
        precision: ``bf16`` or ``fp16`` for autocast; None for the network's own.
        fuse: ``mean``, ``max`` or ``product`` of several layers.
        smooth: Average over six views.
        batch_size: Images at a time; None chooses by the device. Halved when the memory runs out.
        device: ``cpu``, ``cuda``, ...; None takes an accelerator if there is one.
        workers: Threads that decode, and as many that write.
        overwrite: Do photos again that an earlier run finished.
        drawing: Colours and boxes.
    """

    methods: MethodSpec = ("grad-cam",)
    classes: ClassSpec = None
    layers: tuple[str, ...] = ()
    precision: Precision | None = None
    fuse: str | None = None
    smooth: bool = False
    batch_size: int | None = None
    device: str | None = None
    workers: int = 2
    overwrite: bool = False
    drawing: Drawing = field(default_factory=Drawing)


@dataclass(frozen=True)
class ExplainRecord:
    """A finished job; saved as ``record.json``, last.

    Args:
        schema: Version of this form.
        kind: ``explain``.
        model: Name, layer, why that layer, preprocessing, precision, device.
        methods: Name -> options.
        images: How many photos are in the folder, those of earlier runs included.
        skipped: How many of them an earlier run had finished.
        failed: Photos that could not be used, with reasons.
        blank_maps: How many maps show nothing.
        seconds: Wall-clock time of this run.
        notes: What the user should know.
        provenance: Command, versions, machine.
        colour_map: Of the overlays.
        tables: Tables for the page: title, caption, columns, rows.
    """

    model: dict[str, object]
    methods: dict[str, str]
    images: int
    skipped: int
    failed: tuple[Failure, ...]
    blank_maps: int
    seconds: float
    notes: tuple[str, ...]
    provenance: Provenance
    colour_map: str = "inferno"
    tables: tuple[dict[str, object], ...] = ()
    schema: int = 1
    kind: str = "explain"
