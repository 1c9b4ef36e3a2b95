"""Tar files are read by one pass over their headers, and whatever is wrong in them is named."""

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, ImageError
from figureground.data import image_folder, in_memory, load_dataset
from figureground.data.fitting import Covering
from figureground.data.loaders.webdataset import tar_images
from figureground.data.one_size import streamed
from figureground.data.streamed import StreamedImages

PARTS = ("train", "val", "test")


def encoded(number: int, size=(9, 7), kind="PNG") -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def write(path: Path, members: dict[str, bytes], kind=tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as tar:
        for name, content in members.items():
            one = tarfile.TarInfo(name)
            one.size = len(content)
            tar.addfile(one, io.BytesIO(content))
    return path


def samples(labels, first=0, suffix="png") -> dict[str, bytes]:
    members = {}
    for row, label in enumerate(labels, first):
        members[f"{row:04d}.{suffix}"] = encoded(row)
        members[f"{row:04d}.cls"] = str(label).encode()
    return members


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_images_labels_and_names_are_those_of_the_same_files_in_folders(tmp_path, kind):
    members: dict[str, bytes] = {}
    deep = "d" * 60 + "/" + "e" * 60  # longer than a header has room for
    for row, name in enumerate(("bee", "ant", "Background", "bee", "ant10", "ant9")):
        content = encoded(row, (300, 200), "JPEG")
        place = tmp_path / "folder" / name / f"{row}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        members |= {f"{deep}/{row}.left.txt": b"x", f"{deep}/{row}.jpg": content}
        members[f"{deep}/{row}.cls"] = f"{name}\n".encode()
    folder = image_folder(tmp_path / "folder")
    tar = tar_images(write(tmp_path / "a.tar", members, kind))
    assert tar.class_names == folder.class_names == ("ant", "ant9", "ant10", "bee")
    files: Any = folder.images
    rows = {files.file(row).stem: row for row in range(6)}
    twins = folder.subset(torch.tensor([rows[str(number)] for number in range(6)]))
    assert tar.labels.tolist() == twins.labels.tolist() == [3, 0, 4, 3, 2, 1]
    for row in range(6):
        assert torch.equal(tar[row][0], twins[row][0])
    for size in ((30, 40), (100, 100)):  # for the first JPEG is decoded smaller
        assert torch.equal(
            streamed(tar, Covering(size)).pixels, streamed(twins, Covering(size)).pixels
        )
        assert torch.equal(in_memory(tar, size).pixels, in_memory(twins, size).pixels)


def test_labels_may_stand_in_json_and_their_names_beside_the_tar(tmp_path):
    fields = [{"label": 2}, {"class": "1", "other": []}, {"cls": 0}, {"label": None, "cls": 3}]
    members: dict[str, bytes] = {}
    for row, one in enumerate(fields):
        members |= {
            f"{row}.json": json.dumps(one).encode(),
            f"{row}.webp": encoded(row, kind="WEBP"),
        }
    members |= {"9.cls": b"1", "9.json": b'{"label": 2}', "9.webp": members["0.webp"]}  # .cls first
    write(tmp_path / "tars" / "a.tar", members)
    data = tar_images(tmp_path / "tars")
    assert data.class_names == ("0", "1", "2", "3")
    assert data.labels.tolist() == [2, 1, 0, 3, 1]
    (tmp_path / "tars" / "classes.txt").write_text("ant\nbackground\nbee\ncat\n")
    data = tar_images(tmp_path / "tars")
    assert data.class_names == ("ant", "bee", "cat")
    assert data.labels.tolist() == [1, 3, 0, 2, 3]
    (tmp_path / "tars" / "classes.txt").unlink()
    (tmp_path / "tars" / "classes.json").write_text('{"0": "a", "1": "b", "2": "c"}')
    with pytest.raises(
        DataError, match=r"a\.tar: 3\.webp has the label 3, .* 3 classes \(a, b, c\)"
    ):
        tar_images(tmp_path / "tars")


@pytest.mark.parametrize(
    "names",
    [
        ("train/a.tar", "Valid/b.tar", "test/c.tar"),
        ("train-0.tar", "val-0.tar", "test-0.tar"),
        ("data/set-train-0.tar", "data/set-validation-0.tar", "data/set-test-0.tar"),
    ],
)
def test_parts_are_told_by_the_names_of_files_or_folders(tmp_path, names):
    for name, labels in zip(names, (("ant", "bee", "cow"), ("bee",), ("cow", "ant")), strict=True):
        write(tmp_path / name, samples(labels))
    parts = [load_dataset("webdataset", tmp_path, part=part) for part in PARTS]
    assert [one.labels.tolist() for one in parts] == [[0, 1, 2], [1], [2, 0]]
    assert {one.class_names for one in parts} == {("ant", "bee", "cow")}
    write(tmp_path / names[2], samples(["dog"]))
    with pytest.raises(DataError, match=r"0000\.png has the label 'dog', .* 3 classes \(ant, bee"):
        load_dataset("webdataset", tmp_path, part="test")
    write(tmp_path / "more.tar", samples(["ant"]))
    with pytest.raises(DataError, match=r"of which part is .*more\.tar"):
        load_dataset("webdataset", tmp_path, part="test")


def test_several_files_without_parts_are_one_set_in_natural_order(tmp_path):
    for shard in (10, 2, 1):
        write(tmp_path / f"{shard}.tar", samples([shard] * 2))
    data = tar_images(tmp_path)
    assert data.labels.tolist() == [1, 1, 2, 2, 10, 10]
    assert len(data.class_names) == 11


BAD = {
    "no label": (samples([0]) | {"b.png": encoded(1)}, r"b\.png: an image without a label"),
    "json without label": (
        {"a.png": encoded(1), "a.json": b'{"x": 1}'},
        r"a\.png: an image without a label: its \.json has no field label, class or cls",
    ),
    "no image": (samples([0]) | {"b.cls": b"1"}, r"b\.cls: no image of this key"),
    "two images": (samples([0]) | {"0000.jpg": encoded(1)}, r"0000\.jpg: its key comes twice, as 0000\.png"),
    "no number": ({"a.png": encoded(1), "a.json": b'{"cls": 1.5}'}, r"a\.json: .*its label is 1\.5"),
    "no json": ({"a.png": encoded(1), "a.json": b"{"}, r"a\.json: not to be read as a label"),
    "negative": (samples([0, -2]), r"0001\.png has the label '-2', which is none of the 1 classes"),
    "nothing": ({"readme.txt": b"hello"}, r"bad\.tar holds no image with a label"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_in_a_line_with_file_and_member(tmp_path, case):
    members, told = BAD[case]
    path = write(tmp_path / "bad.tar", members)
    with pytest.raises(DataError, match=told) as caught:
        load_dataset("webdataset", path, part="train")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("again", ["a.png", "a.cls"])
def test_a_key_that_comes_twice_is_named(tmp_path, again):
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("a.png", "a.cls", "b.png", "b.cls", again):
            tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match=rf"bad\.tar: {again}: its key comes twice"):
        tar_images(path)


def test_a_link_is_refused(tmp_path):
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as tar:
        one = tarfile.TarInfo("a.png")
        one.type, one.linkname = tarfile.SYMTYPE, "b.png"
        tar.addfile(one)
    with pytest.raises(DataError, match=r"bad\.tar: a\.png: a link, not the image"):
        tar_images(path)


def test_a_tar_cut_anywhere_is_refused_by_name(tmp_path):
    whole = write(tmp_path / "whole.tar", samples(range(3))).read_bytes()
    end = len(whole.rstrip(b"\0"))
    cut = tmp_path / "cut.tar"
    for size in (*range(0, end, 300), 512, 1024):
        cut.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"cut\.tar"):
            tar_images(cut)
    cut.write_bytes(whole[:612])
    with pytest.raises(DataError, match=r"cut\.tar is cut short: 0000\.png does not end in it"):
        tar_images(cut)
    cut.write_bytes(whole[: end - 520])
    with pytest.raises(DataError, match=r"cut\.tar is cut short.* 000"):
        tar_images(cut)


def test_what_is_no_tar_or_a_compressed_one_is_refused(tmp_path):
    other = tmp_path / "a.tar"
    other.write_bytes(b"hello" * 1000)
    with pytest.raises(DataError, match=r"a\.tar is no tar file"):
        tar_images(other)
    with tarfile.open(other, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.png"))
    with pytest.raises(DataError, match=r"a\.tar is no tar file, or a compressed one"):
        tar_images(other)
    with pytest.raises(DataError, match=r"holds no \.tar file"):
        tar_images(write(tmp_path / "x" / "a.txt", {}).parent)


def test_a_member_that_is_no_image_is_named_when_it_is_decoded(tmp_path):
    members = samples([0, 1, 0])
    members["0001.png"] = b"this is no image"
    data = tar_images(write(tmp_path / "a.tar", members))
    with pytest.raises(ImageError, match=r"a\.tar: 0001\.png: not an image of a kind"):
        data[1]
    held = in_memory(data, (7, 9))
    assert len(held) == 2
    assert "a.tar: 0001.png" in held.left_out[0]
    flowing = streamed(data, Covering((7, 9))).images
    assert isinstance(flowing, StreamedImages)
    assert torch.equal(flowing[torch.tensor([0, 2])], held.pixels)
    assert flowing.decoded([1]).damaged[1].startswith(str(tmp_path / "a.tar"))


def test_the_identity_changes_with_the_file_and_its_members_and_a_change_is_an_error(tmp_path):
    path = write(tmp_path / "a.tar", samples([0, 1]))
    before = tar_images(path)
    flowing = streamed(before, Covering((7, 9))).images
    assert isinstance(flowing, StreamedImages)
    same = pickle.loads(pickle.dumps(flowing))  # noqa: S301 - as a process gets it
    assert same.identity() == flowing.identity()
    assert torch.equal(same[:], flowing[:])
    members = samples([0, 1])
    size = path.stat().st_size
    members["0001.png"] += b" "
    write(path, members)
    assert path.stat().st_size == size  # a tar is padded: its own size tells nothing here
    again = streamed(tar_images(path), Covering((7, 9))).images
    assert isinstance(again, StreamedImages)
    assert again.identity() != flowing.identity()
    write(path, samples(range(40)))
    with pytest.raises(DataError, match=r"changed while they were in use: .*a\.tar has"):
        flowing[torch.tensor([0])]
    path.unlink()
    with pytest.raises(DataError, match=r"changed while they were in use: .*a\.tar is gone"):
        flowing[torch.tensor([0])]
    with pytest.raises(DataError, match=r"cannot read .*a\.tar"):
        before[0]


class Counted(io.FileIO):
    taken = 0

    def read(self, size=-1, /):
        content = super().read(size)
        Counted.taken += len(content)
        return content

    def readinto(self, buffer, /):
        raise AssertionError("not by this way")

    def readall(self):
        raise AssertionError("not by this way")


def test_20000_members_are_found_without_reading_an_image(tmp_path, monkeypatch):
    image = encoded(0, (60, 60), "JPEG")
    path = tmp_path / "many.tar"
    with tarfile.open(path, "w") as tar:
        for row in range(10_000):
            for name, content in ((f"{row}.jpg", image), (f"{row}.cls", b"%d" % (row % 7))):
                one = tarfile.TarInfo(name)
                one.size = len(content)
                tar.addfile(one, io.BytesIO(content))

    def opened(self, mode, buffering):
        assert buffering == 0  # or whole blocks would be read ahead
        return Counted(self, mode)

    monkeypatch.setattr(Path, "open", opened)
    data = tar_images(path)
    assert len(data) == 10_000
    assert data.labels.tolist() == [row % 7 for row in range(10_000)]
    assert Counted.taken < 20_003 * 512 + 10_000 + 2048
    assert path.stat().st_size > 3 * Counted.taken
