"""torchvision's sets in our form; a stub stands for each where its files would have to be real."""

from inspect import unwrap

import numpy as np
import pytest
import torch
import torchvision.datasets
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data import LoadOptions, load_dataset
from figureground.data.loaders.torchvision_sets import caltech, cifar, flowers102, stl10


class Cifar:
    """100 or 20 images whose first pixel tells their number."""

    def __init__(self, root, train, download):
        assert isinstance(train, bool)
        count = 100 if train else 20
        self.data = np.zeros((count, 32, 32, 3), np.uint8)
        self.data[:, 1, 2, 0] = np.arange(count)
        self.targets = [row % 10 for row in range(count)]
        self.classes = [f"class {label}" for label in range(10)]


def test_cifar_keeps_rows_columns_and_colours_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Cifar)
    data = cifar(tmp_path, train=False)
    assert data.pixels.shape == (20, 3, 32, 32)
    assert data.pixels[7, 0, 1, 2] == 7
    assert data.pixels.sum() == sum(range(20))
    assert data.labels.tolist() == [row % 10 for row in range(20)]


def test_validation_comes_from_the_training_part_only(monkeypatch, tmp_path):
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Cifar)
    options = LoadOptions(val_fraction=0.2, seed=5)
    train, val, test = (
        load_dataset("CIFAR10", tmp_path, part=part, options=options) for part in ("train", "val", "test")
    )  # fmt: skip
    numbers = [data.pixels[:, 0, 1, 2].tolist() for data in (train, val)]
    assert sorted(numbers[0] + numbers[1]) == list(range(100))
    assert val.class_counts() == [2] * 10
    assert len(test) == 20


@pytest.mark.parametrize("word", ["False", "True", 0, 1, None])
@pytest.mark.parametrize("load", [cifar, stl10])
def test_a_word_or_number_for_train_is_refused(load, word, tmp_path):
    # unwrapped, because the checks that run with the tests would refuse it before we do
    with pytest.raises(OptionError, match="train is True or False, not"):
        unwrap(load)(tmp_path, train=word)


def test_a_set_that_is_not_there_names_the_way_to_get_it(tmp_path):
    for name in ("cifar10", "cifar100", "stl10", "flowers102", "caltech101", "caltech256"):
        with pytest.raises(DataError, match="with the option download"):
            load_dataset(name, tmp_path, part="train")
        with pytest.raises(DataError, match="say where the set"):
            load_dataset(name, part="train")


def test_stl10_and_flowers_come_with_their_labels(monkeypatch, tmp_path):
    class Stl:
        def __init__(self, root, split, download):
            self.data = np.full((2, 3, 96, 96), 3 if split == "train" else 4, np.uint8)
            self.labels, self.classes = np.array([1, 0], np.uint8), ["a", "b"]

    class Flowers:
        def __init__(self, root, split, download):
            self._labels = [{"train": 0, "val": 1, "test": 2}[split]]
            self._image_files = [tmp_path / "image.jpg"]

    monkeypatch.setattr(torchvision.datasets, "STL10", Stl)
    monkeypatch.setattr(torchvision.datasets, "Flowers102", Flowers)
    data = stl10(tmp_path, train=False)
    assert data.labels.dtype == torch.int64
    assert data.labels.tolist() == [1, 0]
    assert (data.pixels == 4).all()
    Image.new("RGB", (5, 4), (200, 0, 0)).save(tmp_path / "image.jpg")
    assert [flowers102(tmp_path, part).labels.tolist() for part in ("train", "val", "test")] == [
        [0],
        [1],
        [2],
    ]
    assert flowers102(tmp_path, "val")[0][0].shape == (3, 4, 5)


def test_caltech_clutter_is_background_or_left_out(tmp_path):
    categories = tmp_path / "caltech256" / "256_ObjectCategories"
    for name in ("001.ak47", "002.flag", "257.clutter"):
        (categories / name).mkdir(parents=True)
        Image.new("RGB", (6, 4)).save(categories / name / "1.jpg")
    plain = caltech("caltech256", tmp_path)
    assert plain.class_names == ("001.ak47", "002.flag")
    assert plain.labels.tolist() == [0, 1]
    assert caltech("caltech256", tmp_path, background=True).labels.tolist() == [0, 1, 2]
    # not the last name here: the string order would give it number 0
    categories = tmp_path / "caltech101" / "101_ObjectCategories"
    for name in ("BACKGROUND_Google", "ant", "bonsai"):
        (categories / name).mkdir(parents=True)
        Image.new("RGB", (6, 4)).save(categories / name / "1.jpg")
    data = caltech("caltech101", tmp_path, background=True)
    assert data.class_names == ("ant", "bonsai")
    assert data.labels.tolist() == [0, 1, 2]
