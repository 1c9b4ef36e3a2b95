"""Who may ask the explorer, and what it refuses."""

import asyncio
import json

import pytest

from figureground.base.errors import OptionError
from figureground.web.server import PASSWORD, Access, Guard, names_another_place


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_needs_no_password(host: str):
    assert Access(host, environment={}).login is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "my-machine", ""])  # noqa: S104 - is refused
def test_other_machines_come_in_with_a_password_alone(host: str):
    with pytest.raises(OptionError, match="--auth USER"):
        Access(host, environment={PASSWORD: "secret"})
    with pytest.raises(OptionError, match=f"read from {PASSWORD}, which is empty"):
        Access(host, user="ann", environment={})
    assert Access(host, user="ann", environment={PASSWORD: "secret"}).login == ("ann", "secret")


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (
            {"data": [{"path": "http://example.org/a.png", "meta": {"_type": "gradio.FileData"}}]},
            True,
        ),
        ({"data": [[{"a": {"path": "FTP://example.org/a"}}]]}, True),
        ({"data": [{"path": "a.png", "url": "http://127.0.0.1:7860/file=a"}]}, False),
        ({"data": ["http://example.org", 3, None]}, False),
        ([], False),
    ],
)
def test_a_request_that_would_make_the_server_fetch_a_file_is_told_apart(content, refused: bool):
    assert names_another_place(json.dumps(content).encode()) is refused


def test_an_address_is_seen_behind_escapes_and_what_is_no_json_is_let_through():
    assert names_another_place(rb'{"pa\u0074h": "http:\/\/example.org/a"}')
    assert not names_another_place(b"")
    assert not names_another_place(b"\xff{")


def ask(body: bytes, kind: bytes = b"application/json") -> tuple[list[dict], list[bytes]]:
    """What the guard answers to a request that comes in two parts, and what reaches the application."""
    sent: list[dict] = []
    reached: list[bytes] = []
    half = len(body) // 2
    coming = iter(
        [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]
    )

    async def app(scope, receive, send):
        message = await receive()
        reached.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        return next(coming)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [(b"Content-Type", kind)]}
    asyncio.run(Guard(app)(scope, receive, send))
    return sent, reached


def test_the_guard_passes_a_request_on_whole_and_tells_the_browser_to_ask_nobody_else():
    sent, reached = ask(b'{"data": [1, 2]}')
    assert reached == [b'{"data": [1, 2]}']
    policy = dict(sent[0]["headers"])[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_the_guard_refuses_addresses_and_floods():
    for body in (b'{"path": "https://example.org/a"}', b"[" + b"1," * 2**20 + b"1]"):
        for kind in (b"application/json", b"application/json; x=multipart"):
            sent, reached = ask(body, kind=kind)
            assert not reached
            assert sent[0]["status"] == 403


def test_an_upload_is_not_read_by_the_guard():
    _, reached = ask(b"ab", kind=b"multipart/form-data; boundary=x")
    assert reached == [b"a"]
