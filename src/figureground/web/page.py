"""The page of the explorer: a photo on top, below it a tab for each question."""

__all__ = ["build_page"]

from typing import Any

from figureground.base.claim import kind_of
from figureground.web.ask_page import add_ask, add_compare
from figureground.web.explorer import Explorer
from figureground.web.framework import answering, gradio
from figureground.web.look_page import Controls, add_controls, add_look
from figureground.web.photo_page import KEPT, PASTE, add_photo
from figureground.web.results_page import KEYS, add_browse, add_label

_NETWORK = "network"  # what runs it waits in one queue


def build_page(explorer: Explorer) -> Any:  # noqa: ANN401 - Gradio has no types
    """The page.

    Args:
        explorer: What can be asked about.

    Returns:
        Gradio's Blocks, not yet launched.
    """
    gr = gradio()
    with gr.Blocks(
        title="figureground", analytics_enabled=False, delete_cache=(KEPT // 6, KEPT)
    ) as page:
        if explorer.models:
            _add_questions(gr, explorer)
            page.load(None, None, None, js=PASTE, api_visibility="private")
        if explorer.results is not None:
            _add_results(gr, page, explorer)
    return page


def _add_questions(gr: Any, explorer: Explorer) -> None:  # noqa: ANN401 - Gradio has no types
    """What models are asked about a photo."""
    gr.Markdown(f"# {' and '.join(explorer.model_names)}")
    with gr.Row():
        labels = ("Photo", "Or bring one; Ctrl+V pastes")
        photo, pick = add_photo(gr, explorer, labels=labels, name="bring")
    _pick_first(gr, explorer, pick, photo=photo)
    controls = add_controls(gr)
    asked = [photo, *controls.all]
    with gr.Tab("Look", id="look"):
        look, filled = add_look(gr, explorer)
    with gr.Tab("Ask", id="ask"):
        add_ask(gr, explorer, asked)
    if len(explorer.models) > 1:
        with gr.Tab("Compare", id="compare"):
            add_compare(gr, explorer, asked)
    gr.on(
        [photo.change, *_changes(controls)], look, asked, filled,
        concurrency_id=_NETWORK, trigger_mode="always_last", api_visibility="private",
    )  # fmt: skip


def _add_results(gr: Any, page: Any, explorer: Explorer) -> None:  # noqa: ANN401 - Gradio has no types
    """What a command has left."""
    folder = explorer.results
    assert folder is not None  # noqa: S101 - the caller has asked
    with gr.Tab("Browse", id="browse"):
        add_browse(gr, folder, explorer.photos)
    if kind_of(folder) == "rank":
        with gr.Tab("Label", id="label"):
            first, filled = add_label(gr, folder)
        page.load(first, None, filled, api_visibility="private", show_progress="hidden")
        page.load(None, None, None, js=KEYS, api_visibility="private")


def _pick_first(gr: Any, explorer: Explorer, pick: Any, *, photo: Any) -> None:  # noqa: ANN401 - Gradio has no types
    """Show the first photo when the page opens."""
    if explorer.photos:
        gr.context.Context.root_block.load(
            answering(lambda: (explorer.names[0], explorer.photo(0))), None, [pick, photo],
            api_visibility="private", show_progress="hidden",
        )  # fmt: skip


def _changes(controls: Controls) -> list[Any]:
    """What happens when a visitor has set something; text counts when it is finished."""
    methods, classes, layer, colour_map, opacity, contour = controls.options
    return [
        methods.change, classes.submit, classes.blur, layer.submit, layer.blur,
        colour_map.change, opacity.release, contour.release, controls.boxes.change,
    ]  # fmt: skip
