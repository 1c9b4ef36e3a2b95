"""Files are written by threads: lines come in order, and what waits is bounded."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies import Drawing
from figureground.studies.batches import BatchExplainer
from figureground.studies.photos import Photo, load_photos
from figureground.studies.writer import Writer

Write = Callable[..., list[Path]]


@pytest.fixture
def batch(classifier: Classifier, write_photos: Write) -> tuple[Any, Any]:
    loaded = load_photos(write_photos(6), classifier.preprocessing)
    photos = [one for one in loaded if isinstance(one, Photo)]
    return next(BatchExplainer(Explainer(classifier), "cam", None, most=6)(photos))


def test_lines_come_in_the_order_of_the_photos(
    classifier: Classifier, batch: tuple[Any, Any], out: Path, monkeypatch: pytest.MonkeyPatch
):
    others_done, write, done = threading.Event(), Writer._write, []

    def first_is_slow(writer: Writer, photo: Photo, *others: Any, **named: Any) -> Any:
        if photo is batch[0][0]:
            assert others_done.wait(30)
        found = write(writer, photo, *others, **named)
        done.append(photo)
        if len(done) == 5:
            others_done.set()
        return found

    monkeypatch.setattr(Writer, "_write", first_is_slow)
    with Writer(out, classifier, Drawing(), workers=2, truths={}) as writer:
        assert list(writer.submit(*batch)) == []
        found = list(writer.rest())
    assert [path for path, _ in found] == [photo.path for photo in batch[0]]
    assert done[-1] is batch[0][0]


def test_no_more_waits_than_the_memory_is_given(
    classifier: Classifier, batch: tuple[Any, Any], out: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("figureground.studies.writer._MOST_WAITING", 0)
    with Writer(out, classifier, Drawing(), workers=1, truths={}) as writer:
        assert len(list(writer.submit(*batch))) == 6
        assert list(writer.rest()) == []


def test_nothing_new_is_written_after_an_error(
    classifier: Classifier, batch: tuple[Any, Any], out: Path, monkeypatch: pytest.MonkeyPatch
):
    begun, go_on, write = threading.Event(), threading.Event(), Writer._write

    def waiting(writer: Writer, *others: Any, **named: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        return write(writer, *others, **named)

    monkeypatch.setattr(Writer, "_write", waiting)
    writer = Writer(out, classifier, Drawing(), workers=1, truths={})
    list(writer.submit(*batch))
    assert begun.wait(30)
    threading.Timer(0.05, go_on.set).start()
    with pytest.raises(ZeroDivisionError), writer:
        raise ZeroDivisionError
    assert len(list((out / "images").glob("*.npz"))) == 1
