from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from figureground.models import Classifier
from figureground.studies.evaluation.items import Item
from figureground.studies.evaluation.labels import LabelReader

NO_BOX = np.zeros((0, 4), np.float32)


def items(*labels: int | str | None) -> list[Item]:
    return [Item("a", label, NO_BOX, lambda: Image.new("RGB", (1, 1))) for label in labels]


@pytest.fixture
def with_background(make_classifier: Callable[..., Classifier]) -> Classifier:
    return make_classifier(names=("background", "cat", "dog", "fox"))


def test_labels_move_by_one_for_a_model_whose_first_class_is_background(
    with_background: Classifier,
):
    reader = LabelReader.of(with_background, items(0, 2), None)
    assert [reader.index(label) for label in (0, 1, 2)] == [1, 2, 3]
    assert "1 is added to every label" in reader.note


def test_labels_that_need_the_last_class_stay(with_background: Classifier):
    reader = LabelReader.of(with_background, items(0, 3), None)
    assert (reader.index(3), reader.note) == (3, "")


def test_a_given_offset_wins(with_background: Classifier):
    reader = LabelReader.of(with_background, items(0, 2), 0)
    assert (reader.index(2), reader.note) == (2, "")


def test_names_find_their_class_by_synonym_and_do_not_move(classifier: Classifier):
    reader = LabelReader.of(classifier, items("Tabby cat"), 1)
    assert reader.index("Tabby cat") == 0


def test_a_label_beyond_the_classes_says_so(classifier: Classifier):
    reader = LabelReader.of(classifier, items(4), None)
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
