"""Robustness from images to record; frozen thresholds and the three kinds of images by hand."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.models import Classifier
from figureground.studies.evaluation.boxes import OVERLAPS
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.robustness import Robustness, _Tables

Run = Callable[..., Any]
OPTIONS = Robustness(
    methods=("cam", "eigen-cam"),
    attack=("fgsm", "deepfool", ("nothing", lambda score, images, labels: images)),
    strength=(0.1, 0.3),
    step=0.1,
    batch_size=4,
)
ROWS = ["cam (true)", "cam (predicted)", "eigen-cam"]


def test_tables_have_a_line_per_attack_and_a_column_per_method_and_class(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    record, _ = measure(OPTIONS, classifier, images)
    table = record.tables[0]
    assert table["columns"] == ["attack", "images", "accuracy", "flipped", "ρ", "iterations", *ROWS]
    assert [row[0] for row in table["rows"]] == [
        "clean",
        "fgsm 0.1",
        "fgsm 0.3",
        "deepfool",
        "nothing",
    ]
    assert all(row[1] == 8 for row in table["rows"])
    assert "fgsm 0.1: fgsm {'epsilon': 0.1}" in record.options["attack"]
    assert [chart.title for chart in record.charts] == ["fgsm"]


def test_an_attack_that_does_nothing_moves_nothing(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    _, columns = measure(OPTIONS, classifier, images)
    assert (columns["nothing/perturbation"] == 0).all()
    assert np.array_equal(columns["nothing/predicted"], columns["clean/predicted"])
    for row in ROWS:
        np.testing.assert_allclose(columns[f"nothing/{row}/pearson"], 1, atol=1e-5)
        assert np.array_equal(columns[f"nothing/{row}/hits"], columns[f"clean/{row}/hits"])


def test_deepfool_flips_every_prediction_and_moves_less_than_fgsm(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    _, columns = measure(OPTIONS, classifier, images)
    assert (columns["deepfool/predicted"] != columns["clean/predicted"]).all()
    assert (columns["deepfool/iterations"] >= 1).all()
    assert columns["deepfool/perturbation"].mean() < columns["fgsm 0.3/perturbation"].mean()


def test_clean_maps_of_both_classes_agree_where_the_prediction_is_right(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    _, columns = measure(OPTIONS, classifier, images)
    right = columns["clean/predicted"] == columns["label"]
    assert right.any()
    assert not right.all()
    true, predicted = (columns[f"clean/cam ({word})/energy"] for word in ("true", "predicted"))
    assert np.array_equal(true[right], predicted[right], equal_nan=True)
    assert not np.array_equal(true[~right], predicted[~right], equal_nan=True)


def test_noise_differs_from_batch_to_batch(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    seen: list[torch.Tensor] = []

    class Looking(Classifier):
        """Remembers what it saw."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images.detach().clone())
            return super().forward(images)

    classifier.__class__ = Looking
    measure(replace(OPTIONS, attack=("uniform:0.01",), methods=("eigen-cam",)), classifier, images)
    clean = torch.cat([batch.images for batch in images.batches(4)])
    changes = [
        (batch - clean[start : start + 4]).abs().sum().item()
        for start in (0, 4)
        for batch in seen
        if batch.shape == (4, 3, 24, 32)
        and 0 < (batch - clean[start : start + 4]).abs().max() < 0.011
    ]
    assert len(set(changes)) == 2


def test_images_without_boxes_have_predictions_and_no_localisation(
    measure: Run, classifier: Classifier, box_folder: Callable[..., Path]
):
    folder = box_folder(5)
    lines = (folder / "boxes.csv").read_text().splitlines()
    (folder / "boxes.csv").unlink()
    for line in lines[1:]:
        name, label, *_ = line.split(",")
        (folder / label).mkdir(exist_ok=True)
        (folder / name).rename(folder / label / name)
    options = replace(OPTIONS, attack=("fgsm:0.1",))
    record, _ = measure(options, classifier, open_images(folder, classifier))
    name, count, accuracy, *_ = record.tables[0]["rows"][0]
    assert (name, count) == ("clean", 5)
    assert 0 <= accuracy <= 100
    assert record.tables[0]["rows"][0][-3:] == [None, None, None]


def test_an_image_without_a_label_is_refused(
    measure: Run, classifier: Classifier, box_folder: Callable[..., Path]
):
    folder = box_folder(3)
    (folder / "boxes.csv").unlink()
    with pytest.raises(DataError, match="need a label for every image"):
        measure(OPTIONS, classifier, open_images(folder, classifier))


def test_an_attack_that_does_not_exist_is_refused_before_any_work():
    with pytest.raises(OptionError, match="no attack 'tickle'"):
        Robustness(attack=("tickle",))


def test_the_default_strength_is_eight_of_255():
    assert [case.name for case in Robustness(attack=("fgsm",)).attacks] == ["fgsm 0.03137"]


# five images, two thresholds; the map of "m" is right at threshold 0 on all clean images but the last
COUNT = 5
CLEAN = np.array([[True, False]] * 4 + [[False, True]])
HIT = np.array([[True, False], [False, True], [True, False], [False, True], [True, False]])


def packed(hits: np.ndarray) -> np.ndarray:
    """Bits of the hits at all overlaps."""
    return np.packbits(np.repeat(hits[:, None], len(OVERLAPS), 1), axis=2)


def tables(seed: int = 0) -> _Tables:
    columns: dict[str, np.ndarray] = {
        "row": np.arange(COUNT),
        "name": np.array([f"{at}.png" for at in range(COUNT)]),
        "judged": np.ones(COUNT, bool),
        "label": np.array([0, 1, 0, 1, 0]),
        "clean/predicted": np.array([0, 1, 1, 1, 0]),
        "hit/predicted": np.array([0, 0, 1, 0, 1]),
        "hit/perturbation": np.full(COUNT, 0.25),
        "hit/iterations": np.full(COUNT, -1),
        "clean/m/hits": packed(CLEAN),
        "hit/m/hits": packed(HIT),
    }
    for case in ("clean", "hit"):
        for key in ("pointing", "energy", "pearson", "ssim"):
            columns[f"{case}/m/{key}"] = np.linspace(0, 1, COUNT)
    hit = ("hit", lambda score, images, labels: images)
    return _Tables(Robustness(attack=(hit,), step=0.5, seed=seed), columns, ("m",))


def with_validation(image: int) -> _Tables:
    """Tables whose threshold is chosen on this image."""
    return next(found for found in map(tables, range(100)) if image in found.splits.validation)


def test_threshold_comes_from_the_validation_images_and_is_kept_where_another_would_do_better():
    found = with_validation(4)
    assert found.splits.validation.tolist() == [4]
    assert found.frozen == {"m": 1}
    assert found.hits("clean", "m").tolist() == [0, 0, 0, 0, 100]
    assert found._thresholds()["rows"] == [["m", 0.5, 100.0, 0.0, 100.0]]


def test_reported_images_are_never_those_of_the_validation_split():
    found = with_validation(0)
    assert found.subset("hit", "all").tolist() == [False, True, True, True, True]
    assert found.subset("hit", "misclassified clean").tolist() == [False, False, True, False, False]
    assert found.subset("hit", "flipped by the attack").tolist() == [False, True, False, True, True]


def test_attack_line_holds_accuracy_flips_size_and_localisation():
    assert with_validation(0)._attacks()["rows"] == [
        ["clean", 4, 75.0, None, None, None, 75.0],
        ["hit", 4, 0.0, 75.0, 0.25, None, 50.0],
    ]


def test_change_of_localisation_pairs_images():
    changes = {row[1]: (row[3], row[6]) for row in with_validation(0)._changes()["rows"]}
    # clean hits of images 1 to 4: 1 1 1 0; attacked: 0 1 0 1
    assert changes["all"] == (-25, 4)
    assert changes["flipped by the attack"] == (pytest.approx(-33.3333, abs=0.01), 3)


def test_a_kind_of_image_that_does_not_occur_has_no_line():
    assert with_validation(2)._localisation("misclassified clean")["rows"] == []


def test_interval_holds_the_mean():
    for _, _, _, mean, low, high, images, *_ in with_validation(0)._everything()["rows"]:
        assert low <= mean <= high
        assert images >= 1


def test_images_whose_maps_move_most_and_least_are_shown_before_and_after(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    record, columns = measure(replace(OPTIONS, attack=("fgsm",)), classifier, images)
    told = _Tables(replace(OPTIONS, attack=("fgsm",)), columns, ROWS)
    for row in ROWS:
        moved = columns[f"{told.strongest}/{row}/pearson"][told.reported]
        mine = [case for case in record.cases if case.method == row]
        assert mine[0].overlap == pytest.approx(np.nanmin(moved), abs=1e-3)
        assert {case.kind for case in mine} == {"worst", "best"}
        assert all(case.baseline_overlap is None for case in mine)
    decoded = base64.b64decode(record.cases[0].picture.partition(",")[2])
    with Image.open(io.BytesIO(decoded)) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    half = pixels.shape[1] // 2
    assert pixels.shape[1] > pixels.shape[0]
    assert np.abs(pixels[:, : half - 4] - pixels[:, -(half - 4) :]).mean() > 1
