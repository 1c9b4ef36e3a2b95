"""Images and results in object storage, in tar and in Parquet files: the numbers and files of a folder."""

from pathlib import Path
from typing import Any

import pytest

from figureground.base import mirror as mirror_page
from figureground.base.errors import DataError
from figureground.cli import main
from figureground.data import find_images
from figureground.engines import EngineOptions
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.faithfulness import Faithfulness
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images

URL = "s3://photos/set"
RANK = RankOptions(classes=("3",), batch_size=4, unit=8, top=3, parquet=False)


def names(folder: Path | str, **options: bool) -> list[str]:
    return [str(one).removeprefix(f"{folder}/") for one in find_images(folder, **options)]


def test_a_url_has_the_images_of_the_folder_in_its_order(storage, photos):
    storage.put(photos, URL)
    assert names(URL, recursive=True) == names(photos, recursive=True)
    assert len(names(URL, recursive=True)) == 21
    assert names(f"{URL}/3") == names(photos / "3")
    matches = [str(one).removeprefix(f"{URL}/") for one in find_images(f"{URL}/*/photo 1?.PNG")]
    assert matches == [
        str(one).removeprefix(f"{photos}/") for one in find_images(f"{photos}/*/photo 1?.PNG")
    ]
    assert [str(one) for one in find_images(f"{URL}/3/notes.txt")] == [f"{URL}/3/notes.txt"]
    assert find_images(f"file://{photos}/3") == find_images(photos / "3")
    for missing in (f"{URL}/4", f"{URL}/*.gif", "s3://nobodys/set"):
        with pytest.raises(DataError, match="there is no file and no folder at s3://"):
            find_images(missing)
    with pytest.raises(DataError, match="no images in 's3://photos/set'"):
        find_images(URL)


def test_results_of_a_job_are_no_images_of_the_users(storage, photos):
    storage.put(photos, URL)
    marks = ("out/figureground.json", "out/top/figureground.json")
    for name in (*marks, "out/top/images/a.png", "out/images/b.png"):
        storage.client.put_object(Bucket="photos", Key=f"set/{name}", Body=b"{}")
    assert names(URL, recursive=True) == names(photos, recursive=True)
    # nor where their folder itself is named
    storage.client.put_object(Bucket="photos", Key="set/out/mine.png", Body=b"x")
    assert names(f"{URL}/out", recursive=True) == ["mine.png"]


def test_a_pattern_that_fits_folders_searches_them_and_other_files_are_not_meant(storage, photos):
    storage.put(photos, URL)
    assert [str(one) for one in find_images(f"{URL}/[37]")] == [
        f"{URL}/{one}" for one in names(photos, recursive=True)
    ]
    storage.client.put_object(Bucket="photos", Key="odd/readme.txt", Body=b"x")
    with pytest.raises(DataError, match=r"no images in .* tar and Parquet files are read where"):
        find_images("s3://photos/odd/*")


def test_a_ranking_of_a_url_is_that_of_the_folder_and_reads_each_image_once(
    storage, photos, tmp_path, network
):
    storage.put(photos, URL)
    tables: list[Any] = []
    for place in (photos, URL):
        out = tmp_path / f"out-{len(tables)}"
        storage.asked.clear()
        record = rank_images(network, str(place), out=out, options=RANK, device="cpu")
        assert (record.images, len(record.failed)) == (20, 1)
        tables.append((out / "scores.csv").read_text().replace(f"{place}/", ""))
    assert tables[0] == tables[1]
    reads = [name for verb, name in storage.asked if verb == "GET" and name.count("/") > 2]
    assert len(set(reads)) == 21
    assert (
        len(reads) == 21 + 1 + 3
    )  # those of the sheet, of which the first is looked at to choose the layer
    assert not [verb for verb, _ in storage.asked if verb == "HEAD"]
    assert rank_images(network, URL, out=tmp_path / "out-1", options=RANK).skipped == 21
    # one image has another content of the same length
    body = bytearray((photos / "7" / "photo 4.PNG").read_bytes())
    body[-20] ^= 1
    storage.client.put_object(Bucket="photos", Key="set/7/photo 4.PNG", Body=bytes(body))
    assert rank_images(network, URL, out=tmp_path / "out-1", options=RANK).skipped == 13


def test_explanations_of_a_url_are_those_of_the_folder_and_read_each_image_once(
    storage, photos, tmp_path, network
):
    storage.put(photos, URL)
    options = ExplainOptions(methods=("grad-cam",), batch_size=4)
    found: list[Any] = []
    for place in (photos / "3", f"{URL}/3"):
        out = tmp_path / f"out-{len(found)}"
        storage.asked.clear()
        record = explain_images(network, str(place), out=out, options=options, device="cpu")
        assert (record.images, [Path(one.path).name for one in record.failed]) == (
            10,
            ["broken.png"],
        )
        pictures = sorted((out / "images").glob("*.png"), key=lambda one: one.name[:12])
        found.append([one.read_bytes() for one in pictures])
    assert len(found[0]) == 10
    assert sorted(found[0]) == sorted(found[1])
    reads = [name for verb, name in storage.asked if verb == "GET" and name.count("/") > 2]
    assert (
        len(reads) == 11 + 2
    )  # the first two are looked at, of which one is damaged, to choose the layer
    assert not [verb for verb, _ in storage.asked if verb == "HEAD"]
    again = explain_images(network, f"{URL}/3", out=tmp_path / "out-1", options=options)
    assert (again.images, again.skipped) == (10, 10)


def test_an_evaluation_of_a_url_has_the_numbers_of_the_folder(storage, photos, tmp_path, network):
    (photos / "3" / "broken.png").unlink()
    storage.put(photos, URL)
    asked = Faithfulness(methods=("cam",), steps=4, batch_size=8)
    tables: list[Any] = []
    for place in (photos, URL):
        out = tmp_path / f"out-{len(tables)}"
        record = evaluate(asked, network, str(place), out=out, device="cpu")
        assert record.images == 20
        tables.append(record.tables)
    assert tables[0] == tables[1]


def test_results_at_a_url_are_those_of_a_folder_and_a_killed_job_goes_on_there(
    storage, photos, tmp_path, network, monkeypatch
):
    rank_images(network, photos, out=tmp_path / "here", options=RANK, device="cpu")
    done = mirror_page._Mirror.write_back

    def dies(mirror):
        done(mirror)
        raise KeyboardInterrupt

    monkeypatch.setattr(mirror_page._Mirror, "write_back", dies)
    calls = []

    def stop_after_two(_stage: str, images: int, _total: int) -> None:
        calls.append(images)
        if images > 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank_images(
            network,
            photos,
            out="s3://photos/out",
            options=RANK,
            device="cpu",
            progress=stop_after_two,
        )
    monkeypatch.setattr(mirror_page._Mirror, "write_back", done)
    left = storage.held()
    assert "out/record.json" not in left
    assert left["out/entries.jsonl"].count(b"\n") == 1
    record = rank_images(network, photos, out="s3://photos/out", options=RANK, device="cpu")
    assert record.skipped == 8
    there = storage.held()
    for name in ("scores.csv", "top.csv"):
        assert there[f"out/{name}"] == (tmp_path / "here" / name).read_bytes()
    assert {f"out/{one}" for one in ("record.json", "entries.jsonl", "top/record.json")} < set(
        there
    )


def test_a_storage_that_goes_away_ends_the_job_and_marks_no_image(
    storage, photos, tmp_path, network
):
    storage.put(photos, URL)
    storage.failing["photo 14"] = 10**6
    with pytest.raises(DataError, match=r"cannot read s3://photos/set/7/photo 14\.PNG"):
        rank_images(network, URL, out=tmp_path / "out", options=RANK, device="cpu")
    storage.failing.clear()
    record = rank_images(network, URL, out=tmp_path / "out", options=RANK, device="cpu")
    assert (record.images, record.skipped, len(record.failed)) == (20, 8, 1)


def test_an_image_that_is_deleted_while_the_job_runs_is_told_and_the_others_go_on(
    storage, photos, tmp_path, network
):
    storage.put(photos, URL)
    found = find_images(URL, recursive=True)
    storage.client.delete_object(Bucket="photos", Key="set/3/photo 5.PNG")
    record = rank_images(network, found, out=tmp_path / "out", options=RANK, device="cpu")
    assert record.images == 19
    assert str(record.failed[1]) == f"{URL}/3/photo 5.PNG: no such file any more"


def test_annotations_at_a_url_are_those_of_the_folder(storage, photos, tmp_path, network):
    rows = ["path,label,x0,y0,x1,y1"]
    for at in range(20):
        place = f"{'3' if at % 2 else '7'}/photo {at}.{'PNG' if at % 3 else 'jpeg'}"
        rows.append(f"{place},{3 if at % 2 else 7},2,3,{12 + at % 5},14")
    rows += ["3/broken.png,3,1,1,5,5", "3/nowhere.png,3,1,1,5,5"]
    (photos / "boxes.csv").write_text("\n".join(rows))
    storage.put(photos, URL)
    asked = Localisation(methods=("cam",), batch_size=8)
    tables: list[Any] = []
    for place, images in ((photos, None), (URL, None), (f"{URL}/boxes.csv", None), (photos, URL)):
        out = tmp_path / f"out-{len(tables)}"
        options = DataOptions(images=images)
        record = evaluate(asked, network, str(place), out=out, data_options=options, device="cpu")
        assert record.images == 16  # four choose thresholds
        assert record.problems.items() >= {("missing-file", 1), ("unreadable-file", 1)}
        tables.append(record.tables)
    assert tables[0] == tables[1] == tables[2] == tables[3]
    storage.client.put_object(Bucket="photos", Key="wrong/boxes.csv", Body=b"name,x\n")
    storage.client.put_object(Bucket="photos", Key="wrong/a.png", Body=b"x")
    with pytest.raises(DataError, match=r"^s3://photos/wrong/boxes\.csv: no column path"):
        evaluate(asked, network, "s3://photos/wrong/boxes.csv", out=tmp_path / "wrong")
    (photos / "more.json").write_text("{}")
    storage.put(photos, URL)
    with pytest.raises(DataError, match=r"several annotation files; name one of boxes\.csv, more"):
        evaluate(asked, network, URL, out=tmp_path / "several")
    storage.put(photos / "7", "s3://photos/voc")
    storage.client.put_object(Bucket="photos", Key="voc/a.xml", Body=b"<a/>")
    with pytest.raises(DataError, match=r"COCO \.json and \.csv are read"):
        evaluate(asked, network, "s3://photos/voc", out=tmp_path / "voc")


def test_no_file_and_no_message_holds_a_credential(storage, photos, tmp_path, capsys, monkeypatch):
    storage.put(photos, URL)
    monkeypatch.chdir(tmp_path)
    code = tmp_path / "net.py"
    code.write_text(
        "from figureground.models import LeNetGAP\n\n\ndef build():\n    return LeNetGAP()\n"
    )
    asked = ["--model", f"{code}:build", "--size", "20", "--classes", "3"]
    typed = ["figureground", "rank", URL, *asked, "--out", "s3://photos/out"]
    monkeypatch.setattr("sys.argv", typed)
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2, told
    assert "s3://photos/out/report.html" in told.out
    assert "s3://photos/set/3/broken.png" in told.err
    storage.failing["/photos"] = 10**6
    with pytest.raises(SystemExit) as failed:
        main()
    assert failed.value.code == 1
    told_again = capsys.readouterr().err
    storage.failing.clear()
    texts = [told.out, told.err, told_again, *map(str, storage.held().values())]
    assert not any(storage.secret in one or "tester" in one for one in texts)
    assert not list(tmp_path.glob("s3:*"))


@pytest.mark.slow
def test_actors_read_the_storage_themselves(storage, photos, network):
    pytest.importorskip("ray")
    storage.put(photos, URL)
    tables: list[Any] = []
    for name, where in (("local", "cpu"), ("ray", EngineOptions(engine="ray", actors=2))):
        rank_images(network, URL, out=f"s3://photos/{name}", options=RANK, device=where)
        tables.append(storage.held()[f"{name}/scores.csv"])
    assert tables[0] == tables[1]
