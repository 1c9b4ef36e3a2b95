"""Where a photo is picked, uploaded or pasted."""

__all__ = ["KEPT", "PASTE", "add_photo"]

from functools import partial
from pathlib import Path
from typing import Any

from figureground.web.explorer import Explorer, Shown
from figureground.web.framework import answering

KEPT = 3600
"""Seconds that what a visitor looks at is held."""

PASTE = """() => document.addEventListener('paste', (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith('image/'));
  const place = document.querySelector('#bring input[type=file]');
  if (!file || !place) return;
  const taken = new DataTransfer();
  taken.items.add(file);
  place.files = taken.files;
  place.dispatchEvent(new Event('change', {bubbles: true}));
})"""
"""Hands a pasted photo to the upload named ``bring``."""

_WIDTH = 240  # pixels; side by side where there is room for two
_QUIET = {"api_visibility": "private", "show_progress": "hidden"}


def add_photo(gr: Any, explorer: Explorer, *, labels: tuple[str, str], name: str) -> Any:  # noqa: ANN401 - Gradio has no types
    """A list of the photos of the folder and an upload.

    Args:
        gr: Gradio.
        explorer: What can be picked.
        labels: Of the list and of the upload.
        name: Of the upload in the page.

    Returns:
        The state that holds what was picked or brought, nothing at first, and the list.
    """
    photo = gr.State(None, time_to_live=KEPT)
    names = explorer.names
    pick = gr.Dropdown(
        names, value=None, type="index", label=labels[0], visible=bool(names), min_width=_WIDTH
    )
    upload = gr.File(
        label=labels[1], file_count="single", type="filepath", height=110, min_width=_WIDTH,
        elem_id=name,
    )  # fmt: skip
    pick.input(answering(explorer.photo), pick, photo, **_QUIET)
    upload.upload(answering(partial(_brought, explorer)), upload, photo, **_QUIET).then(
        lambda: (None, None), None, [pick, upload], **_QUIET
    )  # ready for the next one
    return photo, pick


def _brought(explorer: Explorer, file: str | None) -> Shown | None:
    """A photo that was uploaded."""
    if file is None:
        return None
    path = Path(file)  # where Gradio has put it; it takes no other
    return explorer.uploaded(path.read_bytes(), path.name)
