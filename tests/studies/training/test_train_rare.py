"""Rare classes from a recipe: plain training, background splitting, and what the folder holds."""

from pathlib import Path

import pytest
import torch

from figureground.base.record import read_json
from figureground.methods import Explainer
from figureground.metrics.classification import mean_average_precision
from figureground.studies.training.train import train
from figureground.training.recipe import changed
from figureground.training.recipe_data import training_data
from figureground.training.trained import load_trained

TINY = {
    "name": "tiny",
    "epochs": 2,
    "batch_size": 8,
    "data": {"name": "cluttered-digits", "count": 40, "rare": [7, "3"]},
    "model": {
        "name": "figureground:lenet-gap",
        "arguments": {"channels": 1},
        "preprocessing": {"size": [12, 12]},
    },
}


def test_plain_training_of_rare_classes_has_a_background_output_and_a_mean_ap(tmp_path: Path):
    record = train(changed(TINY), tmp_path / "run", accelerator="cpu")
    classifier = load_trained(tmp_path / "run", "last")
    assert classifier.class_names == ("7", "3", "background")
    data = training_data(changed(TINY).data, seed=0).fitted(classifier.preprocessing)
    assert data.backgrounds == 40 - sum(data.train.class_counts())
    assert int((data.val_labels == 2).sum()) > len(data.val_labels) / 2
    with torch.no_grad():
        logits = classifier(data.val_images[:].float() / 255)
    for name, score in (("mean_ap", "softmax"), ("mean_ap_logit", "logit")):
        wanted = mean_average_precision(logits, data.val_labels, classes=2, score=score)
        assert record.last[name] == pytest.approx(float(wanted), abs=1e-6)
    right = (logits.argmax(1) == data.val_labels).float().mean()
    assert record.last["accuracy"] == pytest.approx(float(right))
    assert 0 < record.best <= 1
    history = (tmp_path / "run" / "history.csv").read_text()
    assert "val,mean_ap," in history
    best = max(float(line.split(",")[4]) for line in history.splitlines() if ",mean_ap," in line)
    assert record.best == best


def test_a_run_is_a_teacher_and_its_report_is_in_the_record(tmp_path: Path):
    plain = changed({**TINY, "data": {"name": "cluttered-digits", "count": 40}})
    train(plain, tmp_path / "teacher", accelerator="cpu")
    split = changed(
        {**TINY, "algorithms": [{"background-splitting": {"teacher": str(tmp_path / "teacher")}}]}
    )
    record = train(split, tmp_path / "run", accelerator="cpu")
    told = record.data["algorithms"]["background-splitting"]
    assert told["perplexity"] >= 1
    assert set(told["warnings"]) <= set(record.data["notes"])
    report = read_json(tmp_path / "run" / "pseudo_labels.json")
    assert report["largest_share"] == told["largest_share"]
    assert load_trained(tmp_path / "run").num_classes == 3
    rare = changed(
        {**TINY, "algorithms": [{"background-splitting": {"teacher": str(tmp_path / "run")}}]}
    )
    again = train(rare, tmp_path / "again", accelerator="cpu")
    assert len(again.data["algorithms"]["background-splitting"]["rare_purity"]) == 2


def test_a_cosine_head_and_a_retrained_layer_are_a_line_of_a_recipe(tmp_path: Path):
    ldam = {"main": "ldam", "main_settings": {"max_margin": 8.0}, "aux_weight": 0.0}
    model = TINY["model"]
    assert isinstance(model, dict)
    cosine = {**TINY, "model": {**model, "head": "cosine"}}
    train(
        changed({**cosine, "algorithms": [{"background-splitting": ldam}]}),
        tmp_path / "cosine",
        accelerator="cpu",
    )
    classifier = load_trained(tmp_path / "cosine")
    with torch.no_grad():
        assert classifier(torch.rand(4, 1, 12, 12)).abs().max() <= 16
    maps = Explainer(classifier)(torch.rand(2, 1, 12, 12), [0], ["grad-cam"]).maps["grad-cam"]
    assert isinstance(maps, torch.Tensor)
    assert maps.isfinite().all()
    linear = {**TINY, "model": {**model, "head": "linear"}}
    retrained = {"afterwards": "retrained", "aux_weight": 0.0}
    record = train(
        changed({**linear, "algorithms": [{"background-splitting": retrained}]}),
        tmp_path / "retrained",
        accelerator="cpu",
    )
    assert record.best == record.last["mean_ap"]  # earlier epochs had another kind of layer
    both = [load_trained(tmp_path / "retrained", which).state_dict() for which in ("best", "last")]
    assert all(torch.equal(a, b) for a, b in zip(*map(dict.values, both), strict=True))
