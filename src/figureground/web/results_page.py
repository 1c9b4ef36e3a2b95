"""The tabs Browse and Label: what a command has left, and marks on a ranking."""

__all__ = ["KEYS", "add_browse", "add_label"]

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from figureground.base.errors import OptionError
from figureground.base.printable import printable
from figureground.data import decode_image
from figureground.web.browsing import read_results
from figureground.web.framework import answering
from figureground.web.labelling import Labelling, open_labelling
from figureground.web.look_page import add_gallery
from figureground.web.results import MOST, Results, chosen

_QUIET = {"api_visibility": "private", "show_progress": "hidden", "concurrency_id": "results"}
_ALL, _FOLDER = "all classes", "the folder's"
_ORDERS = ("highest first", "lowest first")
_SIDE = 1200  # pixels of the longer side of what is shown
KEYS = """() => document.addEventListener('keydown', (event) => {
  const name = {h: 'hit', m: 'miss', u: 'undo', s: 'skip'}[event.key];
  const place = document.activeElement;
  const typing = place && place.matches('input:not([type=checkbox]), textarea, select');
  const button = name && document.getElementById('label-' + name);
  if (button && button.offsetParent && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat)
    button.click();
})"""


def add_browse(gr: Any, folder: Path, photos: Sequence[Path] = ()) -> None:  # noqa: ANN401 - Gradio has no types
    """The tab Browse.

    Args:
        gr: Gradio.
        folder: That a command of ours has left.
        photos: Among which images are found that the folder names and does not hold.
    """
    found = read_results(folder, photos)
    gr.Textbox("\n".join((f"{found.kind}: {printable(str(folder))}", *found.told)), label="What is here",
               interactive=False, lines=1 + len(found.told), elem_id="told")  # fmt: skip
    with gr.Row():
        label = gr.Dropdown([_ALL, *found.classes], value=_ALL, label=found.label.capitalize())
        by = gr.Dropdown([_FOLDER, *found.measures], value=_FOLDER, label="Order", elem_id="order")
        first = gr.Radio(list(_ORDERS), value=_ORDERS[0], label="Of numbers")
    lines, told = _lines(found, _ALL, _FOLDER, _ORDERS[0])
    count = gr.Markdown(told, elem_id="count")
    table = gr.Dataframe(
        value=lines,
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
    gr.on(
        [label.change, by.change, first.change], partial(_lines, found), [label, by, first],
        [table, count], **_QUIET,
    )  # fmt: skip


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
    only = gr.Checkbox(value=True, label="Unmarked only", elem_id="label-only")
    gallery = add_gallery(gr, "Image and map")
    filled = [at, told, gallery]
    for name, button in buttons.items():
        button.click(answering(partial(_marked, labelling, name)), [at, only], filled, **_QUIET)
    return answering(partial(_shown, labelling, None)), filled


def _lines(found: Results, *given: str) -> tuple[list[list[Any]], str]:
    """Lines that are shown, and how many there are: of a class, by a column, from one end."""
    label, by, first = given
    rows = chosen(
        found,
        None if label == _ALL else label,
        None if by == _FOLDER else by,
        lowest_first=first == _ORDERS[1],
    )
    some = f"The first {MOST} of {len(rows)} lines" if len(rows) > MOST else f"{len(rows)} lines"
    how = "a click shows the pictures of a line, the box searches what is shown."
    return [list(row) for row in rows[:MOST]], f"{some}; {how}"


def _pictures(found: Results, number: object) -> list[tuple[Any, str]]:
    """The image of a line and what was made of it."""
    if not str(number).isdecimal() or int(str(number)) >= len(found.rows):
        raise OptionError("no such line")
    line = int(str(number))
    place = found.places[line]
    shown = [] if place is None else [(_pixels(place), "the image")]
    shown += [(_pixels(one), words) for one, words in found.pictures[line]]
    if not shown:
        raise OptionError(
            f"{found.rows[line][1]} is not among the photos: add their folder to the command line of serve"
        )
    return shown


def _marked(labelling: Labelling, name: str, *given: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as the page has them
    """What comes after a button, from an image on, of all or of those without a mark."""
    at, only = given
    if name == "undo":
        back = labelling.undo()
        return _shown(labelling, at if back is None else back)
    if at is not None and name != "skip":
        labelling.mark(at, hit=name == "hit")
    return _shown(labelling, labelling.next(-1 if at is None else at, unmarked_only=only))


def _shown(labelling: Labelling, number: int | None) -> tuple[Any, ...]:
    """A candidate; where none is named, the first without a mark."""
    at = labelling.next() if number is None else number
    told = labelling.progress.sentence
    if at is None:
        return None, f"{told} Every image is marked: {labelling.file.name} is complete.", []
    one = labelling.candidates[at]
    mark = {True: ", marked as a hit", False: ", marked as a miss", None: ""}
    about = f"{at + 1}. {one.label}, {100 * one.probability:.3g} %{mark[labelling.marks.get(at)]}"
    shown = [(_pixels(one.place), about)]
    if one.overlay is not None:
        shown.append((_pixels(one.overlay), "what was looked at"))
    return at, told, shown


def _pixels(picture: Path | bytes) -> Any:  # noqa: ANN401 - as Gradio takes them
    """A picture, made small where it is large."""
    image = decode_image(picture)
    image.thumbnail((_SIDE, _SIDE))
    return np.asarray(image)
