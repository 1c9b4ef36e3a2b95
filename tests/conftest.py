"""What a test may ask for, and the two rules that it runs under: no network, one thread."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

# Before anything imports torch or numpy: tests run side by side, and one thread each is fastest.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

_LOCAL = {None, "", "localhost", "127.0.0.1", "::1", socket.gethostname()}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and trained weights; the test is skipped where it is absent."""
    folder = Path(os.environ.get("FIGUREGROUND_SHARED", "../shared")) / "data"
    if not folder.is_dir():
        pytest.skip("no shared data here (set FIGUREGROUND_SHARED to the folder that holds data/)")
    return folder


@pytest.fixture(autouse=True)
def _offline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name but this machine's own is unknown, unless the test is marked ``network``."""
    if request.node.get_closest_marker("network"):
        return
    look_up = socket.getaddrinfo

    def refuse(host: Any, *others: Any, **named: Any) -> Any:
        if host in _LOCAL:
            return look_up(host, *others, **named)
        raise socket.gaierror(socket.EAI_NONAME, f"tests run offline, {host} was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def tiny_recipe() -> dict[str, Any]:
    """A training run of 16 small cluttered digits that takes a second."""
    return {
        "name": "tiny",
        "epochs": 1,
        "batch_size": 16,
        "data": {"name": "cluttered-digits", "count": 16, "seed": 0},
        "model": {
            "name": "figureground:lenet-gap",
            "arguments": {"channels": 1},
            "preprocessing": {"size": [12, 12]},
        },
    }
