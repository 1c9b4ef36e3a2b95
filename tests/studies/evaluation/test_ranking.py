"""A run that seeks rare classes, measured on the test part of its data."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.data import image_folder, split, with_rare
from figureground.metrics.classification import average_precision, expected_random_ap, macro_f1
from figureground.studies.evaluation.engine import Found
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.image_set import EvaluationSet
from figureground.studies.evaluation.ranking import Ranking
from figureground.studies.evaluation.tables import EvaluationRecord
from figureground.studies.training.train import train
from figureground.training.recipe import changed
from figureground.training.trained import load_trained


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Ninety images of three colours, one of them rare, and some that nobody has looked at."""
    numbers = np.random.default_rng(0)
    for name, count in (("cat", 60), ("lynx", 20), ("unlabeled", 10)):
        (tmp_path / "zoo" / name).mkdir(parents=True)
        for n in range(count):
            pixels = numbers.integers(0, 200, (12, 14, 3))
            pixels[..., 0] += 55 * (name == "lynx")
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(tmp_path / "zoo" / name / f"{n}.png")
    return tmp_path / "zoo"


def recipe(zoo: Path, **data: object) -> dict[str, object]:
    spec = {"name": "folder", "root": str(zoo), "rare": ["lynx"], **data}
    model = {"name": "figureground:lenet-gap", "preprocessing": {"size": [12, 12]}}
    return {"name": "t", "epochs": 1, "batch_size": 8, "data": spec, "model": model}


def table(record: EvaluationRecord, title: str) -> list[dict[str, Any]]:
    found = next(one for one in record.tables if one["title"] == title)
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


def test_numbers_are_those_of_the_test_split_that_training_left_out(zoo: Path, tmp_path: Path):
    run = tmp_path / "run"
    train(changed(recipe(zoo)), run, accelerator="cpu")
    found = evaluate(Ranking(at=(3,)), run, out=tmp_path / "m", device="cpu")
    everything = image_folder(zoo)
    _, rows = split(everything.labels, (0.8, 0.2), seed=0)
    test = with_rare(everything.subset(rows), ["lynx"])
    test = test.subset((test.labels >= 0).nonzero()[:, 0])
    classifier = load_trained(run)
    images = torch.stack(
        [classifier.preprocessing.view(test.image(n))[0] for n in range(len(test))]
    )
    with torch.no_grad():
        logits = classifier(images.float() / 255)
    positive = test.labels == 0
    assert found.images == 16
    assert "12 of 16 images are background" in found.notes
    (lynx,) = table(found, "By class")
    assert (lynx["class"], lynx["positives"]) == ("lynx", 4)
    assert lynx["AP by logit"] == pytest.approx(average_precision(logits[:, 0], positive).item())
    margins = logits[:, 0] - logits[:, 1]
    assert lynx["AP"] == pytest.approx(average_precision(margins, positive).item())
    overall = {row["quantity"]: row for row in table(found, "Ranking")}
    chance = overall["chance, mean over classes"]["value"]
    assert lynx["chance AP"] == expected_random_ap(4, 16) == pytest.approx(chance, abs=1e-4)
    mean = overall["mean average precision by probability"]
    assert mean["low"] - 1e-4 <= lynx["AP"] <= mean["high"] + 1e-4
    highest = margins.topk(3).indices
    assert lynx["recall at 3"] == pytest.approx(float(positive[highest].sum()) / 4)
    f1 = macro_f1(logits.argmax(1), test.labels, classes=1).item()
    assert overall["macro-F1 of the rare classes"]["value"] == pytest.approx(f1, abs=1e-4)
    assert read_json(tmp_path / "m" / "record.json")["kind"] == "ranking"


def test_images_that_cannot_be_read_are_counted(zoo: Path, tmp_path: Path):
    train(changed(recipe(zoo)), tmp_path / "run", accelerator="cpu")
    for path in (zoo / "cat").iterdir():
        path.write_bytes(b"")
    found = evaluate("ranking", tmp_path / "run", out=tmp_path / "m", device="cpu")
    assert found.images == 4
    assert found.problems["unreadable-file"] == 12
    for path in (zoo / "lynx").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no image is of a rare class \(lynx\)"):
        evaluate("ranking", tmp_path / "run", out=tmp_path / "m", device="cpu")


def test_runs_without_rare_classes_are_refused(zoo: Path, tmp_path: Path):
    train(changed(recipe(zoo, rare=[])), tmp_path / "run", accelerator="cpu")
    with pytest.raises(OptionError, match="needs a model with a background output"):
        evaluate("ranking", tmp_path / "run", out=tmp_path / "m")


def test_rare_classes_without_images_are_told_of_or_refused(zoo: Path, tmp_path: Path):
    for path in sorted((zoo / "lynx").iterdir())[3:]:
        path.unlink()
    record = train(changed(recipe(zoo)), tmp_path / "run", accelerator="cpu")
    assert any(note.endswith("is of lynx") for note in record.data["notes"])
    with pytest.raises(DataError, match=r"no training \w+ is of a rare class"):
        train(changed(recipe(zoo, omit=["lynx"])), tmp_path / "other", accelerator="cpu")


def test_probability_and_logit_rank_in_their_own_order(monkeypatch: pytest.MonkeyPatch):
    """By logit the rare images lead; by probability the background's large logits put them last."""
    logits = np.array([[4, 9], [3, 9], [2, 0], [1, 0], [0, 0]], np.float32)
    columns = {"logits": logits, "label": np.array([0, 0, 1, 1, 1]), "row": np.arange(5)}
    nothing = "figureground.studies.evaluation.ranking.extremes"
    monkeypatch.setattr(nothing, lambda *_, **__: ())
    network = SimpleNamespace(class_names=("lynx", "background"))
    unread = EvaluationSet.__new__(EvaluationSet)
    found = Ranking(at=(2,)).record_parts(Found(columns, network, unread))
    overall = {row[0]: row[1] for row in found["tables"][0]["rows"]}
    by_probability = (1 / 4 + 2 / 5) / 2
    assert overall["mean average precision by logit"] == 1.0
    assert overall["mean average precision by probability"] == pytest.approx(by_probability)
    ((name, count, chance, ap, ap_by_logit, recall, precision),) = found["tables"][1]["rows"]
    assert (name, count, recall, precision) == ("lynx", 2, 0, 0)
    assert (ap, ap_by_logit) == (pytest.approx(by_probability), 1)
    orders = list(itertools.combinations(range(1, 6), 2))
    assert chance == pytest.approx(np.mean([(1 / a + 2 / b) / 2 for a, b in orders]))


def test_images_that_are_out_of_place_are_shown(zoo: Path, tmp_path: Path):
    train(changed(recipe(zoo)), tmp_path / "run", accelerator="cpu")
    found = evaluate(Ranking(), tmp_path / "run", out=tmp_path / "m", device="cpu")
    wrong, missed = found.cases[:3], found.cases[3:]
    assert {one.label for one in wrong} == {"background"}
    assert {one.label for one in missed} == {"lynx"}
    with np.load(tmp_path / "m" / "per_image.npz") as columns:
        shares = torch.from_numpy(columns["logits"]).softmax(1)[:, 0]
        sought = torch.from_numpy(columns["label"]) == 0
    highest, lowest = shares[~sought].topk(3).values, shares[sought].sort().values[:3]
    assert [one.overlap for one in wrong] == pytest.approx(highest.tolist(), abs=1e-3)
    assert [one.overlap for one in missed] == pytest.approx(lowest.tolist(), abs=1e-3)
