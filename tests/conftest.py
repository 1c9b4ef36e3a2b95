"""What a test may ask for, and the two rules that it runs under: no network, one thread."""

import logging
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from figureground.base import storage as page

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


class Storage:
    """An S3 server on this machine, which counts what it is asked for and can be told to fail.

    Args:
        address: Of the server.
    """

    secret = "a/very+secret=value"  # noqa: S105 - of nobody

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[tuple[str, str]] = []
        self.failing: dict[str, int] = {}

    def put(self, folder: Path, url: str) -> None:
        """Copy the files of a folder."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = file.relative_to(folder).as_posix()
            self.client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=file.read_bytes())

    def held(self, bucket: str = "photos") -> dict[str, bytes]:
        """All that is in a bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        names = [one["Key"] for page in pages for one in page.get("Contents", ())]
        return {
            name: self.client.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names
        }

    @property
    def client(self) -> Any:
        """A client that is not the package's."""
        boto = pytest.importorskip("boto3")
        return boto.client(
            "s3",
            endpoint_url=self.address,
            aws_access_key_id="tester",
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )


@pytest.fixture(scope="session")
def _storage_server() -> Iterator[Storage]:
    pytest.importorskip("s3fs")
    serving = pytest.importorskip("werkzeug.serving")
    backends = pytest.importorskip("moto.moto_server.werkzeug_app")
    made = backends.DomainDispatcherApplication(backends.create_backend_app)
    storage = Storage("")

    def answer(environ: dict[str, Any], start: Any) -> Any:
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        storage.asked.append(asked)
        for part, times in storage.failing.items():
            if part in asked[1] and times:
                storage.failing[part] = times - 1
                start("503 Service Unavailable", [("Content-Length", "0")])
                return [b""]
        return made(environ, start)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = serving.make_server("127.0.0.1", 0, answer, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    storage.address = f"http://127.0.0.1:{server.server_port}"
    yield storage
    server.shutdown()
    thread.join()


@pytest.fixture
def storage(_storage_server: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """Object storage with an empty bucket ``photos``, to which the environment leads."""
    forget_storage()
    monkeypatch.setenv("AWS_ENDPOINT_URL", _storage_server.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", Storage.secret)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    few: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "connect_timeout": 10}
    monkeypatch.setitem(page._OPTIONS, "s3", page._OPTIONS["s3"] | {"config_kwargs": few})
    _storage_server.client.create_bucket(Bucket="photos")
    _storage_server.asked.clear()
    yield _storage_server
    _storage_server.failing.clear()
    urllib.request.urlopen(f"{_storage_server.address}/moto-api/reset", data=b"").close()  # noqa: S310 - our own
    forget_storage()


def forget_storage() -> None:
    """Let the next access read the environment anew."""
    page._made.cache_clear()
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
