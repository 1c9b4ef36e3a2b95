"""Labels of a data set as class indices of a model."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from figureground.models import Classifier
from figureground.studies.evaluation.image_set import LabelReader
from figureground.studies.evaluation.items import Item, Source

NO_BOX = np.zeros((0, 4), np.float32)


def source(*labels: int | str | None, class_names: tuple[str, ...] = ()) -> Source:
    items = [Item("a", label, NO_BOX, lambda: Image.new("RGB", (1, 1)), "") for label in labels]
    return Source(items, "made", class_names=class_names)


@pytest.fixture
def with_background(make_classifier: Callable[..., Classifier]) -> Classifier:
    return make_classifier(names=("background", "cat", "dog", "fox"))


def test_labels_move_by_one_for_a_model_whose_first_class_is_background(
    with_background: Classifier,
):
    reader = LabelReader.of(with_background, source(0, 2), offset=None)
    assert [reader.index(label) for label in (0, 1, 2)] == [1, 2, 3]
    assert "1 is added to every label" in reader.note


def test_labels_that_need_the_last_class_stay(with_background: Classifier):
    reader = LabelReader.of(with_background, source(0, 3), offset=None)
    assert (reader.index(3), reader.note) == (3, "")


def test_a_given_offset_wins(with_background: Classifier):
    reader = LabelReader.of(with_background, source(0, 2), offset=0)
    assert (reader.index(2), reader.note) == (2, "")


def test_names_find_their_class_by_synonym_and_do_not_move(classifier: Classifier):
    reader = LabelReader.of(classifier, source("Tabby cat"), offset=1)
    assert reader.index("Tabby cat") == 0


def test_a_label_beyond_the_classes_says_so(classifier: Classifier):
    reader = LabelReader.of(classifier, source(4), offset=None)
    with pytest.raises(LookupError, match=r"the label is 4, not in 0..3: the model has 4 classes"):
        reader.index(4)
    with pytest.raises(LookupError, match="the label is 3 plus the offset 1"):
        LabelReader(classifier, 1).index(3)


def test_an_unknown_name_says_what_is_closest(classifier: Classifier):
    with pytest.raises(LookupError, match="closest: 2 'lynx"):
        LabelReader(classifier).index("linx")


def test_no_label_and_names_without_a_model_are_unknown(classifier: Classifier):
    assert LabelReader(classifier).index(None) == -1
    assert LabelReader(None).index("tabby") == -1
    assert LabelReader(None).index(12) == 12


def test_classes_of_a_data_set_are_found_by_name_wherever_the_model_has_them(
    make_classifier: Callable[..., Classifier],
):
    names = ("Cat", "emu", "dog", "fox")
    model = make_classifier(names=names)
    reader = LabelReader.of(model, source("dog", class_names=("cat", "dog")), offset=None)
    assert [reader.index(name) for name in ("cat", "dog")] == [0, 2]
    assert reader.note == ""


def test_classes_of_a_data_set_that_the_model_does_not_name_are_taken_in_order_and_said_so(
    make_classifier: Callable[..., Classifier],
):
    model = make_classifier(names=("zero", "one", "two", "three"))
    reader = LabelReader.of(model, source("b", class_names=("a", "b")), offset=None)
    assert reader.index("b") == 1
    assert "the model's class 'zero' is taken to be the data's 'a'" in reader.note


def test_background_of_a_data_set_is_the_output_after_its_classes(
    make_classifier: Callable[..., Classifier],
):
    model = make_classifier(outputs=3, names=("a", "b", "background"))
    reader = LabelReader.of(model, source("b", class_names=("a", "b")), offset=None)
    assert reader.index("background") == 2
