"""The page of the explorer: a photo on top, below it a tab for each question."""

__all__ = ["build_page"]

from functools import partial
from pathlib import Path
from typing import Any

from figureground.base.claim import kind_of
from figureground.web.ask_page import add_ask, add_compare
from figureground.web.explorer import Explorer, Shown
from figureground.web.framework import answering, gradio
from figureground.web.look_page import Controls, add_controls, add_look
from figureground.web.results_page import KEYS, add_browse, add_label

_KEPT = 3600  # seconds
_NETWORK = "network"  # what runs it waits in one queue
_PASTE = """() => document.addEventListener('paste', (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith('image/'));
  const place = document.querySelector('#bring input[type=file]');
  if (!file || !place) return;
  const taken = new DataTransfer();
  taken.items.add(file);
  place.files = taken.files;
  place.dispatchEvent(new Event('change', {bubbles: true}));
})"""


def build_page(explorer: Explorer) -> Any:  # noqa: ANN401 - Gradio has no types
    """The page.

    Args:
        explorer: What can be asked about.

    Returns:
        Gradio's Blocks, not yet launched.
    """
    gr = gradio()
    with gr.Blocks(
        title="figureground", analytics_enabled=False, delete_cache=(_KEPT // 6, _KEPT)
    ) as page:
        if explorer.models:
            _add_questions(gr, explorer)
            page.load(None, None, None, js=_PASTE, api_visibility="private")
        if explorer.results is not None:
            _add_results(gr, page, explorer.results)
    return page


def _add_questions(gr: Any, explorer: Explorer) -> None:  # noqa: ANN401 - Gradio has no types
    """What models are asked about a photo."""
    gr.Markdown(f"# {' and '.join(one.classifier.name for one in explorer.models)}")
    photo = gr.State(None, time_to_live=_KEPT)
    shown = _add_photo(gr, explorer, photo)
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
        [shown, *_changes(controls)], look, asked, filled,
        concurrency_id=_NETWORK, trigger_mode="always_last", api_visibility="private",
    )  # fmt: skip


def _add_results(gr: Any, page: Any, folder: Path) -> None:  # noqa: ANN401 - Gradio has no types
    """What a command has left."""
    with gr.Tab("Browse", id="browse"):
        add_browse(gr, folder)
    if kind_of(folder) == "rank":
        with gr.Tab("Label", id="label"):
            first, filled = add_label(gr, folder)
        page.load(first, None, filled, api_visibility="private", show_progress="hidden")
        page.load(None, None, None, js=KEYS, api_visibility="private")


def _changes(controls: Controls) -> list[Any]:
    """What happens when a visitor has set something; text counts when it is finished."""
    methods, classes, layer, colour_map, opacity, contour = controls.options
    return [
        methods.change, classes.submit, classes.blur, layer.submit, layer.blur,
        colour_map.change, opacity.release, contour.release, controls.boxes.change,
    ]  # fmt: skip


def _add_photo(gr: Any, explorer: Explorer, photo: Any) -> Any:  # noqa: ANN401 - Gradio has no types
    """Where a photo is picked or brought; the event that there is another one."""
    with gr.Row():
        names = explorer.names
        pick = gr.Dropdown(
            names,
            value=names[0] if names else None,
            type="index",
            label="Photo",
            visible=bool(names),
        )
        upload = gr.File(
            label="Or bring one: drop, click, or paste (Ctrl+V)",
            file_count="single",
            type="filepath",
            height=110,
            elem_id="bring",
        )
    picked, brought = explorer.photo, partial(_brought, explorer)
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    pick.input(answering(picked), pick, photo, **quiet)
    upload.upload(answering(brought), upload, photo, **quiet).then(
        lambda: None, None, upload, **quiet
    )  # empty again, ready for the next one
    if names:
        gr.context.Context.root_block.load(answering(picked), pick, photo, **quiet)
    return photo.change


def _brought(explorer: Explorer, file: str | None) -> Shown | None:
    """A photo that was uploaded."""
    if file is None:
        return None
    path = Path(file)  # where Gradio has put it; it takes no other
    return explorer.uploaded(path.read_bytes(), path.name)
