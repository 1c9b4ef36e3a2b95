"""Images decoded by threads: in order, not too far ahead, failures in their place."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from figureground.data import decode_image
from figureground.models import Classifier, Preprocessing
from figureground.studies import loading as module
from figureground.studies.failures import Failure
from figureground.studies.loading import LoadedImage, load_images

Write = Callable[..., list[Path]]


def test_images_come_in_order_as_the_network_wants_them(
    classifier: Classifier, write_images: Write
):
    paths = write_images(9)
    found = list(load_images(paths, classifier.preprocessing, workers=3, waiting=4))
    assert [one.path for one in found] == paths
    for one in found:
        assert isinstance(one, LoadedImage)
        expected, view = classifier.preprocessing.view(decode_image(one.path))
        assert torch.equal(one.pixels, expected)
        assert one.view == view


def test_a_failure_stands_where_its_image_would(classifier: Classifier, write_images: Write):
    paths = write_images(3)
    paths[1].write_bytes(paths[1].read_bytes()[:60])
    first, second, third = load_images(paths, classifier.preprocessing)
    assert isinstance(first, LoadedImage)
    assert isinstance(third, LoadedImage)
    assert isinstance(second, Failure)
    assert second.path == str(paths[1])
    assert "cut short or damaged" in second.reason
    (gone,) = load_images([paths[0].with_name("gone.jpg")], classifier.preprocessing)
    assert isinstance(gone, Failure)
    assert gone.reason == "no such file"


def test_no_more_images_are_decoded_than_may_wait(
    classifier: Classifier, write_images: Write, monkeypatch: pytest.MonkeyPatch
):
    asked, lock = [], threading.Lock()
    load = module._load

    def counted(preprocessing: Preprocessing, path: Path) -> LoadedImage | Failure:
        with lock:
            asked.append(path)
        return load(preprocessing, path)

    monkeypatch.setattr(module, "_load", counted)
    source = load_images(write_images(12), classifier.preprocessing, workers=1, waiting=3)
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
    (image,) = load_images([path], classifier.preprocessing.changed({"resize": resize}))
    assert isinstance(image, LoadedImage)
    assert image.pixels.shape == (3, 24, 32)
