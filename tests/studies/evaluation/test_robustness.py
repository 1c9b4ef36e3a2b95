"""The robustness study from pictures to record."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from figureground.base.errors import DataError
from figureground.models import Classifier
from figureground.studies.evaluation.map_places import PlaceRule
from figureground.studies.evaluation.robustness import RobustnessOptions, study_robustness
from figureground.studies.evaluation.sets import EvaluationSet, open_evaluation_set

OPTIONS = RobustnessOptions(
    methods=("cam", "eigen-cam"),
    attacks=("fgsm", "deepfool", ("nothing", lambda score, images, labels: images)),
    strengths=(0.1, 0.3),
    places=PlaceRule(step=0.1),
    batch_size=4,
)
ROWS = ["cam (true)", "cam (predicted)", "eigen-cam"]


@pytest.fixture
def pictures(classifier: Classifier, box_folder: Callable[..., Path]) -> EvaluationSet:
    return open_evaluation_set(box_folder(10), classifier)


def table_of(out: Path) -> dict[str, np.ndarray]:
    with np.load(out / "per_image.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_tables_have_a_line_per_attack_and_a_column_per_method_and_class(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    record = study_robustness(classifier, pictures, out=out, options=OPTIONS)
    table = record.tables[0]
    assert table["columns"] == ["attack", "images", "accuracy", "flipped", "ρ", "iterations", *ROWS]
    rows = table["rows"]
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == ["clean", "fgsm 0.1", "fgsm 0.3", "deepfool", "nothing"]
    assert all(row[1] == 8 for row in rows)


def test_an_attack_that_does_nothing_moves_nothing(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    study_robustness(classifier, pictures, out=out, options=OPTIONS)
    table = table_of(out)
    assert (table["nothing/perturbation"] == 0).all()
    assert np.array_equal(table["nothing/predicted"], table["clean/predicted"])
    for row in ROWS:
        np.testing.assert_allclose(table[f"nothing/{row}/pearson"], 1, atol=1e-5)
        same = table[f"nothing/{row}/overlaps"], table[f"clean/{row}/overlaps"]
        assert np.array_equal(*same)


def test_deepfool_flips_every_prediction_and_moves_less_than_fgsm(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    study_robustness(classifier, pictures, out=out, options=OPTIONS)
    table = table_of(out)
    assert (table["deepfool/predicted"] != table["clean/predicted"]).all()
    assert (table["deepfool/iterations"] >= 1).all()
    assert table["deepfool/perturbation"].mean() < table["fgsm 0.3/perturbation"].mean()


def test_clean_maps_of_the_true_class_are_those_of_the_predicted_where_the_prediction_is_right(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    study_robustness(classifier, pictures, out=out, options=OPTIONS)
    table = table_of(out)
    right = table["clean/predicted"] == table["label"]
    assert right.any()
    assert not right.all()
    true, predicted = (table[f"clean/cam ({word})/energy"] for word in ("true", "predicted"))
    assert np.array_equal(true[right], predicted[right], equal_nan=True)
    assert not np.array_equal(true[~right], predicted[~right], equal_nan=True)


def test_noise_differs_from_batch_to_batch(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    seen: list[torch.Tensor] = []

    class Looking(Classifier):
        """Remembers what it saw."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images.detach().clone())
            return super().forward(images)

    classifier.__class__ = Looking
    options = replace(OPTIONS, attacks=("uniform:0.01",), methods=("eigen-cam",))
    study_robustness(classifier, pictures, out=out, options=options)
    clean = torch.cat([batch.images for batch in pictures.batches(4)])
    changes = [
        (batch - clean[start : start + 4]).abs().sum().item()
        for start in (0, 4)
        for batch in seen
        if batch.shape == (4, 3, 24, 32)
        and 0 < (batch - clean[start : start + 4]).abs().max() < 0.011
    ]
    assert len(set(changes)) == 2


def test_pictures_without_boxes_have_predictions_and_no_localisation(
    classifier: Classifier, box_folder: Callable[..., Path], out: Path
):
    folder = box_folder(5)
    lines = (folder / "boxes.csv").read_text().splitlines()
    (folder / "boxes.csv").unlink()
    for line in lines[1:]:
        name, label, *_ = line.split(",")
        (folder / label).mkdir(exist_ok=True)
        (folder / name).rename(folder / label / name)
    pictures = open_evaluation_set(folder, classifier)
    record = study_robustness(
        classifier, pictures, out=out, options=replace(OPTIONS, attacks=("fgsm:0.1",))
    )
    rows = record.tables[0]["rows"]
    assert isinstance(rows, list)
    name, images, accuracy, *_ = rows[0]
    assert (name, images) == ("clean", 4)
    assert 0 <= accuracy <= 1
    assert rows[0][-3:] == [None, None, None]


def test_a_picture_without_a_label_is_refused(
    classifier: Classifier, box_folder: Callable[..., Path], out: Path
):
    folder = box_folder(3)
    (folder / "boxes.csv").unlink()
    with pytest.raises(DataError, match="need a label for every picture"):
        study_robustness(
            classifier, open_evaluation_set(folder, classifier), out=out, options=OPTIONS
        )


def test_model_gets_no_gradients(classifier: Classifier, pictures: EvaluationSet, out: Path):
    study_robustness(classifier, pictures, out=out, options=OPTIONS)
    assert all(parameter.grad is None for parameter in classifier.parameters())
    assert all(parameter.requires_grad for parameter in classifier.parameters())
