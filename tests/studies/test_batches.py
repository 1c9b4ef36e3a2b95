"""Batches: as large as the memory allows, on the device asked for, and everything put back."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from figureground.base.errors import ModelError, OptionError
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies.batches import BatchExplainer, batched, default_batch_size, placed
from figureground.studies.photos import Failure, Photo, load_photos

Write = Callable[..., list[Path]]


def photos_of(classifier: Classifier, paths: list[Path]) -> list[Photo]:
    return [one for one in load_photos(paths, classifier.preprocessing) if isinstance(one, Photo)]


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """No more than ``room`` photos fit at a time; ``tried`` lists the sizes."""
    memory = SimpleNamespace(room=2, tried=[])
    call = Explainer.__call__

    def limited(explainer: Explainer, images: torch.Tensor, *others: Any) -> Any:
        memory.tried.append(len(images))
        if len(images) > memory.room:
            raise torch.OutOfMemoryError("full")
        return call(explainer, images, *others)

    monkeypatch.setattr(Explainer, "__call__", limited)
    return memory


def test_batch_is_halved_until_it_fits_and_stays_so(
    classifier: Classifier, write_photos: Write, small_memory: SimpleNamespace
):
    photos = photos_of(classifier, write_photos(7))
    explain = BatchExplainer(Explainer(classifier), "grad-cam", None, most=7)
    parts = list(explain(photos))
    assert [len(part) for part, _ in parts] == [1] * 7
    assert small_memory.tried == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert [photo for part, _ in parts for photo in part] == photos
    small_memory.tried.clear()
    list(explain(photos[:3]))
    assert small_memory.tried == [1, 1, 1]


def test_maps_do_not_depend_on_the_size_of_the_batch(
    classifier: Classifier, write_photos: Write, small_memory: SimpleNamespace
):
    photos = photos_of(classifier, write_photos(4))
    explainer = Explainer(classifier)
    halves = list(BatchExplainer(explainer, "grad-cam", [1], most=4)(photos))
    small_memory.room = 4
    (_, whole), *none = BatchExplainer(explainer, "grad-cam", [1], most=4)(photos)
    assert not none
    parts = torch.cat([explanation.map_of("grad-cam") for _, explanation in halves])
    torch.testing.assert_close(parts, whole.map_of("grad-cam"))


def test_memory_that_does_not_hold_one_photo_is_said(
    classifier: Classifier, write_photos: Write, small_memory: SimpleNamespace
):
    small_memory.room = 0
    explain = BatchExplainer(Explainer(classifier), "grad-cam", None, most=2)
    with pytest.raises(ModelError, match="does not suffice for one photo; try"):
        list(explain(photos_of(classifier, write_photos(2))))


def test_batches_keep_the_order_and_bring_failures_along(
    classifier: Classifier, write_photos: Write
):
    photos: list[Any] = photos_of(classifier, write_photos(5))
    bad = Failure("x", "why")
    found = list(batched([photos[0], bad, *photos[1:]], 2))
    assert found == [(photos[:2], [bad]), (photos[2:4], []), (photos[4:], [])]
    assert list(batched([bad] * 3, 2)) == [([], [bad, bad]), ([], [bad])]
    assert list(batched([], 2)) == []


def test_classifier_comes_back_with_the_memory_format_that_it_had(classifier: Classifier):
    kernel = next(classifier.parameters())
    for form in (torch.contiguous_format, torch.channels_last):
        classifier.to(memory_format=form)
        with placed(classifier, torch.device("cpu")):
            assert kernel.is_contiguous(memory_format=torch.channels_last)
        assert kernel.is_contiguous(memory_format=form)


def test_classifier_comes_back_after_an_error(classifier: Classifier):
    with pytest.raises(ZeroDivisionError), placed(classifier, torch.device("cpu")):
        raise ZeroDivisionError
    assert next(classifier.parameters()).is_contiguous()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused_in_one_line(classifier: Classifier):
    with (
        pytest.raises(OptionError, match="cannot use device 'cuda'") as caught,
        placed(classifier, torch.device("cuda")),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
def test_classifier_comes_back_from_the_gpu(classifier: Classifier):
    with placed(classifier, torch.device("cuda")):
        assert classifier.mean.is_cuda
    assert {value.device.type for value in classifier.state_dict().values()} == {"cpu"}


def test_batches_are_larger_away_from_the_processor():
    sizes = [default_batch_size(torch.device(name)) for name in ("cpu", "cuda")]
    assert sizes[0] < sizes[1]
