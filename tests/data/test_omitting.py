"""Training images without some classes, and the first ones as they are stored."""

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.data import LabeledImages, first_fraction, without_classes
from figureground.training.recipe import DataSpec
from figureground.training.recipe_data import training_data


@pytest.fixture
def zoo():
    labels = torch.tensor([0, 1, 2, 1, 3, -1])
    pixels = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 1, 2, 2)
    return LabeledImages(pixels, labels, ("cat", "Lynx", "7"))


def test_only_images_of_the_omitted_classes_go(zoo):
    by_name: tuple[tuple[str | int, ...], ...] = (("lynx", "7"), (1, 2), ("Lynx", 2))
    for omitted in by_name:
        found = without_classes(zoo, omitted)
        assert found.labels.tolist() == [0, 3, -1]
        assert found.pixels[:, 0, 0, 0].tolist() == [0, 4, 5]
        assert found.class_names == zoo.class_names


@pytest.mark.parametrize(
    ("omitted", "message"),
    [
        (["lyn"], "no class of the data 'lyn'; closest: 'Lynx'"),
        ([3], "no class of the data '3'"),
        ([-1], "no class of the data '-1'"),
        (["lynx", 1], "named twice: lynx, 1"),
        ([0, 1, 2], "all classes that have images are omitted"),
    ],
)
def test_classes_that_cannot_be_meant_are_refused(zoo, omitted, message):
    with pytest.raises(OptionError, match=message):
        without_classes(zoo, omitted)


def test_the_first_fraction_is_the_first_rows():
    assert first_fraction(1000, 0.05).tolist() == list(range(50))
    assert first_fraction(10, 0.001).tolist() == [0]
    for fraction in (0.0, 1.5):
        with pytest.raises(OptionError, match="fraction lies in"):
            first_fraction(10, fraction)


def test_a_recipe_omits_from_training_and_never_from_validation():
    spec = DataSpec(name="cluttered-digits", count=200)
    whole = training_data(spec, seed=0)
    less = training_data(spec.model_copy(update={"omit": (9, "7")}), seed=0)
    assert set(less.labels.tolist()) == set(range(10)) - {7, 9}
    assert less.class_names == whole.class_names
    assert set(less.val_labels.tolist()) == set(range(10))
    assert torch.equal(less.val_labels, whole.val_labels)
    assert less.description()["class_counts"][9] == 0
    few = training_data(spec.model_copy(update={"omit": (9,), "limit": 40}), seed=0)
    assert 9 not in few.labels.tolist()
    assert abs(len(few.labels) - 40) <= 5


def test_the_first_scheme_keeps_the_first_training_images():
    spec = DataSpec(name="cluttered-digits", count=200)
    whole = training_data(spec, seed=0)
    first = training_data(spec.model_copy(update={"limit": 30, "limit_scheme": "first"}), seed=0)
    assert torch.equal(first.images[:], whole.images[:30])
