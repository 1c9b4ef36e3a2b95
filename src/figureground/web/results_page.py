"""The tabs Browse and Label: what a command has left, and marks on a ranking."""

__all__ = ["KEYS", "add_browse", "add_label"]

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from figureground.base.errors import OptionError
from figureground.data import decode_image
from figureground.web.browsing import Results, read_results
from figureground.web.framework import answering
from figureground.web.labelling import Labelling, open_labelling
from figureground.web.look_page import add_gallery

_QUIET = {"api_visibility": "private", "show_progress": "hidden", "concurrency_id": "results"}
_SIDE = 1200  # pixels of the longer side of what is shown
KEYS = """() => document.addEventListener('keydown', (event) => {
  const name = {h: 'hit', m: 'miss', u: 'undo', s: 'skip'}[event.key];
  const place = document.activeElement;
  const typing = place && ['INPUT', 'TEXTAREA', 'SELECT'].includes(place.tagName);
  const button = name && document.getElementById('label-' + name);
  if (button && button.offsetParent && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat)
    button.click();
})"""


def add_browse(gr: Any, folder: Path) -> None:  # noqa: ANN401 - Gradio has no types
    """The tab Browse.

    Args:
        gr: Gradio.
        folder: That a command of ours has left.
    """
    found = read_results(folder)
    gr.Markdown("Click a line to see its pictures, a heading to sort; the search box filters.")
    table = gr.Dataframe(
        value=[list(row) for row in found.rows],
        headers=list(found.columns),
        interactive=False,
        show_search="filter",
        max_height=420,
        elem_id="results",
    )
    gallery = add_gallery(gr, "Image and maps")

    def on_click(event: Any) -> Any:  # noqa: ANN401 - as the page has it
        return answering(partial(_pictures, found))(event.row_value[0])

    on_click.__annotations__["event"] = gr.SelectData  # Gradio finds it by its type
    table.select(on_click, None, gallery, **_QUIET)


def add_label(gr: Any, folder: Path) -> Any:  # noqa: ANN401 - Gradio has no types
    """The tab Label.

    Args:
        gr: Gradio.
        folder: Of a ranking.

    Returns:
        A function that shows the first image without a mark, and the components that it fills.
    """
    labelling = open_labelling(folder)
    at = gr.State(None)
    told = gr.Markdown(elem_id="label-told")
    with gr.Row():
        buttons = {
            name: gr.Button(words, elem_id=f"label-{name}", min_width=80)
            for name, words in (
                ("hit", "Hit (h)"),
                ("miss", "Miss (m)"),
                ("skip", "Skip (s)"),
                ("undo", "Undo (u)"),
            )
        }
    gallery = add_gallery(gr, "Image and map")
    filled = [at, told, gallery]
    for name, button in buttons.items():
        button.click(answering(partial(_marked, labelling, name)), at, filled, **_QUIET)
    return answering(partial(_shown, labelling, None)), filled


def _pictures(found: Results, number: object) -> list[tuple[Any, str]]:
    """The image of a line and what was made of it."""
    if not str(number).isdecimal() or int(str(number)) >= len(found.rows):
        raise OptionError("no such line")
    line = int(str(number))
    shown = [(found.places[line], "the image"), *found.pictures[line]]
    return [(_pixels(path), words) for path, words in shown]


def _marked(labelling: Labelling, name: str, at: int | None) -> tuple[Any, ...]:
    """What comes after a button."""
    if name == "undo":
        back = labelling.undo()
        return _shown(labelling, at if back is None else back)
    if at is not None and name != "skip":
        labelling.mark(at, hit=name == "hit")
    return _shown(labelling, labelling.unmarked(-1 if at is None else at))


def _shown(labelling: Labelling, number: int | None) -> tuple[Any, ...]:
    """A candidate; where none is named, the first without a mark."""
    at = labelling.unmarked() if number is None else number
    told = labelling.progress.sentence
    if at is None:
        return None, f"{told} Every image is marked: {labelling.file.name} is complete.", []
    one = labelling.candidates[at]
    about = f"{at + 1}. {one.label}, {100 * one.probability:.3g} %"
    shown = [(_pixels(one.place), about)]
    if one.overlay is not None:
        shown.append((_pixels(one.overlay), "what was looked at"))
    return at, told, shown


def _pixels(path: Path) -> Any:  # noqa: ANN401 - as Gradio takes them
    """A picture, made small where it is large."""
    image = decode_image(path)
    image.thumbnail((_SIDE, _SIDE))
    return np.asarray(image)
