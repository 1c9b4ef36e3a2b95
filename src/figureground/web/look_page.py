"""The tab Look: one photo, its predictions and maps."""

__all__ = ["Controls", "add_controls", "add_gallery", "add_look", "gallery_of", "options_of"]

import base64
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from figureground.methods import METHODS
from figureground.studies.explain.options import ExplainOptions
from figureground.web.explorer import Explorer, Shown
from figureground.web.framework import answering
from figureground.web.looking import Look, Picture, command_of, look, typed_options
from figureground.web.map_values import told_at, zipped
from figureground.web.photo_page import KEPT
from figureground.web.served import ServedModel

_KEYS = ("methods", "classes", "layer", "colour_map", "opacity", "contour")
_MOST_PREDICTIONS = 5
_QUIET = {"api_visibility": "private", "show_progress": "hidden"}
_COSTLY = 'The methods that change the image many times ("rise", "score-cam", "ablation-cam") take longer.'


@dataclass(frozen=True)
class Controls:
    """What a visitor sets.

    Args:
        options: Components, in the order of the options.
        boxes: Whether boxes are drawn.
    """

    options: tuple[Any, ...]
    boxes: Any

    @property
    def all(self) -> list[Any]:
        """Every component."""
        return [*self.options, self.boxes]


def add_controls(gr: Any) -> Controls:  # noqa: ANN401 - Gradio has no types
    """Methods, classes, layer and colours.

    Args:
        gr: Gradio.

    Returns:
        The components.
    """
    plain = ExplainOptions()
    about = {one.name: one.metadata for one in fields(ExplainOptions)}
    with gr.Row():
        methods = gr.Dropdown(
            list(METHODS), value=["grad-cam"], multiselect=True, label="Methods", info=_COSTLY
        )
        classes = gr.Textbox(
            label="Classes", placeholder="the predicted one; top3; names or numbers"
        )
        layer = gr.Textbox(label="Layer", placeholder="found by looking at the network")
    with gr.Row():
        colour_map = gr.Dropdown(
            list(about["colour_map"]["choices"]), value=plain.colour_map, label="Colours"
        )
        opacity = gr.Slider(0, 1, value=plain.opacity, step=0.05, label="Opacity")
        contour = gr.Slider(0, 0.95, value=0, step=0.05, label="Contour at")
        boxes = gr.Checkbox(label="Box")
    return Controls((methods, classes, layer, colour_map, opacity, contour), boxes)


def add_look(gr: Any, explorer: Explorer) -> tuple[Any, list[Any]]:  # noqa: ANN401 - Gradio has no types
    """The tab.

    Args:
        gr: Gradio.
        explorer: What can be asked about.

    Returns:
        The function that answers and the components that it fills.
    """
    with gr.Row():
        with gr.Column(scale=1, min_width=240):
            label = gr.Label(label="Predictions", num_top_classes=_MOST_PREDICTIONS)
        with gr.Column(scale=4, min_width=320):
            gallery = add_gallery(gr, "Photo and maps")
    seen = gr.State(None, time_to_live=KEPT)
    values, download = _add_values(gr, seen, gallery)
    notes = gr.Textbox(label="Layer and notes", interactive=False, lines=2)
    line = gr.Textbox(
        label="The same on a command line",
        interactive=False,
        lines=2,
        buttons=["copy"],
        elem_id="command",
    )
    filled = [label, gallery, notes, line, seen, *values, download]
    return answering(partial(_looked, explorer)), filled


def _add_values(gr: Any, seen: Any, gallery: Any) -> tuple[list[Any], Any]:  # noqa: ANN401 - Gradio has no types
    """A picture to click on for the numbers there, what they are, and all of them as a file."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            chosen = gr.Image(
                label="Click for values",
                interactive=False, type="numpy", format="png", buttons=[], elem_id="chosen",
            )  # fmt: skip
        with gr.Column(scale=3, min_width=300):
            told = gr.Textbox(
                label="Values",
                placeholder="Choose a picture above, then click a place in it.",
                interactive=False,
                lines=4,
                elem_id="values",
            )
            download = gr.HTML(elem_id="download")

    def on_choice(event: Any, seen: Look | None) -> Any:  # noqa: ANN401 - as the page has it
        return _chosen(seen, event.index)

    def on_click(event: Any, seen: Look | None) -> str:  # noqa: ANN401 - as the page has it
        return _told(seen, event.index)

    for answer, component, filled in ((on_choice, gallery, chosen), (on_click, chosen, told)):
        answer.__annotations__["event"] = gr.SelectData  # Gradio finds it by its type
        component.select(answer, seen, filled, **_QUIET)
    return [chosen, told], download


def add_gallery(gr: Any, label: str) -> Any:  # noqa: ANN401 - Gradio has no types
    """Pictures side by side, each whole.

    Args:
        gr: Gradio.
        label: Above them.

    Returns:
        The component.
    """
    return gr.Gallery(
        label=label,
        columns=3,
        min_width=300,
        object_fit="contain",
        height="auto",
        format="png",
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_classes="pictures",
    )


def gallery_of(pictures: Sequence[Picture]) -> list[tuple[Any, str]]:
    """Pictures as a gallery takes them.

    Args:
        pictures: Of a look.

    Returns:
        Pixels and words.
    """
    return [(one.pixels, one.words) for one in pictures]


def options_of(model: ServedModel, typed: Sequence[Any]) -> ExplainOptions:
    """What a visitor has set.

    Args:
        model: For the names of its classes.
        typed: Values of the controls.

    Returns:
        Options of ``explain``.
    """
    given = dict(zip(_KEYS, typed[: len(_KEYS)], strict=True))
    return typed_options(given, model.classifier.class_names or ())


def _looked(
    explorer: Explorer,
    shown: Shown | None,
    *typed: Any,  # noqa: ANN401 - as the page has them
) -> tuple[Any, ...]:
    """Predictions, pictures, notes and the command line."""
    if shown is None:
        return {}, [], "", "", None, None, "", ""
    model = explorer.models[0]
    options = options_of(model, typed)
    seen = look(model, shown.image, options, boxes=bool(typed[-1]))
    line = command_of(model, shown.place, options)
    link = _link(zipped(seen.raw), f"{Path(shown.place).stem}.npz")
    about = (seen.probabilities, gallery_of(seen.pictures), "\n".join(seen.notes), line)
    return *about, seen, _chosen(seen, 1), "", link


def _chosen(seen: Look | None, number: int) -> Any:  # noqa: ANN401 - as the page has it
    """A picture of the gallery."""
    return None if seen is None else seen.pictures[min(number, len(seen.pictures) - 1)].pixels


def _told(seen: Look | None, place: Sequence[int]) -> str:
    """What the maps are at a click, whose place is in pixels of the picture: all have one size."""
    if seen is None:
        return ""
    height, width = seen.pictures[0].pixels.shape[:2]
    return told_at(seen.maps, (place[0] / width, place[1] / height))


def _link(content: bytes, name: str) -> str:
    """A link that saves a file; it is in the page, so that no file has to be kept for it."""
    data = base64.b64encode(content).decode()
    size = f"{max(1, round(len(content) / 1000))} kB"
    return (
        f'<a download="{escape(name)}" href="data:application/octet-stream;base64,{data}">'
        f"Save the raw maps ({escape(name)}, {size})</a>"
    )
