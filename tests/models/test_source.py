import socket
import urllib.request

import pytest

from figureground.base.errors import ModelError, OptionError
from figureground.models.source import SOURCES, Source, fetching, reachable, source


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_builds_and_lists(kind: str):
    found = source(kind)
    assert isinstance(found, Source)
    assert all(isinstance(name, str) for name in found.names())


def test_an_unknown_source_is_refused():
    with pytest.raises(OptionError, match="no model source 'tim'; closest: 'timm'"):
        source("tim")


def test_a_server_is_reachable_when_its_name_resolves(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: asked.append(host))
    assert reachable("https://models.example.org/path")
    assert asked == ["models.example.org"]


def test_a_server_is_out_of_reach_when_its_name_does_not_resolve(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    assert not reachable("https://models.example.org")


def test_a_proxy_may_resolve_what_we_cannot(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "http://proxy:1"})
    assert reachable("https://models.example.org")


def test_a_failed_download_says_what_to_do_and_prints_nothing(capsys: pytest.CaptureFixture[str]):
    def download() -> None:
        print("Downloading")  # noqa: T201 - as torch.hub does
        raise ConnectionError("cable pulled\nand more")

    with pytest.raises(ModelError) as caught, fetching("zoo:net"):
        download()
    message = str(caught.value)
    assert message.startswith("cannot fetch zoo:net: cable pulled. ")
    for way_out in ("--weights FILE", "--random", "while online"):
        assert way_out in message
    assert capsys.readouterr().out == ""
