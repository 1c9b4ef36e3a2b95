"""The tabs Ask and Compare: two looks side by side, and how the probabilities differ."""

__all__ = ["add_ask", "add_compare"]

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import UInt8

from figureground.web.asking import FILLS, Change, Spot, ask, changed_photo, compared, covered
from figureground.web.differing import differences
from figureground.web.explorer import Explorer, Shown
from figureground.web.framework import answering
from figureground.web.look_page import add_gallery, gallery_of, options_of
from figureground.web.looking import magnified
from figureground.web.photo_page import add_photo

_NETWORK = {"concurrency_id": "network", "api_visibility": "private"}
_QUIET = {"api_visibility": "private", "show_progress": "hidden"}
_MOST_SPOTS = 500
_WHICH = ("the painted part", "all but the painted part")
_INK = np.array([0, 229, 255])


def add_ask(gr: Any, explorer: Explorer, asked: Sequence[Any]) -> None:  # noqa: ANN401 - Gradio has no types
    """The tab Ask: a click paints a disc; a button asks what the network makes of the photo without it.

    Args:
        gr: Gradio.
        explorer: What can be asked about.
        asked: The state that holds what is looked at, and what a visitor sets.
    """
    photo, spots = asked[0], gr.State([])
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            canvas = gr.Image(
                label="Click to paint", interactive=False, type="numpy", format="png",
                buttons=[], elem_id="canvas",
            )  # fmt: skip
        with gr.Column(scale=1, min_width=240):
            radius = gr.Slider(1, 50, value=15, step=1, label="Radius, % of the shorter side")
            replacing = _add_replacing(gr, explorer)
            undo, clear = gr.Button("Undo"), gr.Button("Clear")
            button = gr.Button("Ask", variant="primary", elem_id="ask")
    filled = _add_answer(gr, "Before", "After")
    seen, paint = [photo, spots], answering(_painted)

    def on_click(event: Any, *given: Any) -> Any:  # noqa: ANN401 - as the page has them
        return answering(_clicked)(event.index, *given)

    on_click.__annotations__["event"] = gr.SelectData  # Gradio finds it by its type
    canvas.select(on_click, [*seen, radius], [spots, canvas], **_QUIET)
    undo.click(lambda painted: painted[:-1], spots, spots, **_QUIET).then(
        paint, seen, canvas, **_QUIET
    )
    gr.on([clear.click, photo.change], list, None, spots, **_QUIET).then(
        paint, seen, canvas, **_QUIET
    )
    given = [*seen, *replacing, *asked[1:]]
    button.click(answering(partial(_asked, explorer)), given, filled, **_NETWORK)


def _add_replacing(gr: Any, explorer: Explorer) -> list[Any]:  # noqa: ANN401 - Gradio has no types
    """What is replaced, by what, and the other photo, which is asked for where it is needed."""
    which = gr.Radio(list(_WHICH), value=_WHICH[0], label="Replace")
    fill = gr.Radio(list(FILLS), value=FILLS[0], label="By", elem_id="fill")
    with gr.Column(visible=False) as second:
        labels = ("Another photo", "Or bring another")
        other, _ = add_photo(gr, explorer, labels=labels, name="other")
        taken = gr.Image(
            label="Taken from", interactive=False, height=160, buttons=[], elem_id="taken"
        )
    other.change(lambda shown: shown and np.asarray(shown.image), other, taken, **_QUIET)
    fill.change(lambda name: gr.update(visible=name == FILLS[-1]), fill, second, **_QUIET)
    return [which, fill, other]


def add_compare(gr: Any, explorer: Explorer, asked: Sequence[Any]) -> None:  # noqa: ANN401 - Gradio has no types
    """The tab Compare: two models on the same photo.

    Args:
        gr: Gradio.
        explorer: With two models.
        asked: The state that holds what is looked at, and what a visitor sets.
    """
    button = gr.Button("Compare", variant="primary", elem_id="compare")
    filled = _add_answer(gr, *explorer.model_names)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            told = gr.Textbox(
                label="Where the maps differ", interactive=False, lines=3, elem_id="differ"
            )
        with gr.Column(scale=1, min_width=300):
            signed = add_gallery(gr, "Red: more by the second; blue: by the first")
    filled += [told, signed]
    button.click(answering(partial(_compared, explorer)), list(asked), filled, **_NETWORK)


def _add_answer(gr: Any, first: str, second: str) -> list[Any]:  # noqa: ANN401 - Gradio has no types
    """Where two looks go."""
    table = gr.Dataframe(
        headers=["class", first, second, "difference"],
        label="Probabilities, %",
        interactive=False,
        elem_classes="changes",
    )
    with gr.Row():
        galleries = [add_gallery(gr, name) for name in (first, second)]
    return [table, *galleries]


def _asked(explorer: Explorer, shown: Shown | None, *given: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as the page has them
    """Before and after."""
    spots, which, fill, second, *typed = given
    if shown is None:
        return [], [], []
    part = covered(shown.image.size, spots)
    replaced = part if which == _WHICH[0] else ~part
    image = None if second is None else second.image
    other = changed_photo(shown.image, replaced, fill, other=image)
    model = explorer.models[0]
    before, after, changes = ask(model, (shown.image, other), options_of(model, typed))
    return _rows(changes), gallery_of(before.pictures), gallery_of(after.pictures)


def _compared(explorer: Explorer, shown: Shown | None, *typed: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as the page has them
    """By the first model and by the second."""
    if shown is None:
        return [], [], [], "", []
    first, second = explorer.models
    one, two, changes = compared((first, second), shown.image, options_of(first, typed))
    names = explorer.model_names
    found = differences((one, two), shown.image, (names[0], names[1]))
    told = "\n".join(each.sentence for each in found)
    pictures = gallery_of([each.picture for each in found])
    return _rows(changes), gallery_of(one.pictures), gallery_of(two.pictures), told, pictures


def _rows(changes: Sequence[Change]) -> list[list[str]]:
    """Lines of the table."""
    return [
        [one.label, _percent(one.before), _percent(one.after), _percent(one.difference, sign="+")]
        for one in changes
    ]


def _percent(share: float | None, sign: str = "") -> str:
    return "–" if share is None else f"{100 * share:{sign}.1f}"


def _clicked(place: Sequence[int], *given: Any) -> tuple[list[Spot], Any]:  # noqa: ANN401 - as the page has them
    """One disc more, where the photo was clicked."""
    shown, spots, share = given
    if shown is None or len(spots) >= _MOST_SPOTS:
        return spots, _painted(shown, spots)
    radius = share / 100 * min(shown.image.size)
    factor = magnified(np.asarray(shown.image)).shape[1] / shown.image.width
    more = [*spots, Spot(place[0] / factor, place[1] / factor, radius)]
    return more, _painted(shown, more)


def _painted(shown: Shown | None, spots: list[Spot]) -> UInt8[np.ndarray, "_ _ 3"] | None:
    """The photo with what was painted."""
    if shown is None:
        return None
    pixels = np.asarray(shown.image)
    mixed = (pixels * 0.4 + _INK * 0.6).astype(np.uint8)
    return magnified(np.where(covered(shown.image.size, spots)[..., None], mixed, pixels))
