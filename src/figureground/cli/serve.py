"""``figureground serve``: look at photos, networks and results in the browser."""

__all__ = ["serve"]

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated

import typer

from figureground.base.claim import kind_of
from figureground.base.errors import OptionError
from figureground.cli.command import Device, expanded
from figureground.cli.console import progress_bars, say
from figureground.cli.model_options import ModelOptions

_PANEL = "Who may come in"
_EMBEDDED = Path("out/serve")


@expanded
def serve(
    about: ModelOptions,
    places: Annotated[
        list[str] | None,
        typer.Argument(
            help="Photos (files, folders, patterns); a folder that explain, rank, evaluate or diagnose left."
        ),
    ] = None,
    other: Annotated[
        str | None,
        typer.Option("--other", help="A second model to compare with, by name or folder of a run."),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Where to listen; beyond this machine with --auth alone.", rich_help_panel=_PANEL
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Default: the first free one from 7860.", rich_help_panel=_PANEL
        ),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            help="A user; the password is read from FIGUREGROUND_PASSWORD.", rich_help_panel=_PANEL
        ),
    ] = None,
    device: Device = None,
) -> None:
    r"""Explore in the browser: photos and maps, what changes when a part is covered, two models, results of commands.

    Nothing leaves this machine. Models are those named here; the page can name none. Without a model and photos, digits
    and a small network that come with the package are shown. Needs the extra web: pip install 'figureground\[web]'.
    """  # noqa: DOC501 - the docstring is the help
    from figureground.web.framework import gradio  # noqa: PLC0415 - torch is slow to import
    from figureground.web.server import Access, start  # noqa: PLC0415

    gradio()  # what is missing is said before a model is loaded
    access = Access(host, port, auth)
    if about.model is None and not places:
        about, places = _embedded(about)
    photos, results = _found(places or [])
    asks = about.model is not None or (bool(photos) and results is None)
    if other is not None and not asks:
        raise OptionError("--other is compared with a first model: name that by --model")
    page, address = start(
        about.load().classifier if asks else None,
        photos,
        words=model_words(about),
        other=other,
        results=results,
        access=access,
        device=device,
    )
    say(f"open {address} in a browser; Ctrl-C ends")
    page.block_thread()


def _embedded(about: ModelOptions) -> tuple[ModelOptions, list[str]]:
    """The network and the digits that come with the package."""
    from figureground.web.embedded import embedded_digits  # noqa: PLC0415 - torch is slow to import

    with progress_bars() as progress:
        run, photos = embedded_digits(_EMBEDDED, progress=progress)
    return replace(about, model=str(run)), [str(photos)]


def _found(places: list[str]) -> tuple[list[Path], Path | None]:
    """Photos, and a folder that a command left."""
    from figureground.data import find_images  # noqa: PLC0415 - torch is slow to import
    from figureground.web.browsing import KINDS  # noqa: PLC0415 - torch is slow to import

    left = [place for place in places if kind_of(Path(place)) in KINDS]
    if len(left) > 1:
        raise OptionError(f"one folder of results at a time, not {len(left)}: {', '.join(left)}")
    named = [place for place in places if place not in left]
    found = find_images(named, recursive=True) if named else []
    photos = [path for path in found if isinstance(path, Path)]
    if len(photos) < len(found):
        raise OptionError("the explorer shows files of this machine alone")
    return photos, Path(left[0]) if left else None


def model_words(about: ModelOptions) -> tuple[str, ...]:
    """The options that say which model, as they are typed.

    Args:
        about: The model.

    Returns:
        Words of a command line, those with their default left out.
    """
    words: list[str] = []
    for one in fields(about):
        value = getattr(about, one.name)
        if value == one.default:
            continue
        flag = (one.metadata["flag"] or f"--{one.name.replace('_', '-')}").split(",")[0]
        if value is True:
            words.append(flag)
        elif isinstance(value, tuple) and one.metadata["repeat"]:
            words += [word for each in value for word in (flag, str(each))]
        else:
            words += [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return tuple(words)
