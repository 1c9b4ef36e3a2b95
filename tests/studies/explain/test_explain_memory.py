"""Batches are as large as the memory allows."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from figureground.base.errors import ModelError
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions

Write = Callable[..., list[Path]]


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """No more than ``room`` images fit at a time; ``tried`` lists the sizes."""
    memory = SimpleNamespace(room=2, tried=[])
    call = Explainer.__call__

    def limited(explainer: Explainer, images: torch.Tensor, *others: Any) -> Any:
        memory.tried.append(len(images))
        if len(images) > memory.room:
            raise torch.OutOfMemoryError("full")
        return call(explainer, images, *others)

    monkeypatch.setattr(Explainer, "__call__", limited)
    return memory


def maps_of(folder: Path) -> list[np.ndarray]:
    found = []
    for path in sorted((folder / "images").glob("*.npz")):
        with np.load(path) as arrays:
            found.append(arrays["grad-cam/3"])
    return found


def test_batch_is_halved_until_it_fits_and_stays_so(
    classifier: Classifier, write_images: Write, small_memory: SimpleNamespace, out: Path
):
    options = ExplainOptions(batch_size=7, workers=1)
    record = explain_images(classifier, write_images(10), out=out, options=options)
    assert record.images == 10
    assert small_memory.tried == [7, 3, *[1] * 10]


def test_maps_do_not_depend_on_the_size_of_the_batch(
    classifier: Classifier, write_images: Write, small_memory: SimpleNamespace, tmp_path: Path
):
    paths, options = write_images(4), ExplainOptions(classes=[1], batch_size=4, workers=1)
    explain_images(classifier, paths, out=tmp_path / "halves", options=options)
    assert small_memory.tried == [4, 2, 2]
    small_memory.room = 4
    explain_images(classifier, paths, out=tmp_path / "whole", options=options)
    assert small_memory.tried[3:] == [4]
    halves, whole = (maps_of(tmp_path / name) for name in ("halves", "whole"))
    assert len(halves) == 4
    np.testing.assert_allclose(halves, whole, rtol=1e-4, atol=1e-6)


def test_memory_that_does_not_hold_one_image_is_said(
    classifier: Classifier, write_images: Write, small_memory: SimpleNamespace, out: Path
):
    small_memory.room = 0
    options = ExplainOptions(batch_size=2, workers=1)
    with pytest.raises(ModelError, match="does not suffice for one image; try"):
        explain_images(classifier, write_images(2), out=out, options=options)
