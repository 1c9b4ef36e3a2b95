"""Files at URLs, on a real S3 server of this machine."""

import hashlib
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from figureground.base import storage as page
from figureground.base.errors import DataError, ImageError
from figureground.base.places import Member, Place, common_folder, file_of, located
from figureground.base.storage import (
    RemoteFile,
    is_url,
    local_path,
    opened,
    read,
    remote_folder,
    remote_matches,
    remove,
    write,
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(page, "_WAITS", (0.0, 0.0, 0.0))


def test_what_is_written_is_what_anybody_reads_and_the_other_way_round(storage, tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"of a file")
    write("s3://photos/in/er/a", file)
    write("s3://photos/b", b"0123456789")
    assert storage.held() == {"b": b"0123456789", "in/er/a": b"of a file"}
    assert read("s3://photos/b") == b"0123456789"
    assert read("s3://photos/b", 2, 5) == b"234"
    remove("s3://photos/b")
    remove("s3://photos/b")
    assert [*storage.held()] == ["in/er/a"]


def test_a_folder_is_listed_with_sizes_and_with_versions_that_are_digests_of_the_contents(storage):
    for name, content in {"f/a": b"aa", "f/b": b"bbb", "f/g/c": b"", "fa": b""}.items():
        storage.client.put_object(Bucket="photos", Key=name, Body=content)
    folders, files = remote_folder("s3://photos/f") or ([], [])
    assert folders == ["s3://photos/f/g"]
    md5 = [hashlib.md5(one, usedforsecurity=False).hexdigest() for one in (b"aa", b"bbb")]
    assert files == [
        RemoteFile("s3://photos/f/a", 2, md5[0]),
        RemoteFile("s3://photos/f/b", 3, md5[1]),
    ]
    assert remote_folder("s3://photos/f/") == (folders, files)
    assert remote_folder("s3://photos/f/a") is None
    assert remote_folder("s3://photos/none") is None
    storage.client.put_object(Bucket="photos", Key="f/a", Body=b"zz")
    assert (remote_folder("s3://photos/f") or ([], []))[1][0].version != md5[0]


def test_a_folder_of_many_pages_is_listed_whole_by_a_request_a_page(storage):
    backend: Any = pytest.importorskip("moto.s3.models").s3_backends["123456789012"]["aws"]
    for at in range(2500):
        backend.put_object("photos", f"many/{at:04d}.png", b"x")
    storage.asked.clear()
    _, files = remote_folder("s3://photos/many") or ([], [])
    assert [one.name for one in files] == [f"{at:04d}.png" for at in range(2500)]
    assert len(storage.asked) <= 4  # pages of a thousand


def test_a_pattern_and_a_file_with_the_letters_of_one(storage):
    for name in ("a1.png", "a2.png", "b1.png", "in/a3.png", "odd[1].png"):
        storage.client.put_object(Bucket="photos", Key=name, Body=b"x")

    def names(url: str) -> list[str]:
        return sorted(one.url.removeprefix("s3://photos/") for one in remote_matches(url)[1])

    assert names("s3://photos/a*.png") == ["a1.png", "a2.png"]
    assert names("s3://photos/**/a*.png") == ["a1.png", "a2.png", "in/a3.png"]
    assert names("s3://photos/odd[1].png") == ["odd[1].png"]
    assert names("s3://photos/none.png") == []


def test_a_stream_reads_here_and_there(storage):
    content = bytes(range(256)) * 40
    storage.client.put_object(Bucket="photos", Key="long", Body=content)
    _, (file,) = remote_matches("s3://photos/long")
    with opened(file, 64) as stream:
        stream.seek(5000)
        assert stream.read(7) == content[5000:5007]
        stream.seek(10)
        assert stream.read(3) == content[10:13]


def test_a_storage_that_fails_a_few_times_is_asked_again_and_one_that_goes_on_is_given_up(storage):
    storage.client.put_object(Bucket="photos", Key="a", Body=b"x")
    storage.failing["/photos/a"] = 3
    assert read("s3://photos/a") == b"x"
    storage.failing["/photos/a"], before = 10**6, len(storage.asked)
    with pytest.raises(DataError, match="cannot read s3://photos/a: "):
        read("s3://photos/a")
    assert len(storage.asked) - before < 100


def test_a_file_that_is_gone_is_a_damaged_image_and_is_not_asked_for_again(storage):
    before = len(storage.asked)
    with pytest.raises(ImageError, match="no such file any more"):
        RemoteFile("s3://photos/gone.png", 1, "").read()
    assert len(storage.asked) - before < 4


@pytest.mark.parametrize("ask", [remote_folder, remote_matches, read])
def test_a_storage_that_cannot_be_reached_is_told_in_a_line(storage, monkeypatch, ask):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(
            DataError, match=r"^cannot \w+ s3://photos/a: the storage cannot be rea"
        ):
            ask("s3://photos/a")


def test_wrong_and_missing_credentials_are_told_and_not_repeated(storage, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    with pytest.raises(DataError, match=r"access is denied .* from the environment"):
        remote_folder("s3://photos/a")
    page._made.cache_clear()
    sign: Any = pytest.importorskip("moto.core").set_initial_no_auth_action_count
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", storage.secret)
    with pytest.raises(DataError, match="access is denied") as told:
        sign(0)(remote_folder)("s3://photos/a")
    assert storage.secret not in str(told.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        # of adlfs, where Azure's server refuses a key and where there is none
        (
            type("HttpResponseError", (Exception,), {})(
                "Server failed to authenticate the request.\nRequestId:2\nContent: <?xml?>"
            ),
            r"access is denied \(Server failed to authenticate the request\.\); cred",
        ),
        (
            type("ServiceRequestError", (Exception,), {})("Cannot connect to host x:1"),
            r"the storage cannot be reached \(Cannot connect to host x:1\)$",
        ),
        (type("Odd", (Exception,), {})("\n "), "Odd$"),
    ],
)
def test_an_error_of_another_library_is_a_line(error, message):
    def fail():
        raise error

    with pytest.raises(DataError, match=f"^cannot list az://photos: {message}") as told:
        page._tried(fail, "az://photos", verb="list")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://key:secret@photos/a", "credentials in it"),
        ("ftp://photos/a", "no storage is known for ftp://; known: s3, "),
        ("gs://photos/a", "needs gcsfs: pip install gcsfs"),
        ("s3://", "s3:// names no bucket; it is to be s3://bucket/folder"),
        ("s3://*/a", "names no bucket"),
        ("abfs://photos@account.dfs.core.windows.net/a", "abfs://container/folder"),
    ],
)
def test_other_urls_are_refused_before_anything_is_asked(url, message):
    assert is_url(url)
    if url.startswith("gs"):
        with pytest.raises(ImportError):
            __import__("gcsfs")
    with pytest.raises(DataError, match=re.escape(message)) as told:
        remote_folder(url)
    assert "secret" not in str(told.value)


def test_a_folder_without_a_name_is_told_and_an_empty_one_is_empty(storage):
    for name in ("f//a.png", "f/", "g/", "h/", "h/b.png"):
        storage.client.put_object(Bucket="photos", Key=name, Body=b"")
    with pytest.raises(DataError, match="a folder without a name cannot be listed"):
        remote_folder("s3://photos/f")
    assert remote_folder("s3://photos/g") == ([], [])
    folders, files = remote_folder("S3://photos/h") or ([], [])
    assert (folders, [one.name for one in files]) == ([], ["b.png"])


def test_a_url_with_one_slash_is_told():
    for place in ("s3:/photos/a", "S3:/photos/a", Path("s3://photos/a")):
        with pytest.raises(DataError, match="two slashes belong behind"):
            is_url(place)
    assert not is_url("c:/photos")


def test_a_file_url_is_a_path():
    assert local_path("file:///a/b%20c") == Path("/a/b c")
    assert local_path("s3://a/b") is None
    assert (is_url("s3://a"), is_url("a/b"), is_url(Path("a/b"))) == (True, False, False)


def test_the_common_folder_of_images_here_and_there():
    def folder(places: list[Place]) -> str:
        return common_folder(located(file_of(one)) for one in places)

    names = ("x/ab/1.png", "x/ac/2.png", "x/3.png")
    urls: list[Place] = [RemoteFile(f"s3://b/{name}", 0, "") for name in names]
    assert folder(urls) == "s3://b/x"
    assert folder(urls[:2]) == "s3://b/x"
    assert folder(urls[:1]) == "s3://b/x/ab"
    assert folder([*urls, RemoteFile("gs://b/x/1", 0, "")]) == ""
    inside = Member(Path("/a/b/c.tar"), "d/e.png", 0, 1)
    assert folder([inside, Path("/a/x.png")]) == "/a"
    assert folder([Path("/a/x.png")]) == "/a"
    # in the order of letters 'a-b' lies between 'a' and 'a/c'
    assert common_folder(["s3://b/x/a/1", "s3://b/x/a-b/1", "s3://b/x/a/c/1"]) == "s3://b/x"
    assert common_folder(["s3://b/1", "s3://c/1"]) == ""


def test_a_storage_that_goes_away_while_a_file_is_open_is_told_in_a_line(storage):
    storage.client.put_object(Bucket="photos", Key="long", Body=bytes(10**5))
    _, (file,) = remote_matches("s3://photos/long")

    def reads() -> None:
        with opened(file, 64) as stream:
            assert stream.read(10) == bytes(10)
            storage.failing["/photos/long"] = 10**6
            stream.seek(10**5 - 10)
            stream.read(10)

    with pytest.raises(DataError, match=r"^cannot read s3://photos/long: "):
        reads()
    empty = Member(RemoteFile("s3://photos/gone.tar", 0, ""), "link.png", 512, 0)
    assert empty.read() == b""
