"""Classes by number and by name, in lists and on networks with one logit."""

from collections.abc import Callable

import pytest
from torch import nn

from figureground.base.errors import OptionError
from figureground.models import Classifier, Preprocessing
from figureground.models.classes import class_words, find_classes

Make = Callable[..., Classifier]
NAMES = ("tabby, tabby cat", "tiger cat", "lynx, catamount", "<b>fox</b>")


@pytest.fixture
def make_classifier() -> Make:
    def make(outputs: int = 4, names: tuple[str, ...] | None = NAMES) -> Classifier:
        plain = Preprocessing((6, 8), "stretch", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3, 3)
        network = nn.Sequential(nn.Flatten(), nn.Linear(144, outputs))
        return Classifier(network, plain, name="toy", class_names=names, num_classes=outputs)

    return make


@pytest.fixture
def classifier(make_classifier: Make) -> Classifier:
    return make_classifier()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tabby, tabby cat", ["tabby, tabby cat"]),
        ("Tabby,tabby CAT,lynx", ["Tabby, tabby CAT", "lynx"]),
        ("lynx, catamount, tiger cat, 3", ["lynx, catamount", "tiger cat", "3"]),
        ("tabby, lynx", ["tabby", "lynx"]),
        (" 3 ,, 1,", ["3", "1"]),
        ("", []),
    ],
)
def test_words_that_make_up_one_name_stay_together(text: str, words: list[str]):
    assert class_words(text, ("tabby, tabby cat", "tiger cat", "lynx, catamount")) == words


def test_the_longest_name_wins():
    assert class_words("a, b, c", ("a, b", "a, b, c")) == ["a, b, c"]
    assert class_words("a, b, d", ("a, b", "a, b, c")) == ["a, b", "d"]


def test_names_and_numbers_become_numbers_each_once(classifier: Classifier):
    assert find_classes(classifier, ["tiger cat", 1, "catamount", "0"]) == [1, 2, 0]
    assert find_classes(classifier, "tabby") == [0]
    assert find_classes(classifier, 3) == [3]


def test_what_depends_on_the_image_stays_as_it_is(classifier: Classifier):
    assert find_classes(classifier, None) is None
    assert find_classes(classifier, "top4") == "top4"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("dog", "no class 'dog' in toy"),
        ([0, 4], "no class 4 in toy: indices are 0 to 3"),
        (["cat"], "'cat' fits 3 classes"),
        ("top5", "top5 asked for; toy has 4 classes"),
        ("top0", "top0 asked for"),
        ([], "no class asked for"),
    ],
)
def test_a_class_that_does_not_exist_is_refused(
    asked: str | list[int | str], message: str, classifier: Classifier
):
    with pytest.raises(OptionError, match=message):
        find_classes(classifier, asked)


def test_one_logit_stands_for_two_classes(make_classifier: Make):
    cat = make_classifier(outputs=1, names=("cat",))
    assert find_classes(cat, ["not CAT", "cat", 0]) == [0, 1]
    assert [cat.class_name(index) for index in (0, 1)] == ["not cat", "cat"]
    assert find_classes(cat, "top2") == "top2"
    nameless = make_classifier(outputs=1, names=None)
    assert [nameless.class_name(index) for index in (0, 1)] == ["class 0", "class 1"]
    with pytest.raises(OptionError, match="no class 2 in toy: indices are 0 to 1"):
        find_classes(cat, 2)


def test_a_class_is_called_by_its_name_else_its_number(make_classifier: Make):
    assert make_classifier().class_name(1) == "tiger cat"
    assert make_classifier(names=None).class_name(1) == "class 1"
