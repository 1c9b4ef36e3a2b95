"""Packs decode one image at a time, give half-open boxes, and refuse to contradict themselves."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError, ImageError
from figureground.data import ImagePack, load_mnist, shared_folder

needs_shared = pytest.mark.skipif(shared_folder() is None, reason="no shared folder with real data")
PACKS = (shared_folder() or Path()) / "packs"


def arrays(**changes):
    """Three images of 40x20 pixels, grey levels 0, 100, 200; None leaves an array out."""
    files = []
    for at in range(3):
        stream = io.BytesIO()
        Image.new("L", (40, 20), 100 * at).save(stream, "PNG")
        files.append(stream.getvalue())
    made = {
        "data": np.frombuffer(b"".join(files), np.uint8),
        "off": np.cumsum([0, *map(len, files)]),
        "label": np.array([2, 0, 1], np.uint8),
    }
    return {key: value for key, value in {**made, **changes}.items() if value is not None}


def pack(tmp_path, **changes):
    path = tmp_path / "some.npz"
    np.savez(path, **arrays(**changes))
    return ImagePack(path)


def test_pictures_come_by_index_from_either_end(tmp_path):
    made = pack(tmp_path)
    assert len(made) == 3
    assert [picture.getpixel((0, 0))[0] for picture in made] == [0, 100, 200]
    assert made[-1].getpixel((5, 5)) == (200, 200, 200)
    assert made[np.int64(1)].size == (40, 20)
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"image {index} of 3"):
            made[index]


def test_what_is_unknown_is_none_and_names_are_made(tmp_path):
    made = pack(tmp_path, label=None)
    assert (made.labels, made.boxes, made.classes, made.is_test) == (None, None, None, None)
    assert made.names == ["some[0]", "some[1]", "some[2]"]


def test_labels_names_classes_and_parts_are_given(tmp_path):
    made = pack(
        tmp_path,
        name=np.array(["a", "b", "c"]),
        wnid=np.array(["n1", "n2"]),
        test=np.array([1, 0, 1], np.uint8),
    )
    assert made.labels.dtype == np.int64
    assert made.labels.tolist() == [2, 0, 1]
    assert made.names == ["a", "b", "c"]
    assert made.classes == ["n1", "n2"]
    assert made.is_test.tolist() == [True, False, True]


def test_pixel_boxes_become_half_open(tmp_path):
    box = np.array([[0, 0, 39, 19], [3, 4, 3, 4], [1, 2, 5, 6]], np.int16)
    boxes = pack(tmp_path, box=box).boxes
    assert [b.tolist() for b in boxes] == [[[0, 0, 40, 20]], [[3, 4, 4, 5]], [[1, 2, 6, 7]]]


def test_relative_boxes_are_those_of_the_stretched_picture(tmp_path):
    # the originals were 80x60: the last pixel of a full box is 79 of 80, 59 of 60
    made = pack(
        tmp_path,
        box_image=np.array([2, 0, 2]),
        box_rel=np.array([[0, 0, 79 / 80, 59 / 60], [0.5, 0.5, 59 / 80, 44 / 60], [0, 0, 0, 0]]),
        orig_size=np.array([[80, 60]] * 3),
    )
    assert made.boxes is not None
    first, second, third = made.boxes
    np.testing.assert_allclose(first, [[20, 10, 30, 15]], rtol=1e-6)
    assert second.shape == (0, 4)
    np.testing.assert_allclose(third, np.array([[0.0, 0, 40, 20], [0, 0, 0.5, 1 / 3]]), rtol=1e-6)


def test_broken_picture_names_the_pack_and_its_index(tmp_path):
    data = arrays()["data"].copy()
    data[: arrays()["off"][1]] = 0
    made = pack(tmp_path, data=data)
    with pytest.raises(ImageError, match=r"some\.npz\[0\]: not an image"):
        made[0]
    assert made[1].size == (40, 20)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"off": None}, "no array 'off'; it holds data, label"),
        ({"off": np.array([0, 50, 20, 10**6])}, "'off' must rise from 0"),
        ({"off": np.array([0.0, 1.0])}, "'off' is float64"),
        ({"data": np.zeros(3)}, "'data' is float64"),
        ({"label": np.zeros(2, int)}, r"'label' has shape \(2,\); 3 rows are needed"),
        ({"box": np.zeros((3, 5))}, r"'box' is \(3, 5\), not \(3, 4\)"),
        ({"box_rel": np.zeros((1, 4))}, "'box_rel' needs 'box_image', 'orig_size' too"),
        (
            {
                "box_rel": np.zeros((1, 4)),
                "box_image": np.array([3]),
                "orig_size": np.ones((3, 2), int),
            },
            r"'box_image' names images outside 0\.\.2",
        ),
        (
            {
                "box_rel": np.zeros((1, 3)),
                "box_image": np.array([0]),
                "orig_size": np.ones((3, 2), int),
            },
            "is misshapen",
        ),
        ({"name": np.array([{}, 1, 2], dtype=object)}, "cannot read the pack"),
    ],
)
def test_pack_that_contradicts_itself_is_refused(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        pack(tmp_path, **changes)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 broken"])
def test_file_that_is_no_pack_is_refused(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot read the pack"):
        ImagePack(path)
    with pytest.raises(DataError, match="cannot read the pack"):
        ImagePack(tmp_path / "absent.npz")


def test_array_file_that_is_not_an_archive_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="cannot read the pack"):
        ImagePack(path)


def test_shared_folder_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("FIGUREGROUND_SHARED", str(tmp_path))
    assert shared_folder() is None
    (tmp_path / "data").mkdir()
    assert shared_folder() == tmp_path / "data"


def test_shared_folder_is_beside_the_project_by_default(tmp_path, monkeypatch):
    monkeypatch.delenv("FIGUREGROUND_SHARED", raising=False)
    (tmp_path / "shared" / "data").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    found = shared_folder()
    assert found is not None
    assert found.samefile(tmp_path / "shared" / "data")


def test_mnist_without_a_place_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.setenv("FIGUREGROUND_SHARED", str(tmp_path))
    with pytest.raises(DataError, match="set FIGUREGROUND_SHARED"):
        load_mnist()


def test_mnist_of_other_shape_is_refused(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, images=np.zeros((2, 8, 8), np.uint8), labels=np.zeros(2), test=np.zeros(2))
    with pytest.raises(DataError, match=r"not uint8 \(n, 28, 28\)"):
        load_mnist(path)
    np.savez(path, images=np.zeros((2, 28, 28), np.uint8), labels=np.zeros(3), test=np.zeros(2))
    with pytest.raises(DataError, match="'labels' has shape"):
        load_mnist(path)


@needs_shared
def test_mnist_has_its_well_known_counts():
    mnist = load_mnist()
    assert int(mnist.is_test.sum()) == 10000
    first = np.bincount(mnist.labels[:50000])
    assert first.tolist() == [4932, 5678, 4968, 5101, 4859, 4506, 4951, 5175, 4842, 4988]


@needs_shared
def test_ilsvrc_pack_has_photos_and_boxes_inside_them():
    made = ImagePack(PACKS / "ilsvrc_val650.npz")
    assert len(made) == len(made.boxes or ()) == 650
    assert made.labels is not None
    assert made.labels.shape == (650,)
    assert made[7].size == (227, 227)
    assert made.names[0] == "ILSVRC2012_val_00000347.JPEG"
    boxes = np.concatenate(made.boxes or ())
    assert len(boxes) == 1018
    assert boxes.min() >= 0
    assert boxes.max() == pytest.approx(227, abs=1e-3)
    assert (boxes[:, 2:] > boxes[:, :2]).all()


@needs_shared
def test_tiny_imagenet_boxes_fit_their_pictures():
    made = ImagePack(PACKS / "tiny_imagenet_val5k.npz")
    boxes = np.concatenate(made.boxes or ())
    assert boxes.shape == (5000, 4)
    assert (boxes.min(), boxes.max()) == (0, 64)
    assert (made.classes or [""])[0] == "n01443537"


@pytest.mark.parametrize("shape", [(10**9,), (10**9, 10**9), "("])
def test_headers_that_claim_what_cannot_be_are_errors_of_ours(tmp_path: Path, shape: object):
    header = io.BytesIO()
    told = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, told)
    content = header.getvalue()
    if shape == "(":
        content = b"\x93NUMPY\x01\x00v\x00" + b"(" * 200
    with zipfile.ZipFile(tmp_path / "pack.npz", "w") as archive:
        for name in ("data", "off"):
            archive.writestr(f"{name}.npy", content)
    with pytest.raises(DataError, match="cannot read the pack"):
        ImagePack(tmp_path / "pack.npz")
