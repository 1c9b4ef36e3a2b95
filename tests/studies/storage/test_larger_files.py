"""Images in tar and Parquet files, here and in object storage: the numbers of a folder."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from figureground.data import find_images
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.uncertainty import Uncertainty
from figureground.studies.explain.explain import explain_images
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images

URL = "s3://photos/set"
RANK = RankOptions(classes=("3",), batch_size=4, unit=8, top=3, parquet=False)


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_larger_file_stands_for_the_images_in_it(
    storage, photos, tmp_path, network, *, kind, where
):
    files = [one for one in find_images(photos, recursive=True) if isinstance(one, Path)]
    larger = tmp_path / "larger" / f"set.{kind}"
    larger.parent.mkdir()
    if kind == "tar":
        with tarfile.open(larger, "w") as tar:
            for file in (*files, photos / "3" / "notes.txt", photos / "3" / ".hidden.png"):
                tar.add(file, str(file.relative_to(photos)))
    else:
        arrow = pytest.importorskip("pyarrow")
        table = arrow.table({"image": [one.read_bytes() for one in files], "caption": ["x"] * 21})
        pytest.importorskip("pyarrow.parquet").write_table(table, larger)
    source: str = str(larger)
    if where == "there":
        storage.put(larger.parent, URL)
        source = f"{URL}/*.{kind}"
    rank_images(network, photos, out=tmp_path / "files", options=RANK, device="cpu")
    record = rank_images(network, source, out=tmp_path / "larger-out", options=RANK, device="cpu")
    assert (record.images, len(record.failed)) == (20, 1)
    columns = [
        [line.split(",")[1] for line in (tmp_path / one / "scores.csv").read_text().splitlines()]
        for one in ("files", "larger-out")
    ]
    if kind == "parquet":
        assert [str(one).rpartition(": ")[2] for one in find_images(source)] == [
            f"row {at}" for at in range(21)
        ]
    assert columns[0] == columns[1]
    again = rank_images(network, source, out=tmp_path / "larger-out", options=RANK)
    assert again.skipped == 21
    explained = explain_images(network, source, out=tmp_path / "explained", device="cpu")
    assert (explained.images, len(explained.failed)) == (20, 1)


def test_images_of_one_name_are_two_and_what_is_no_image_is_told(photos, tmp_path, network):
    content = (photos / "3" / "photo 1.PNG").read_bytes()
    other = (photos / "3" / "photo 5.PNG").read_bytes()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        notes = (("png", content), ("notes.txt", content), ("._x.png", content))
        for name, one in (("x.png", content), ("x.png", other), ("link.png", None), *notes):
            member = tarfile.TarInfo(name)
            member.size = len(one or b"")
            member.type = tarfile.REGTYPE if one else tarfile.SYMTYPE
            member.linkname = "x.png"
            tar.addfile(member, io.BytesIO(one or b""))
    for sources in ([tmp_path / "a.tar"], [f"{tmp_path}/*.tar", tmp_path / "a.tar"]):
        assert len(find_images(sources)) == 3
    record = rank_images(network, tmp_path / "a.tar", out=tmp_path / "ranked", options=RANK)
    assert record.images == 2
    assert str(record.failed[0]) == f"{tmp_path}/a.tar: link.png: the file is empty"
    explained = explain_images(network, tmp_path / "a.tar", out=tmp_path / "explained")
    assert explained.images == 2
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"image": [content, None], "label": [1, 1]})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
    record = rank_images(network, tmp_path / "a.parquet", out=tmp_path / "rows", options=RANK)
    assert (record.images, str(record.failed[0])) == (
        1,
        f"{tmp_path}/a.parquet: row 1: the file is empty",
    )


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_larger_file_with_labels_is_evaluated_as_its_folder(photos, tmp_path, network, kind):
    (photos / "3" / "broken.png").unlink()
    files = [one for one in find_images(photos, recursive=True) if isinstance(one, Path)]
    larger = tmp_path / f"set.{kind}"
    if kind == "tar":
        with tarfile.open(larger, "w") as tar:
            for at, file in enumerate(files):
                tar.add(file, f"{at:02d}{file.suffix}")
                label = tarfile.TarInfo(f"{at:02d}.cls")
                label.size = 1
                tar.addfile(label, io.BytesIO(file.parent.name.encode()))
    else:
        arrow = pytest.importorskip("pyarrow")
        labels = [int(one.parent.name) for one in files]
        table = arrow.table({"image": [one.read_bytes() for one in files], "label": labels})
        pytest.importorskip("pyarrow.parquet").write_table(table, larger)
    asked = Uncertainty(batch_size=8)
    tables: list[Any] = []
    for place in (photos, larger):
        out = tmp_path / f"out-{place.name}"
        record = evaluate(asked, network, str(place), out=out, device="cpu")
        assert record.images == 20
        tables.append(record.tables[0])
    assert tables[0] == tables[1]
