"""A run that seeks rare classes, measured on the test part of its data."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.data import image_folder, split, with_rare
from figureground.metrics.classification import average_precision, expected_random_ap, macro_f1
from figureground.studies.ranking import measure_ranking
from figureground.studies.train import train
from figureground.studies.trained import load_trained
from figureground.training.recipe import changed


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Ninety photos of three colours, one of them rare, and some that nobody has looked at."""
    numbers = np.random.default_rng(0)
    for name, count in (("cat", 60), ("lynx", 20), ("unlabeled", 10)):
        (tmp_path / "zoo" / name).mkdir(parents=True)
        for n in range(count):
            pixels = numbers.integers(0, 200, (12, 14, 3))
            pixels[..., 0] += 55 * (name == "lynx")
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.save(tmp_path / "zoo" / name / f"{n}.png")
    return tmp_path / "zoo"


def recipe(zoo: Path, **data: object) -> dict[str, object]:
    spec = {"name": "folder", "root": str(zoo), "rare": ["lynx"], **data}
    model = {"name": "figureground:lenet-gap", "preprocessing": {"size": [12, 12]}}
    return {"name": "t", "epochs": 1, "batch_size": 8, "data": spec, "model": model}


def test_numbers_are_those_of_the_test_part_that_training_left_out(zoo: Path, tmp_path: Path):
    run = tmp_path / "run"
    train(changed(recipe(zoo)), run, accelerator="cpu")
    found = measure_ranking(run, out=tmp_path / "m", at=(3,), device="cpu")
    everything = image_folder(zoo)
    _, rows = split(everything.labels, (0.8, 0.2), seed=0)
    test = with_rare(everything.subset(rows), ["lynx"])
    test = test.subset((test.labels >= 0).nonzero()[:, 0])
    classifier = load_trained(run)
    images = torch.stack(
        [classifier.preprocessing.view(test.picture(n))[0] for n in range(len(test))]
    )
    with torch.no_grad():
        logits = classifier(images.float() / 255)
    positive = test.labels == 0
    assert (found.images, found.backgrounds) == (16, 12)
    (lynx,) = found.classes
    assert (lynx["name"], lynx["positives"]) == ("lynx", 4)
    assert lynx["ap_logit"] == pytest.approx(average_precision(logits[:, 0], positive).item())
    margins = logits[:, 0] - logits[:, 1]
    assert lynx["ap"] == pytest.approx(average_precision(margins, positive).item())
    assert lynx["chance_ap"] == found.chance_ap == expected_random_ap(4, 16)
    assert found.mean_ap["low"] <= lynx["ap"] <= found.mean_ap["high"]
    highest = margins.topk(3).indices
    assert lynx["recall_at_3"] == pytest.approx(float(positive[highest].sum()) / 4)
    assert found.macro_f1 == macro_f1(logits.argmax(1), test.labels, classes=1).item()
    assert read_json(tmp_path / "m" / "record.json")["kind"] == "ranking"


def test_pictures_that_cannot_be_read_are_noted(zoo: Path, tmp_path: Path):
    train(changed(recipe(zoo)), tmp_path / "run", accelerator="cpu")
    for path in (zoo / "cat").iterdir():
        path.write_bytes(b"")
    found = measure_ranking(tmp_path / "run", out=tmp_path / "m", device="cpu")
    assert (found.images, found.backgrounds, len(found.notes)) == (4, 0, 12)
    for path in (zoo / "lynx").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no test picture can be used"):
        measure_ranking(tmp_path / "run", out=tmp_path / "m", device="cpu")


def test_runs_without_rare_classes_are_refused(zoo: Path, tmp_path: Path):
    train(changed(recipe(zoo, rare=[])), tmp_path / "run", accelerator="cpu")
    with pytest.raises(OptionError, match="seeks no rare classes"):
        measure_ranking(tmp_path / "run", out=tmp_path / "m")


def test_rare_classes_without_pictures_are_told_of_or_refused(zoo: Path, tmp_path: Path):
    for path in sorted((zoo / "lynx").iterdir())[3:]:
        path.unlink()
    record = train(changed(recipe(zoo)), tmp_path / "run", accelerator="cpu")
    assert "no validation picture is of lynx" in record.data["notes"]
    with pytest.raises(DataError, match="no training picture is of a rare class"):
        train(changed(recipe(zoo, omit=["lynx"])), tmp_path / "other", accelerator="cpu")
