"""Files are written by threads: lines come in order, and what waits is bounded."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from figureground.base.identity import path_identity
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.explain.writer import Writer
from figureground.studies.failures import Failure
from figureground.studies.loading import LoadedImage, load_images

Write = Callable[..., list[Path]]


@pytest.fixture
def batch(classifier: Classifier, write_images: Write) -> tuple[Any, Any]:
    loaded = load_images(write_images(6), classifier.preprocessing)
    images = [one for one in loaded if isinstance(one, LoadedImage)]
    pixels = torch.stack([one.pixels for one in images]).float() / 255
    return images, Explainer(classifier)(pixels, None, "cam")


def test_lines_come_in_the_order_of_the_images(
    classifier: Classifier, batch: tuple[Any, Any], out: Path, monkeypatch: pytest.MonkeyPatch
):
    others_done, write, done = threading.Event(), Writer._write, []

    def first_is_slow(writer: Writer, image: LoadedImage, *others: Any, **named: Any) -> Any:
        if image is batch[0][0]:
            assert others_done.wait(30)
        found = write(writer, image, *others, **named)
        done.append(image)
        if len(done) == 5:
            others_done.set()
        return found

    monkeypatch.setattr(Writer, "_write", first_is_slow)
    with Writer(out, classifier, ExplainOptions(workers=2), truths={}) as writer:
        assert list(writer.submit(*batch)) == []
        found = list(writer.rest())
    units = [one[0] for one in found if not isinstance(one, Failure)]
    assert units == [path_identity(image.path) for image in batch[0]]
    for one in found:
        assert not isinstance(one, Failure)
        _, entry, files = one
        assert files == [entry["npz"], *(panel["png"] for panel in entry["panels"])]
        assert all((out / name).is_file() for name in files)
    assert done[-1] is batch[0][0]


def test_a_photo_that_is_gone_before_it_is_painted_on_fails_alone(
    classifier: Classifier, batch: tuple[Any, Any], out: Path
):
    batch[0][2].path.unlink()
    with Writer(out, classifier, ExplainOptions(workers=2), truths={}) as writer:
        found = [*writer.submit(*batch), *writer.rest()]
    failed = [one for one in found if isinstance(one, Failure)]
    assert [one.path for one in failed] == [str(batch[0][2].path)]
    assert len(found) == 6


def test_no_more_waits_than_the_memory_is_given(
    classifier: Classifier, batch: tuple[Any, Any], out: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("figureground.studies.explain.writer._MOST_WAITING", 0)
    with Writer(out, classifier, ExplainOptions(workers=1), truths={}) as writer:
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
    writer = Writer(out, classifier, ExplainOptions(workers=1), truths={})
    list(writer.submit(*batch))
    assert begun.wait(30)
    threading.Timer(0.05, go_on.set).start()
    with pytest.raises(ZeroDivisionError), writer:
        raise ZeroDivisionError
    assert len(list((out / "images").glob("*.npz"))) == 1


def test_images_boxed_in_parts_have_the_pictures_of_a_whole_batch(
    classifier: Classifier, batch: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pictures = []
    for at_once in (6, 2):
        monkeypatch.setattr("figureground.studies.explain.writer._BOXED_AT_ONCE", at_once)
        folder = tmp_path / str(at_once)
        with Writer(folder, classifier, ExplainOptions(workers=1), truths={}) as writer:
            found = [*writer.submit(*batch), *writer.rest()]
        files = [name for one in found if not isinstance(one, Failure) for name in one[2]]
        pictures.append([(folder / name).read_bytes() for name in files])
    assert pictures[0] == pictures[1]
    assert len({picture for picture in pictures[0] if picture.startswith(b"\x89PNG")}) == 6
