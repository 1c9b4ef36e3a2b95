"""What there is to explore without a model: digits that the network has not seen, and a network that knows digits."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.data.loaders import LoadOptions, load_dataset
from figureground.studies.training.runs import load_run
from figureground.web import embedded
from figureground.web.embedded import embedded_digits


def test_a_network_that_is_there_is_taken_as_it_is_and_photos_are_unseen_digits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(embedded, "_CHANGES", ("epochs=1", "data.count=64", "precision=32-true"))
    run, photos = embedded_digits(tmp_path)
    before = (run / "last.safetensors").read_bytes()
    times = (run / "record.json").stat().st_mtime_ns
    assert embedded_digits(tmp_path) == (run, photos)
    assert (run / "last.safetensors").read_bytes() == before
    assert (run / "record.json").stat().st_mtime_ns == times
    unseen = load_dataset("cluttered-digits", part="test", options=LoadOptions(count=24))
    files = sorted(photos.iterdir())
    assert len(files) == 24
    for number, file in enumerate(files):
        assert file.stem == f"{number:02d}-{int(unseen.labels[number])}"
        pixels = np.asarray(Image.open(file))
        assert (pixels == unseen.pixels[number].movedim(0, -1).numpy()).all()


@pytest.mark.slow
def test_the_network_knows_most_digits(tmp_path: Path):
    run, _ = embedded_digits(tmp_path)
    assert json.loads((run / "record.json").read_text())["last"]["accuracy"] > 0.6
    assert load_run(run, "last").classifier.preprocessing.size == (24, 24)
