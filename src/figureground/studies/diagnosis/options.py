"""What a diagnosis is asked, and what it leaves behind."""

__all__ = ["MASKS", "DiagnoseOptions", "DiagnosisRecord", "PlantedOptions", "Strip"]

from dataclasses import dataclass, field, replace
from typing import Any

from figureground.base.options import Options, option
from figureground.base.record import Provenance

MASKS = ("given", "inner", "outer")
"""Of every object: as annotated, tighter, wider. The first one decides."""

_FILLS = ("impute", "tile", "mean", "grey")  # as in metrics.reliance, which is read with torch
_WHAT, _DECIDES = "What is measured", "What decides"


@dataclass(frozen=True, kw_only=True)
class DiagnoseOptions(Options):
    """How foregrounds and backgrounds are crossed, and what counts as much.

    Args:
        rounds: Pairings among all images.
        same_rounds: Pairings within the classes.
        fill: How the hole of an object is filled.
        delta: Gap from where on the set rests on the background, a share of accuracy.
        class_delta: Pull from where on a class does, in probability.
        nested: Images that are also measured with a tighter and a wider mask; 0 for none.
        cells: Images of the map that tells where in the background the cue lies; 0 for none.
        examples: Images that are shown.
        quick: The annotated mask alone, 2 + 1 rounds, no map of cells.
        probe_model: Network whose features a probe of the backgrounds is given; None for the one under test.
        ask_boxes: Random images without boxes that are listed to be marked; changes no number.
        allow_training_images: Go on although a run was trained on these images.
        seed: Of all drawing.
        batch_size: Composites at a time.

    Raises:
        OptionError: A value is out of range.
    """

    rounds: int = option(4, "Pairings of all images.", least=1, panel=_WHAT)
    same_rounds: int = option(2, "Pairings within each class.", least=1, panel=_WHAT)
    fill: str = option(
        "impute", "How the hole of an object is filled.", choices=_FILLS, panel=_WHAT
    )
    delta: float = option(
        0.05,
        "Accuracy lost on other classes' backgrounds from where on the verdict is 'rests on the background'.",
        least=0,
        most=1,
        panel=_DECIDES,
    )
    class_delta: float = option(
        0.02,
        "Probability that a class's backgrounds add to it from where on the class is named.",
        least=0,
        most=1,
        panel=_DECIDES,
    )
    nested: int = option(
        500,
        "Images measured with a tighter and a wider mask, too; 0 for none.",
        least=0,
        panel=_WHAT,
    )
    cells: int = option(
        100, "Images of the map of where the cue lies; 0 for none.", least=0, panel=_WHAT
    )
    examples: int = option(6, "Images that are shown; 0 for none.", least=0, panel=_WHAT)
    quick: bool = option(
        False,
        "The annotated masks alone, 2 + 1 rounds, no map of cells.",
        flag="--quick",
        panel=_WHAT,
    )
    probe_model: str | None = option(
        None,
        "Network whose features tell what the backgrounds offer, named as --model; default: the one under test.",
        panel=_WHAT,
    )
    ask_boxes: int = option(
        0,
        "Write ask_boxes.csv and ask_boxes.html with this many random images that have no boxes, to be marked by hand.",
        least=0,
    )
    allow_training_images: bool = option(
        False,
        "Go on although the run was trained on these images.",
        flag="--allow-training-images",
        panel=_DECIDES,
    )
    seed: int = option(0, "Of all that is random.", least=0)
    batch_size: int = option(64, "Composites at a time.", least=1, panel="Speed")

    @property
    def deciding(self) -> "DiagnoseOptions":
        """Those that change numbers or pictures: a finished diagnosis may be asked for more images to be marked."""
        return replace(self, ask_boxes=0)

    @property
    def asked_rounds(self) -> tuple[int, int]:
        """Rounds and rounds within the classes, ``quick`` considered."""
        return (2, 1) if self.quick else (self.rounds, self.same_rounds)


@dataclass(frozen=True, kw_only=True)
class PlantedOptions(Options):
    """Which planted backgrounds.

    Args:
        rho: Probabilities that a background is the class's own, one network each.
        grounds: ``tints``, ``patch``, ``photos``; ``pictures``, which needs packs.
    """

    rho: tuple[float, ...] = option(
        (0.0, 0.5, 0.95),
        "Of 'planted': probabilities that a background is the class's own, comma-separated.",
        least=0,
        most=1,
        panel="Planted",
    )
    grounds: str = option(
        "tints",
        "Of 'planted': the whole background in the class's colour, a square of it, photographs of the class, or "
        "CIFAR-10 pictures on its colour (with --root).",
        choices=("tints", "patch", "photos", "pictures"),
        panel="Planted",
    )


@dataclass(frozen=True)
class Strip:
    """One image on other backgrounds, as the page holds it.

    Args:
        name: Of the image.
        label: Its class.
        cells: Title, answer, whether that is right, and ``data:`` address of each picture.
    """

    name: str
    label: str
    cells: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class DiagnosisRecord:
    """A finished diagnosis; saved as ``record.json``, last, beside ``pairs.npz`` and ``per_image.csv``.

    Args:
        verdict: The answer in one sentence; begins with "rests on the background", "does not rest on the background"
            or "cannot tell".
        word: ``rests on``, ``does not`` or ``cannot tell``.
        what_if: Accuracy by the share of images that lie on a background of their class, ``(share, accuracy)``.
        numbers: Mask -> name -> value and interval, ``(value, low, high)``, of hits; ``share`` of probabilities.
        cue: ``local``, ``scene-wide``, or empty where that was not measured or nothing was found.
        recommendation: What to do, sentences.
        recipe: A complete recipe as YAML; empty where none is recommended.
        commands: To be typed next.
        strips: Images on other backgrounds.
        grids: The four cells of the 2 x 2 table for one class: title, rate, pictures.
        cell_picture: Where a local cue lies, over the mean image, a ``data:`` address; else empty.
        offer: Whether backgrounds alone tell the class (``offered``), whether the network uses them (``used``, None
            where that cannot be told), and both in sentences; empty where there was no probe.
        kinds: Of the classes that rest on their backgrounds most: the kind of background that draws most to the class,
            and the one on which the fewest are right, with numbers and pictures.
        parts: Parts of backgrounds that speak for a class: shares, contribution, pictures.
        classes: Class, pull with its interval, whether found: for the chart.
        data: Description of the images.
        images: How many took part.
        model: Name and preprocessing.
        options: Everything that changes the numbers.
        tables: Title, caption, columns, rows.
        notes: What the reader must know.
        problems: Kind -> how often.
        left_out: Images and annotations that took no part, and why.
        seconds: Wall-clock time of this run.
        provenance: Command, versions, machine, seeds.
        kind: Of the record.
        schema: Version of this form.
    """

    verdict: str
    word: str
    what_if: tuple[tuple[float, float], ...]
    numbers: dict[str, dict[str, tuple[float, float, float]]]
    cue: str
    recommendation: tuple[str, ...]
    recipe: str
    commands: tuple[str, ...]
    strips: tuple[Strip, ...]
    grids: tuple[dict[str, Any], ...]
    cell_picture: str
    classes: tuple[dict[str, Any], ...]
    data: str
    images: int
    model: dict[str, str]
    options: dict[str, str]
    tables: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    problems: dict[str, int]
    left_out: tuple[str, ...]
    seconds: float
    provenance: Provenance
    offer: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[dict[str, Any], ...] = ()
    parts: tuple[dict[str, Any], ...] = ()
    kind: str = "diagnosis"
    schema: int = 1
