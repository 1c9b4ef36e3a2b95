"""The faithfulness study from pictures to record."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError
from figureground.models import Classifier
from figureground.studies.evaluation.faithfulness import FaithfulnessOptions, study_faithfulness
from figureground.studies.evaluation.faithfulness_measures import Depth
from figureground.studies.evaluation.sets import EvaluationSet, open_evaluation_set

OPTIONS = FaithfulnessOptions(
    methods=("cam", "hires-cam", "eigen-cam"),
    depth=Depth(steps=3, fractions=(0.5,)),
    batch_size=4,
)


@pytest.fixture
def pictures(classifier: Classifier, box_folder: Callable[..., Path]) -> EvaluationSet:
    return open_evaluation_set(box_folder(6), classifier)


def saved(out: Path) -> tuple[Any, dict[str, np.ndarray]]:
    with np.load(out / "per_image.npz", allow_pickle=False) as arrays:
        return json.loads((out / "record.json").read_text()), dict(arrays)


def test_record_holds_every_method_and_both_baselines(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    study_faithfulness(classifier, pictures, out=out, options=OPTIONS)
    record, table = saved(out)
    rows = ["cam", "hires-cam", "eigen-cam", "centre-gaussian", "random"]
    assert [row[0] for row in record["tables"][0]["rows"]] == rows
    assert record["images"] == len(table["name"]) == 6
    insertion = record["tables"][0]["rows"][2][1]
    assert insertion == pytest.approx(np.nanmean(table["eigen-cam/insertion"]), abs=1e-4)
    assert {curves["title"] for curves in record["curves"]} >= {"Insertion", "Deletion"}


def test_methods_that_draw_one_map_are_measured_once_and_said_so(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    record = study_faithfulness(classifier, pictures, out=out, options=OPTIONS)
    assert any("hires-cam = cam" in note for note in record.notes)
    _, table = saved(out)
    assert np.array_equal(table["cam/road"], table["hires-cam/road"], equal_nan=True)


def test_numbers_do_not_depend_on_where_a_run_was_stopped(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    study_faithfulness(classifier, pictures, out=out, options=OPTIONS)
    _, whole = saved(out)
    (out / "parts" / "00001.npz").unlink()
    counts: list[tuple[int, int]] = []
    study_faithfulness(
        classifier, pictures, out=out, options=OPTIONS, watch=lambda *seen: counts.append(seen)
    )
    _, again = saved(out)
    assert counts == [(4, 6), (6, 6)]
    assert all(
        np.array_equal(whole[name], again[name], equal_nan=whole[name].dtype.kind == "f")
        for name in whole
    )


def test_another_model_with_the_same_name_is_measured_anew(
    make_classifier: Callable[..., Classifier], pictures: EvaluationSet, out: Path
):
    study_faithfulness(make_classifier(), pictures, out=out, options=OPTIONS)
    counts: list[tuple[int, int]] = []
    study_faithfulness(
        make_classifier(seed=1), pictures, out=out, options=OPTIONS,
        watch=lambda *seen: counts.append(seen),
    )  # fmt: skip
    assert counts[0] == (0, 6)


def test_true_class_may_be_asked_for(
    classifier: Classifier, pictures: EvaluationSet, tmp_path: Path
):
    tables = {}
    for classes in ("true", "predicted"):
        options = replace(OPTIONS, classes=classes, methods=("cam",))
        study_faithfulness(classifier, pictures, out=tmp_path / classes, options=options)
        tables[classes] = saved(tmp_path / classes)[1]["cam/insertion curve"][:, -1]
    # the last point of the curve is the probability of the class on the whole picture
    assert (tables["predicted"] >= tables["true"]).all()
    assert (tables["predicted"] > tables["true"]).any()


def test_foreign_maps_are_a_row_and_missing_ones_are_counted(
    classifier: Classifier, pictures: EvaluationSet, tmp_path: Path, out: Path
):
    folder = tmp_path / "theirs"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name in pictures.names[:-1]:
        np.save(folder / f"{Path(name).stem}.npy", draw.random((5, 7), np.float32))
    options = replace(OPTIONS, folders=(folder,))
    record = study_faithfulness(classifier, pictures, out=out, options=options)
    _, table = saved(out)
    assert record.problems["map-missing"] == 1
    assert np.isnan(table["theirs/insertion"]).tolist() == [False] * 5 + [True]
    assert np.isnan(table["theirs/adcc"]).all()


def test_half_precision_scores_hardly_move_the_numbers(
    classifier: Classifier, pictures: EvaluationSet, tmp_path: Path
):
    found = {}
    for precision in (None, "bf16"):
        options = replace(OPTIONS, precision=precision)
        study_faithfulness(classifier, pictures, out=tmp_path / str(precision), options=options)
        found[precision] = saved(tmp_path / str(precision))[1]["eigen-cam/deletion"]
    np.testing.assert_allclose(found["bf16"], found[None], atol=0.02)
    assert not np.array_equal(found["bf16"], found[None])


def test_model_is_left_as_found(classifier: Classifier, pictures: EvaluationSet, out: Path):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    study_faithfulness(classifier, pictures, out=out, options=OPTIONS)
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_a_reference_that_is_no_row_is_refused(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    with pytest.raises(OptionError, match="no row to compare with 'score-cam'"):
        study_faithfulness(
            classifier, pictures, out=out, options=replace(OPTIONS, reference="score-cam")
        )
    with pytest.raises(OptionError, match="no class to explain 'both'"):
        FaithfulnessOptions(classes="both")
