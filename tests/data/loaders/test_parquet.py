"""Parquet files as Hugging Face publishes them: the images of the same folder, from a copy that is made once."""

import io
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError
from figureground.data import in_memory, load_dataset, parquet_files as page
from figureground.data.cached import cache_folder
from figureground.data.fitting import Covering
from figureground.data.loaders.parquet import parquet_images
from figureground.data.one_size import streamed
from figureground.data.streamed import StreamedImages

pa: Any = import_module("pyarrow")  # without types
pq: Any = import_module("pyarrow.parquet")
PARTS = ("train", "val", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def encoded(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (7, 9, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def pixels(number: int) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(io.BytesIO(encoded(number))))).permute(2, 0, 1)


def write(path: Path, columns, features=None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features is not None:
        told = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": told})
    pq.write_table(table, path, **options)
    return path


def structs(numbers, *, with_bytes=True):
    return [
        {"bytes": encoded(number) if with_bytes else None, "path": f"{number}.png"}
        for number in numbers
    ]


CLASSES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["no", "yes"]}}


@pytest.mark.parametrize("row_group_size", [2, 1000])
@pytest.mark.parametrize("compression", ["snappy", "none", "zstd"])
def test_images_labels_and_names_are_those_that_were_written(tmp_path, row_group_size, compression):
    columns = {"label": [1, 0, 1, 1, 0], "image": structs(range(5)), "other": [None] * 5}
    path = write(
        tmp_path / "a.parquet",
        columns,
        CLASSES,
        row_group_size=row_group_size,
        compression=compression,
    )
    data = parquet_images(path)
    assert data.class_names == ("no", "yes")
    assert data.labels.tolist() == [1, 0, 1, 1, 0]
    for row in (3, 0, 4):
        assert torch.equal(data[row][0], pixels(row))
    (note,) = data.notes
    assert str(tmp_path / "cache" / "figureground") in note


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("labels", [["bee", "ant", "background"], ["1", "0", "2"], [1, 0, 2]])
def test_plain_bytes_and_labels_of_every_kind(tmp_path, kind, labels):
    images = pa.array([encoded(row) for row in range(3)], kind)
    data = parquet_images(write(tmp_path / "a.parquet", {"image": images, "label": labels}))
    assert data.labels.tolist() == [1, 0, 2]
    assert data.class_names == (("ant", "bee") if "bee" in labels else ("0", "1", "2"))
    assert torch.equal(data[2][0], pixels(2))
    words = pa.array(list(map(str, labels))).dictionary_encode()
    data = parquet_images(write(tmp_path / "b.parquet", {"image": images, "label": words}))
    assert data.labels.tolist() == [1, 0, 2]


def test_columns_of_other_names_are_found_by_their_description(tmp_path):
    features = {"img": CLASSES["image"], "fine": CLASSES["label"], "x": {"dtype": "int64"}}
    columns = {"img": structs(range(2)), "fine": [1, 0], "x": [5, 6]}
    data = parquet_images(write(tmp_path / "a.parquet", columns, features))
    assert data.labels.tolist() == [1, 0]
    features["x"] = CLASSES["label"]
    with pytest.raises(
        DataError, match=r"b\.parquet has no column label; its columns are img, fine"
    ):
        parquet_images(write(tmp_path / "b.parquet", columns, features))


def test_the_parts_of_hugging_face_and_their_unlabelled_test(tmp_path):
    for name, labels in {"train": [0, 1, 1], "validation": [1], "test": [-1, -1]}.items():
        path = tmp_path / "data" / f"{name}-00000-of-00001.parquet"
        write(path, {"image": structs(range(len(labels))), "label": labels}, CLASSES)
    parts = [load_dataset("parquet", tmp_path, part=part) for part in PARTS]
    assert [one.labels.tolist() for one in parts] == [[0, 1, 1], [1], [-1, -1]]
    assert {one.class_names for one in parts} == {("no", "yes")}
    other = {**CLASSES, "label": {"_type": "ClassLabel", "names": ["yes", "no"]}}
    write(tmp_path / "val-1.parquet", {"image": structs([0]), "label": [0]}, other)
    with pytest.raises(DataError, match=r"name different classes"):
        load_dataset("parquet", tmp_path, part="val")
    (tmp_path / "classes.txt").write_text("nein\nja\n")
    assert load_dataset("parquet", tmp_path, part="val").class_names == ("nein", "ja")


BAD = {
    "no image column": ({"photo": structs([0]), "label": [0]}, r"no column image; its columns are photo, label"),
    "no label column": ({"image": structs([0]), "y": [0]}, r"no column label; its columns are image, y: rename the"),
    "no encoded image": ({"image": [[[0, 1], [2, 3]]], "label": [0]}, r"column image is of the type list"),
    "text": ({"image": ["a.jpg"], "label": [0]}, r"column image is of the type string"),
    "text in a struct": ({"image": [{"bytes": "a.jpg"}], "label": [0]}, r"row 0 has no encoded image"),
    "no bytes": (
        {"image": structs([0]) + structs([1], with_bytes=False), "label": [0, 1]},
        r"row 1 has no encoded image",
    ),
    "no label": ({"image": structs([0, 1]), "label": [0, None]}, r"row 1 has no label \(column label\)"),
    "half a label": ({"image": structs([0]), "label": [0.5]}, r"row 0 has the label 0\.5, no whole number"),
    "truth": ({"image": structs([0]), "label": [True]}, r"row 0 has the label True, no whole number"),
    "nothing": ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, r"no image has a label"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_in_a_line(tmp_path, case):
    columns, told = BAD[case]
    path = write(tmp_path / "bad.parquet", columns)
    with pytest.raises(DataError, match=told) as caught:
        load_dataset("parquet", path, part="train")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value) or case == "nothing"


def test_a_label_beyond_the_classes_is_named_by_its_row(tmp_path):
    columns = {"image": structs(range(2)), "label": [0, 2]}
    with pytest.raises(
        DataError, match=r"a\.parquet: row 1 has the label 2, .* 2 classes \(no, yes"
    ):
        parquet_images(write(tmp_path / "a.parquet", columns, CLASSES))


def test_a_file_cut_short_is_refused_by_name(tmp_path):
    columns = {"image": structs(range(20)), "label": [0] * 20}
    whole = write(tmp_path / "whole.parquet", columns).read_bytes()
    cut = tmp_path / "cut.parquet"
    for size in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"cut\.parquet is no Parquet file, or cut short"):
            parquet_images(cut)
    cut.write_bytes(whole[:200] + bytes(2000) + whole[2200:])  # within the pages of images
    with pytest.raises(DataError, match=r"cut\.parquet is no Parquet file, or cut short"):
        parquet_images(cut)
    assert not list(cache_folder().glob("*.npy"))


def test_the_copy_is_made_once_and_anew_where_the_file_has_changed(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", {"image": structs(range(3)), "label": [0, 1, 0]})
    flowing = streamed(parquet_images(path), Covering((7, 9))).images
    assert isinstance(flowing, StreamedImages)
    (copy,) = cache_folder().glob("*.images")
    assert copy.stat().st_size == sum(len(encoded(row)) for row in range(3))
    before = copy.stat().st_mtime_ns
    page.parquet_table.cache_clear()  # as another process begins
    assert torch.equal(parquet_images(path)[2][0], pixels(2))
    assert copy.stat().st_mtime_ns == before
    write(path, {"image": structs(range(5, 9)), "label": [0, 1, 0, 1]})
    with pytest.raises(DataError, match=r"changed while they were in use: .*a\.parquet has"):
        flowing[torch.tensor([0])]
    again = parquet_images(path)
    assert torch.equal(in_memory(again, (7, 9)).pixels[3], pixels(8))
    (new,) = cache_folder().glob("*.images")
    assert new != copy
    other = streamed(again, Covering((7, 9))).images
    assert isinstance(other, StreamedImages)
    assert other.identity() != flowing.identity()
    new.unlink()
    with pytest.raises(DataError, match=r"cannot read .*\.images"):
        again[0]


def test_a_copy_that_is_not_whole_is_made_again(tmp_path):
    path = write(tmp_path / "a.parquet", {"image": structs(range(3)), "label": [0, 1, 0]})
    parquet_images(path)
    (copy,) = cache_folder().glob("*.images")
    copy.write_bytes(copy.read_bytes()[:50])
    page.parquet_table.cache_clear()
    assert torch.equal(parquet_images(path)[2][0], pixels(2))


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "cache").write_text("a file")
    path = write(tmp_path / "a.parquet", {"image": structs([0]), "label": [0]})
    with pytest.raises(DataError, match=r"cannot write .*cache"):
        parquet_images(path)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").touch()
    monkeypatch.setattr("figureground.data.parquet_files.find_spec", lambda _name: None)
    with pytest.raises(DataError, match=r"pip install 'figureground\[parquet\]'"):
        parquet_images(tmp_path)
