"""Folders of results at URLs, on a real S3 server of this machine."""

import re
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from figureground.base import mirror as page, storage as storage_page
from figureground.base.claim import MARK, claimed, locked
from figureground.base.errors import DataError
from figureground.base.mirror import mirrored
from figureground.base.storage import write

URL = "s3://photos/out/job"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(storage_page, "_WAITS", ())


def fill(folder):
    (folder / MARK).write_text("{}")
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / "a.png").write_bytes(b"a")
    (folder / "entries.jsonl").write_text("a\n")
    (folder / "record.json").write_text("done")
    (folder / "images" / ".b.png.1.part").write_bytes(b"half")


def test_files_come_to_the_url_and_back_and_the_folder_here_goes(storage):
    with mirrored(URL, MARK) as folder:
        fill(folder)
    assert storage.held() == {
        "out/job/entries.jsonl": b"a\n",
        "out/job/figureground.json": b"{}",
        "out/job/images/a.png": b"a",
        "out/job/record.json": b"done",
    }
    assert not folder.exists()
    with mirrored(f"{URL}/", MARK) as again:
        assert (again / "images" / "a.png").read_bytes() == b"a"
        storage.asked.clear()
        (again / "record.json").unlink()
        (again / "images" / "a.png").write_bytes(b"aa")
    written = [name for verb, name in storage.asked if verb in {"PUT", "POST", "DELETE"}]
    assert [name.rpartition("/")[2] for name in written] == ["record.json", "a.png"]
    assert storage.held()["out/job/images/a.png"] == b"aa"
    assert "out/job/record.json" not in storage.held()


def test_lines_come_after_the_files_that_they_count_on_and_the_record_last(storage):
    with mirrored(URL, MARK) as folder:
        fill(folder)
    written = [name.rpartition("/")[2] for verb, name in storage.asked if verb == "PUT"][1:]
    assert set(written[:2]) == {MARK, "a.png"}
    assert written[2:] == ["entries.jsonl", "record.json"]


def test_lines_that_are_added_during_a_writing_wait_for_the_next_one(storage, monkeypatch):
    # the file of the second unit comes when those to be written are known already
    listed = page._Mirror._names

    def slower(mirror):
        names = listed(mirror)
        with (mirror._folder / "entries.jsonl").open("a") as lines:
            lines.write("b\n")
        return names

    mirror_of: dict[str, page._Mirror] = {}
    make = page._Mirror.__init__
    monkeypatch.setattr(
        page._Mirror,
        "__init__",
        lambda self, *given: (make(self, *given), mirror_of.update(one=self))[0],
    )
    with mirrored(URL, MARK) as folder:
        fill(folder)
        monkeypatch.setattr(page._Mirror, "_names", slower)
        mirror_of["one"].write_back()
        assert storage.held()["out/job/entries.jsonl"] == b"a\n"
        monkeypatch.setattr(page._Mirror, "_names", listed)
    assert storage.held()["out/job/entries.jsonl"] == b"a\nb\n"


def test_what_is_done_is_written_while_the_job_goes_on_and_when_it_fails(storage, monkeypatch):
    monkeypatch.setattr(page, "_EVERY", 0.05)
    written = threading.Event()
    write_back = page._Mirror.write_back

    def told(mirror):
        write_back(mirror)
        if mirror._there:
            written.set()

    monkeypatch.setattr(page._Mirror, "write_back", told)

    def stopped():
        with mirrored(URL, MARK) as folder:
            (folder / MARK).write_text("{}")
            assert written.wait(120)
            assert "out/job/figureground.json" in storage.held()
            (folder / "a").write_text("1")
            raise KeyError("stopped")

    with pytest.raises(KeyError):
        stopped()
    assert storage.held()["out/job/a"] == b"1"


def test_results_that_cannot_be_written_stay_here_and_are_told(storage):
    def lost():
        with mirrored(URL, MARK) as folder:
            fill(folder)
            storage.failing["/photos"] = 10**6

    with pytest.raises(DataError, match="what could not be written lies in ") as told:
        lost()
    (folder,) = re.findall(r"lies in (\S+)$", str(told.value))
    assert (Path(folder) / "images" / "a.png").read_bytes() == b"a"
    shutil.rmtree(folder)


def test_a_full_disk_at_the_end_is_told_with_the_folder(storage, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def job():
        with mirrored(URL, MARK) as folder:
            fill(folder)
            monkeypatch.setattr(page.shutil, "copyfile", full)  # type: ignore[attr-defined]

    with pytest.raises(DataError, match=r"No space left .* lies in ") as told:
        job()
    shutil.rmtree(str(told.value).rpartition(" ")[2])


def test_a_place_that_cannot_be_written_is_told_before_the_work(storage):
    with (
        pytest.raises(DataError, match="cannot write s3://nobodys/out/"),
        mirrored("s3://nobodys/out", MARK),
    ):
        pytest.fail("the work has begun")


def test_files_of_others_are_neither_fetched_nor_replaced(storage):
    write("s3://photos/out/holiday.png", b"x")
    with (
        pytest.raises(DataError, match="holds files that no job of figureground wrote"),
        mirrored("s3://photos/out", MARK),
    ):
        pass
    assert [*storage.held()] == ["out/holiday.png"]


def test_a_name_that_leads_out_of_the_folder_is_refused(storage, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: str(tmp_path / "in" / "work"))
    (tmp_path / "in" / "work").mkdir(parents=True)
    for name in (MARK, "x/../../evil"):
        storage.client.put_object(Bucket="photos", Key=f"out/job/{name}", Body=b"{}")
    with pytest.raises(DataError, match="no name of ours"), mirrored(URL, MARK):
        pass
    assert not list(tmp_path.rglob("evil"))


def test_a_claim_of_a_url_knows_its_kind_and_its_question_and_calls_it_by_its_url(storage):
    with locked(URL) as outer, claimed(URL, "rank", writes=("scores.csv",)) as claim:
        assert (claim.folder, claim.place) == (outer, URL)
        claim.mark({"classes": [1]})
    with (
        pytest.raises(DataError, match=f"^{URL} holds results of 'rank', not of 'explain'"),
        claimed(URL, "explain"),
    ):
        pass
    with (
        claimed(URL, "rank") as claim,
        pytest.raises(DataError, match=f"^{URL} holds the results of another job"),
    ):
        claim.check({"classes": [2]})


def test_a_path_and_a_file_url_are_the_folder_itself(tmp_path):
    with mirrored(tmp_path, MARK) as path, mirrored(f"file://{tmp_path}/b", MARK) as url:
        assert (path, url) == (tmp_path, tmp_path / "b")
