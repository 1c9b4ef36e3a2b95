"""Photos decoded by threads: in order, not too far ahead, failures in their place."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from figureground.data import decode_image
from figureground.models import Classifier, Preprocessing
from figureground.studies import photos as module
from figureground.studies.photos import Failure, Photo, load_photos

Write = Callable[..., list[Path]]


def test_photos_come_in_order_as_the_network_wants_them(
    classifier: Classifier, write_photos: Write
):
    paths = write_photos(9)
    found = list(load_photos(paths, classifier.preprocessing, workers=3, ahead=4))
    assert [one.path for one in found] == paths
    for one in found:
        assert isinstance(one, Photo)
        expected, view = classifier.preprocessing.view(decode_image(one.path))
        assert torch.equal(one.pixels, expected)
        assert one.view == view


def test_a_failure_stands_where_its_photo_would(classifier: Classifier, write_photos: Write):
    paths = write_photos(3)
    paths[1].write_bytes(paths[1].read_bytes()[:60])
    first, second, third = load_photos(paths, classifier.preprocessing)
    assert isinstance(first, Photo)
    assert isinstance(third, Photo)
    assert isinstance(second, Failure)
    assert second.path == str(paths[1])
    assert "cut short or damaged" in second.reason


def test_no_more_photos_are_decoded_than_may_wait(
    classifier: Classifier, write_photos: Write, monkeypatch: pytest.MonkeyPatch
):
    asked, lock = [], threading.Lock()
    load = module._load

    def counted(path: Path, preprocessing: Preprocessing) -> Photo | Failure:
        with lock:
            asked.append(path)
        return load(path, preprocessing)

    monkeypatch.setattr(module, "_load", counted)
    source = load_photos(write_photos(12), classifier.preprocessing, workers=1, ahead=3)
    for taken in range(1, 6):
        next(source)
        assert len(asked) <= taken + 2
    source.close()
    assert len(asked) <= 7


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2)])
@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_the_strangest_sizes_can_be_used(
    size: tuple[int, int], resize: str, classifier: Classifier, tmp_path: Path
):
    path = tmp_path / "strange.png"
    Image.new("RGB", size, "red").save(path)
    (photo,) = load_photos([path], classifier.preprocessing.changed({"resize": resize}))
    assert isinstance(photo, Photo)
    assert photo.pixels.shape == (3, 24, 32)
