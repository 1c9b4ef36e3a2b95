"""Who may ask the explorer, and what it refuses: this machine alone, unless a user and a password are set."""

__all__ = ["PASSWORD", "Access", "Guard", "launch", "names_another_place", "start"]

import atexit
import ipaddress
import json
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from figureground.base.errors import OptionError
from figureground.models import Classifier
from figureground.studies.models import load_model
from figureground.web.explorer import Explorer
from figureground.web.framework import gradio
from figureground.web.page import build_page
from figureground.web.served import serve_model

PASSWORD = "FIGUREGROUND_PASSWORD"  # noqa: S105 - the name of a variable

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_MOST_WORDS = 2**20  # bytes of a request that is no upload
_LARGEST = 64 * 2**20  # bytes of an upload
_WAITING, _VISITORS = 128, 64
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_PLAIN = {
    "share": False,
    "inbrowser": False,
    "quiet": True,
    "show_error": False,
    "prevent_thread_lock": True,
    "footer_links": [],
    "ssr_mode": False,
    "pwa": False,
    "mcp_server": False,
    "enable_monitoring": False,
}
_FONTS = ["system-ui", "sans-serif"]
_CSS = ".pictures img { background: #8883; } .pictures .thumbnail-lg { max-width: 30rem; }"


@dataclass(frozen=True)
class Access:
    """Where the explorer listens, and to whom.

    Args:
        host: Name or address. Other machines reach it only with ``user``.
        port: None takes the first free one from 7860.
        user: Who may come in; the password is what the environment says under ``FIGUREGROUND_PASSWORD``.
        environment: In which the password stands.

    Raises:
        OptionError: Other machines could reach it and no user is named, or there is a user and no password.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, compare=False)

    def __post_init__(self) -> None:
        if self.user is None and not _is_loopback(self.host):
            raise OptionError(
                f"other machines could reach {self.host}: name who may come in, --auth USER, with the password in "
                f"{PASSWORD}"
            )
        if self.user is not None and not self.environment.get(PASSWORD):
            raise OptionError(
                f"the password of {self.user} is read from {PASSWORD}, which is empty"
            )

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password."""
        return None if self.user is None else (self.user, self.environment[PASSWORD])


class Guard:
    """Refuses requests that would make the server fetch something, and tells browsers to ask nobody else.

    Args:
        app: What is guarded, an ASGI application.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kinds = [value.lower() for key, value in scope["headers"] if key.lower() == b"content-type"]
        upload = bool(kinds) and all(kind.startswith(b"multipart/form-data") for kind in kinds)
        if scope["method"] == "POST" and not upload:
            body = await _body(receive)
            if body is None or names_another_place(body):
                await _refuse(send)
                return
            receive = _again(body, receive)
        await self._app(scope, receive, _with_policy(send))


def names_another_place(body: bytes) -> bool:
    """Whether what a page sends names a file by an address, which Gradio would fetch.

    Args:
        body: Of a request.

    Returns:
        Whether any ``path`` in it is an address; of what is not JSON, no.
    """
    try:
        return _has_address(json.loads(body or b"null"))
    except (ValueError, RecursionError):
        return False


def start(
    classifier: Classifier | None,
    photos: Sequence[Path],
    *,
    words: tuple[str, ...] = (),
    other: str | None = None,
    results: Path | None = None,
    access: Access | None = None,
    device: str | None = None,
) -> tuple[Any, str]:
    """Load what is missing and serve the page from a thread.

    Args:
        classifier: The first model; None where there are results alone.
        photos: To pick from.
        words: What names the first model on a command line.
        other: Name of a second model, to compare with.
        results: A folder that a command of ours has left.
        access: Where the page is served and to whom; None for this machine.
        device: Where to compute.

    Returns:
        As by ``launch``.
    """
    models = [] if classifier is None else [serve_model(classifier, words, device)]
    if other is not None:
        second = load_model(other).classifier
        models.append(serve_model(second, ("--model", other), device))
    return launch(Explorer(tuple(models), tuple(photos), results), access or Access())


def launch(explorer: Explorer, access: Access) -> tuple[Any, str]:
    """Serve the page from a thread.

    Args:
        explorer: What can be asked about.
        access: Where and to whom.

    Returns:
        Gradio's Blocks, which can be waited for and closed, and the page's address.
    """
    gr = gradio()
    from starlette.middleware import Middleware  # noqa: PLC0415 - comes with Gradio

    # what visitors upload and are shown goes when the explorer goes
    place = tempfile.mkdtemp(prefix="figureground-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = place
    page = build_page(explorer).queue(max_size=_WAITING)
    _, address, _ = page.launch(
        server_name=access.host,
        server_port=access.port,
        auth=access.login,
        app_kwargs={"middleware": [Middleware(Guard)], "docs_url": None, "redoc_url": None},
        theme=gr.themes.Default(font=_FONTS, font_mono=["monospace"]),
        css=_CSS,
        max_file_size=_LARGEST,
        state_session_capacity=_VISITORS,
        **_PLAIN,
    )
    return page, address


def _is_loopback(host: str) -> bool:
    """Whether this machine alone can reach it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_address(content: object) -> bool:
    """Whether a part of it names a file by an address."""
    if isinstance(content, dict):
        path = content.get("path")
        return (isinstance(path, str) and "://" in path) or any(map(_has_address, content.values()))
    return isinstance(content, list) and any(map(_has_address, content))


async def _body(receive: _Receive) -> bytes | None:
    """All of a request; None where it is too long."""
    parts, length = list[bytes](), 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > _MOST_WORDS:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: _Receive) -> _Receive:
    """What was read, to be read once more."""
    told = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replayed() -> _Message:
        first = next(told, None)
        return await receive() if first is None else first

    return replayed


async def _refuse(send: _Send) -> None:
    """Say no."""
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": b"not allowed here"})


def _with_policy(send: _Send) -> _Send:
    """Answers that say what their page may load."""

    async def run(message: _Message) -> None:
        if message["type"] == "http.response.start":
            own = [
                (b"content-security-policy", _POLICY.encode()),
                (b"referrer-policy", b"no-referrer"),
                (b"x-content-type-options", b"nosniff"),
            ]
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        await send(message)

    return run
