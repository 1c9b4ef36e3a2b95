"""Images are found by name, in the first folder that has them."""

import pytest

from figureground.base.errors import DataError
from figureground.data.annotations.image_finder import ImageFinder


def test_first_folder_that_has_the_picture_wins(photos, tmp_path):
    (tmp_path / "dog.jpg").touch()
    finder = ImageFinder([tmp_path, photos])
    assert finder.find("dog.jpg") == tmp_path / "dog.jpg"
    assert finder.find("cat.png") == photos / "cat.png"


def test_extension_may_be_missing_and_names_may_hold_dots(photos):
    (photos / "a.b.v1.png").touch()
    (photos / "dog.txt").touch()
    finder = ImageFinder([photos])
    assert finder.find("a.b.v1") == photos / "a.b.v1.png"
    assert finder.find("dog") == photos / "dog.jpg"
    assert finder.find("n1/2") == photos / "n1" / "2.JPEG"


def test_absolute_path_is_taken_as_it_is(photos, tmp_path):
    assert ImageFinder([tmp_path / "x"]).find(str(photos / "dog.jpg")) == photos / "dog.jpg"


def test_picture_that_is_nowhere_is_expected_in_the_first_folder(photos, tmp_path):
    assert ImageFinder([tmp_path, photos]).find("no.jpg") == tmp_path / "no.jpg"


@pytest.mark.parametrize("place", ["ann/boxes.json", "boxes.json", "images/boxes.json"])
def test_usual_places_beside_the_annotations_are_searched(photos, tmp_path, place):
    (tmp_path / "ann").mkdir()
    finder = ImageFinder.beside(tmp_path / place, None)
    assert (photos / "dog.jpg").samefile(str(finder.find("dog.jpg")))


def test_no_folder_to_look_in_is_refused():
    with pytest.raises(DataError, match="name it with 'images'"):
        ImageFinder([])
