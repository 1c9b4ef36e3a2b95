"""Files are made by threads: images come in order, and what waits is bounded."""

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
from figureground.studies.explain.painter import Painter
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
    classifier: Classifier, batch: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
):
    others_done, paint, done = threading.Event(), Painter._paint, []

    def first_is_slow(painter: Painter, image: LoadedImage, *others: Any, **named: Any) -> Any:
        if image is batch[0][0]:
            assert others_done.wait(120)
        found = paint(painter, image, *others, **named)
        done.append(image)
        if len(done) == 5:
            others_done.set()
        return found

    monkeypatch.setattr(Painter, "_paint", first_is_slow)
    with Painter(classifier, ExplainOptions(workers=2), truths={}) as painter:
        painter.submit(*batch)
        assert list(painter.complete()) == []
        found = list(painter.rest())
    units = [one[0] for one in found if not isinstance(one, Failure)]
    assert units == [path_identity(image.path) for image in batch[0]]
    for one in found:
        assert not isinstance(one, Failure)
        _, entry, files = one
        assert list(files) == [entry["npz"], *(panel["png"] for panel in entry["panels"])]
        assert [content[:2] for content in files.values()] == [
            b"PK",
            *[b"\x89P"] * (len(files) - 1),
        ]
    assert done[-1] is batch[0][0]


def test_files_of_very_many_images_lie_in_folders_inside(
    classifier: Classifier, batch: tuple[Any, Any]
):
    with Painter(classifier, ExplainOptions(), truths={}, expected=10_001) as painter:
        painter.submit(*batch)
        found = list(painter.rest())
    for one in found:
        assert not isinstance(one, Failure)
        unit, entry, files = one
        assert {str(Path(name).parent) for name in files} == {f"images/{unit[:2]}"}
        assert entry["npz"] in files


def test_a_photo_that_is_gone_before_it_is_painted_on_fails_alone(
    classifier: Classifier, batch: tuple[Any, Any]
):
    batch[0][2].path.unlink()
    with Painter(classifier, ExplainOptions(workers=2), truths={}) as painter:
        painter.submit(*batch)
        found = list(painter.rest())
    failed = [one for one in found if isinstance(one, Failure)]
    assert [one.path for one in failed] == [str(batch[0][2].path)]
    assert len(found) == 6


def test_no_more_waits_than_the_memory_is_given(
    classifier: Classifier, batch: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("figureground.studies.explain.painter._MOST_WAITING", 0)
    with Painter(classifier, ExplainOptions(workers=1), truths={}) as painter:
        painter.submit(*batch)
        assert len(list(painter.complete())) == 6
        assert list(painter.rest()) == []


def test_nothing_new_is_painted_after_an_error(
    classifier: Classifier, batch: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
):
    painted: list[Any] = []
    begun, go_on, paint = threading.Event(), threading.Event(), Painter._paint

    def waiting(painter: Painter, *others: Any, **named: Any) -> Any:
        begun.set()
        assert go_on.wait(120)
        painted.append(paint(painter, *others, **named))
        return painted[-1]

    monkeypatch.setattr(Painter, "_paint", waiting)
    painter = Painter(classifier, ExplainOptions(workers=1), truths={})
    painter.submit(*batch)
    assert begun.wait(120)
    threading.Timer(0.05, go_on.set).start()
    with pytest.raises(ZeroDivisionError), painter:
        raise ZeroDivisionError
    assert len(painted) == 1


def test_images_boxed_in_parts_have_the_pictures_of_a_whole_batch(
    classifier: Classifier, batch: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
):
    pictures = []
    for at_once in (6, 2):
        monkeypatch.setattr("figureground.studies.explain.painter._BOXED_AT_ONCE", at_once)
        with Painter(classifier, ExplainOptions(workers=1), truths={}) as painter:
            painter.submit(*batch)
            found = list(painter.rest())
        pictures.append(
            [file for one in found if not isinstance(one, Failure) for file in one[2].values()]
        )
    assert pictures[0] == pictures[1]
    assert len({picture for picture in pictures[0] if picture.startswith(b"\x89PNG")}) == 6
