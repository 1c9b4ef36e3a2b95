"""What a classifier sees in one photo: predictions, and maps painted over it side by side."""

__all__ = [
    "LONGEST",
    "Look",
    "Picture",
    "command_of",
    "look",
    "magnified",
    "typed_options",
]

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from figureground.base.errors import FigureGroundError
from figureground.maps import draw_boxes
from figureground.maps.image_files import enlarged
from figureground.maps.overlay import line_width
from figureground.methods import Explanation, find_methods
from figureground.models.classes import class_words, find_classes
from figureground.studies.explain.explaining import refused_methods
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.explain.painting import Canvas, painted
from figureground.studies.explain.panels import Panel, Stack, panels_of, stacks_of
from figureground.web.map_values import ShownMap
from figureground.web.served import ServedModel

_LEAST, LONGEST = 256, 1600  # pixels of a picture: its shorter side, its longer side


@dataclass(frozen=True)
class Picture:
    """A picture with the words below it.

    Args:
        pixels: ``(H, W, 3)``, 0 to 255.
        words: Method, class, layer and problem.
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    words: str


@dataclass(frozen=True)
class Look:
    """What was seen.

    Args:
        probabilities: Class -> probability, of all classes, most probable first.
        classes: Numbers of the classes that were explained.
        pictures: The photo, then every map over it; maps that look the same share one.
        maps: Those of the pictures after the first.
        raw: All maps, ``method/layer`` -> ``(K, h, w)``.
        notes: Layer and reason; methods that do not work with this network, and why.
    """

    probabilities: dict[str, float]
    classes: tuple[int, ...]
    pictures: tuple[Picture, ...]
    maps: tuple[ShownMap, ...]
    raw: dict[str, Float[np.ndarray, "K h w"]]
    notes: tuple[str, ...]


def typed_options(typed: Mapping[str, Any], names: Sequence[str] = ()) -> ExplainOptions:
    """What was typed on the page as the options of ``explain``.

    Args:
        typed: ``methods`` (names), ``classes`` and ``layer`` (text), ``colour_map``, ``opacity`` and ``contour`` (0
            for no line).
        names: Of the model's classes, which may hold commas.

    Returns:
        The options.

    Raises:
        OptionError: A name that does not exist or a value that cannot be.
    """
    words = str(typed.get("classes") or "").strip()
    top = re.fullmatch(r"top\d+", words.lower())
    layers = str(typed.get("layer") or "").split(",")
    return ExplainOptions(
        methods=tuple(map(str, typed.get("methods") or ("grad-cam",))),
        classes=words.lower() if top else class_words(words, names) or None,
        layer=tuple(word.strip() for word in layers if word.strip()),
        colour_map=str(typed.get("colour_map") or "inferno"),
        opacity=float(typed.get("opacity", 0.5)),
        contour=float(typed["contour"]) if typed.get("contour") else None,
    )


def look(
    model: ServedModel, photo: Image.Image, options: ExplainOptions, *, boxes: bool = False
) -> Look:
    """What the classifier sees in a photo.

    Args:
        model: The classifier.
        photo: RGB, upright.
        options: Methods, classes, layer and colours.
        boxes: Whether each map's box is drawn, as ``explain`` finds it.

    Returns:
        Predictions and pictures at the photo's size, of large photos at 1600 pixels, of small ones enlarged.

    Raises:
        FigureGroundError: No method works with this network, or a class or layer does not exist.
    """
    classes = find_classes(model.classifier, options.classes)
    explainer = model.explainer(options.layer)
    methods, refused = find_methods(options.methods), dict[str, str]()
    with model.busy:
        try:
            found = explainer([photo], classes, methods)
        except FigureGroundError as error:
            refused = refused_methods(explainer, [photo], methods)
            methods = {name: one for name, one in methods.items() if name not in refused}
            if not methods or not refused:
                raise error from None
            found = explainer([photo], classes, methods)
    named = model.named(found.logits.float().cpu())
    shown = dict(sorted(named.items(), key=lambda one: -one[1]))
    told = [f"Layer {str(one).removeprefix('network.')}" for one in found.layers]
    told += [f"{name} does not work with this network: {why}" for name, why in refused.items()]
    asked = () if found.classes is None else tuple(found.classes[0].tolist())
    stacks = stacks_of(found)
    raw = {f"{one.method}/{one.layer}": one.maps[0].numpy() for one in stacks}
    pictures, maps = _drawn(found, stacks, options, boxes=boxes)
    return Look(shown, asked, pictures, maps, raw, tuple(told))


def command_of(model: ServedModel, place: str, options: ExplainOptions) -> str:
    """The command line that repeats a view.

    Args:
        model: The classifier.
        place: The photo, as it is named where the explorer was started.
        options: Of the view.

    Returns:
        A line for a shell.
    """
    plain = ExplainOptions()
    classes = options.classes
    text = classes if isinstance(classes, str) else ",".join(map(str, _as_list(classes)))
    flags = {
        "--methods": ",".join(map(str, options.methods)),
        "--classes": text,
        "--layer": ",".join(options.layer),
        "--colour-map": options.colour_map,
        "--opacity": f"{options.opacity:g}",
        "--contour": "" if options.contour is None else f"{options.contour:g}",
    }
    usual = {"--colour-map": plain.colour_map, "--opacity": f"{plain.opacity:g}"}
    asked = [word for flag, value in flags.items() if value and usual.get(flag) != value
             for word in (flag, value)]  # fmt: skip
    return shlex.join(["figureground", "explain", place, *model.words, *asked])


def magnified(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    """A small picture with every pixel made a square, so that its shorter side has about 256 pixels.

    Args:
        picture: ``(H, W, 3)``.

    Returns:
        ``(f·H, f·W, 3)``, f a whole number.
    """
    channels_first = torch.from_numpy(np.ascontiguousarray(picture)).movedim(-1, 0)
    return enlarged(channels_first, _LEAST).movedim(0, -1).contiguous().numpy()


def _as_list(classes: object) -> list[Any]:
    if classes is None:
        return []
    return list(classes) if isinstance(classes, Sequence) else [classes]


def _drawn(
    found: Explanation, stacks: list[Stack], options: ExplainOptions, *, boxes: bool
) -> tuple[tuple[Picture, ...], tuple[ShownMap, ...]]:
    """The photo and every map over it, and these maps."""
    pixels, window = found.surface(0)
    height, width = pixels.shape[-2:]
    canvas = Canvas(pixels, window).reduced(LONGEST)
    size = (int(found.images.shape[-2]), int(found.images.shape[-1]))
    panels = panels_of(stacks, size, options.box_fraction, first=0, count=1)[0]
    pictures, maps = [Picture(magnified(canvas.picture), "the photo")], []
    for panel in panels:
        if panel.same_as is None:
            same = [one.method for one in panels if _is_twin(one, panel)]
            words = _words(found, panel, same)
            picture = painted(panel, canvas, options)
            if boxes and panel.box is not None:
                picture = _boxed(picture, panel, canvas, size=size)
            pictures.append(Picture(magnified(picture), words))
            about = (words, tuple(same), panel.position, panel.maps)
            maps.append(ShownMap(*about, window or (0, 0, width, height), (width, height)))
    return tuple(pictures), tuple(maps)


def _is_twin(one: Panel, shown: Panel) -> bool:
    """Whether a map looks like the one that is shown, or is it."""
    at = (shown.layer, shown.position)
    return (one.layer, one.position) == at and shown.method in {one.method, one.same_as}


def _words(found: Explanation, panel: Panel, methods: Sequence[str]) -> str:
    """What a map shows."""
    words = [" = ".join(methods)]
    if panel.position is not None:
        words.append(found.label(0, panel.position))
    if len(found.layers) > 1:
        words.append(panel.layer)
    if panel.problem is not None:
        words.append(f"problem: {panel.problem}")
    return " · ".join(words)


def _boxed(
    picture: UInt8[np.ndarray, "H W 3"], panel: Panel, canvas: Canvas, *, size: tuple[int, int]
) -> UInt8[np.ndarray, "H W 3"]:
    """A picture with the box of its map where that lies in the photo."""
    assert panel.box is not None  # noqa: S101 - the caller has asked
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = canvas.window or (0, 0, width, height)
    scale = torch.tensor([(x1 - x0) / size[1], (y1 - y0) / size[0]]).repeat(2)
    box = panel.box.float() * scale + torch.tensor([x0, y0, x0, y0])
    pixels = torch.from_numpy(picture)
    return draw_boxes(pixels, box[None], width=line_width((height, width))).numpy()
