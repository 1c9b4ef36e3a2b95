"""Packs as labelled images, on made and on real files."""

import io
from inspect import unwrap

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data import load_dataset, shared_folder
from figureground.data.loaders.packed_sets import mnist, pack

needs_shared = pytest.mark.skipif(shared_folder() is None, reason="no shared folder with real data")


def make(tmp_path, **arrays):
    files = []
    for level in range(6):
        content = io.BytesIO()
        Image.new("RGB", (4, 3), (40 * level, 0, 0)).save(content, "PNG")
        files.append(content.getvalue())
    path = tmp_path / "some.npz"
    off = np.cumsum([0, *map(len, files)])
    np.savez(path, data=np.frombuffer(b"".join(files), np.uint8), off=off, **arrays)
    return path


LABELS = {"label": np.array([0, 1, 0, 1, 0, 1])}
PARTS = {"test": np.array([0, 0, 0, 0, 1, 1], bool)}


def test_parts_are_those_of_the_pack(tmp_path):
    path = make(tmp_path, **LABELS, **PARTS, classes=np.array(["a", "b"]))
    train, test = pack(path, train=True), pack(path, train=False)
    assert [int(train[row][0][0, 0, 0]) for row in range(4)] == [0, 40, 80, 120]
    assert [int(test[row][0][0, 0, 0]) for row in range(2)] == [160, 200]
    assert test.class_names == ("a", "b")


def test_what_the_pack_does_not_hold_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no labels"):
        pack(make(tmp_path))
    with pytest.raises(DataError, match="is not divided"):
        pack(make(tmp_path, **LABELS), train=True)
    with pytest.raises(DataError, match="say which"):
        pack(make(tmp_path, **LABELS, **PARTS))
    with pytest.raises(OptionError, match="train is True or False, not str 'False'"):
        unwrap(pack)(make(tmp_path, **LABELS, **PARTS), train="False")


def test_undivided_pack_has_boxes(tmp_path):
    boxes = np.tile(np.array([0, 1, 2, 2], np.int16), (6, 1))
    data = pack(make(tmp_path, **LABELS, box=boxes))
    assert data.boxes is not None
    assert data.boxes[5].tolist() == [[0, 1, 3, 3]]
    assert data.class_names == ("0", "1")


def test_mnist_is_divided_by_its_flags(tmp_path):
    images = np.arange(5, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
    test = np.array([1, 0, 0, 0, 1], bool)
    np.savez(tmp_path / "mnist.npz", images=images, labels=np.arange(5), test=test)
    assert mnist(tmp_path / "mnist.npz", train=True).pixels[:, 0, 3, 3].tolist() == [1, 2, 3]
    assert load_dataset("mnist", tmp_path, part="test").labels.tolist() == [0, 4]
    with pytest.raises(OptionError, match="train is True or False, not int 1"):
        unwrap(mnist)(tmp_path / "mnist.npz", train=1)


@needs_shared
def test_real_packs_have_the_published_sizes():
    counts = [len(load_dataset("cifar10-jpeg", part=part)) for part in ("train", "val", "test")]
    assert counts == [45_000, 5_000, 10_000]
    textures = load_dataset("dtd10", part="test")
    assert textures.class_counts() == [24] * 10
    image, label = textures[0]
    assert min(image.shape[1:]) == 160
    assert label == 0
