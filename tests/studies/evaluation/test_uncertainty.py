"""The uncertainty study from pictures to record."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from figureground.base.errors import OptionError
from figureground.methods import EigenCAM, find_methods
from figureground.models import Classifier
from figureground.studies.evaluation.sets import EvaluationSet, open_evaluation_set
from figureground.studies.evaluation.uncertainty import UncertaintyOptions, study_uncertainty

OPTIONS = UncertaintyOptions(methods=("cam", "grad-cam", "eigen-cam"), batch_size=4)


@pytest.fixture
def pictures(classifier: Classifier, box_folder: Callable[..., Path]) -> EvaluationSet:
    return open_evaluation_set(box_folder(6), classifier)


def table_of(out: Path) -> dict[str, np.ndarray]:
    with np.load(out / "per_image.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_a_class_free_map_is_the_same_for_another_class_and_below_a_shuffled_head(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    study_uncertainty(classifier, pictures, out=out, options=OPTIONS)
    table = table_of(out)
    np.testing.assert_allclose(table["eigen-cam/another class"], 1, atol=1e-5)
    np.testing.assert_allclose(table["eigen-cam/top 1 of 3 layers"], 1, atol=1e-5)
    assert (table["eigen-cam/top 3 of 3 layers"] < 0.999).all()
    assert (table["cam/another class"][~np.isnan(table["cam/another class"])] < 0.999).all()


def test_areas_and_entropies_are_shares_and_contest_is_for_class_specific_maps_only(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    record = study_uncertainty(classifier, pictures, out=out, options=OPTIONS)
    table = table_of(out)
    for row in ("grad-cam", "eigen-cam"):
        known = table[f"{row}/area"][~np.isnan(table[f"{row}/area"])]
        assert len(known)
        assert ((known > 0) & (known <= 1)).all()
    assert np.isnan(table["eigen-cam/contested"]).all()
    assert [curves.title for curves in record.curves] == ["Parameter randomisation"]


def test_a_sibling_with_the_same_weights_is_perfectly_stable_and_another_is_not(
    make_classifier: Callable[..., Classifier], pictures: EvaluationSet, tmp_path: Path
):
    found = []
    for seed in (0, 1):
        options = replace(OPTIONS, siblings=[make_classifier(seed=seed)], sanity=False)
        study_uncertainty(make_classifier(), pictures, out=tmp_path / str(seed), options=options)
        found.append(table_of(tmp_path / str(seed))["eigen-cam/instability seeds"])
    np.testing.assert_allclose(found[0], 0, atol=1e-5)
    assert (found[1] > 0.01).all()


def test_maps_of_flips_and_crops_differ_but_not_wildly(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    study_uncertainty(classifier, pictures, out=out, options=OPTIONS)
    views = table_of(out)["eigen-cam/instability views"]
    assert (views > 0).all()
    assert (views < 2).all()


def test_dropout_is_measured_where_there_is_some_and_its_absence_is_said(
    make_classifier: Callable[..., Classifier], pictures: EvaluationSet, tmp_path: Path
):
    plain, dropping = make_classifier(), make_classifier()
    network = dropping.network
    assert isinstance(network, nn.Sequential)
    dropping.network = nn.Sequential(nn.Dropout(0.3), *network)
    notes = {}
    for name, one in (("plain", plain), ("dropping", dropping)):
        options = replace(OPTIONS, methods=("eigen-cam",), sanity=False)
        notes[name] = study_uncertainty(one, pictures, out=tmp_path / name, options=options).notes
    assert any("no instability under dropout" in note for note in notes["plain"])
    assert not any("no instability under dropout" in note for note in notes["dropping"])
    assert np.isnan(table_of(tmp_path / "plain")["eigen-cam/instability dropout"]).all()
    assert (table_of(tmp_path / "dropping")["eigen-cam/instability dropout"] > 0).all()


def test_two_settings_of_one_method_are_two_rows(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    methods = {**find_methods("eigen-cam"), "centred": EigenCAM(center=True)}
    record = study_uncertainty(
        classifier, pictures, out=out, options=replace(OPTIONS, methods=methods)
    )
    rows = record.tables[0]["rows"]
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == ["eigen-cam", "centred"]
    table = table_of(out)
    assert not np.array_equal(table["eigen-cam/area"], table["centred/area"])


def test_a_network_of_two_classes_has_two_contestants(
    make_classifier: Callable[..., Classifier], box_folder: Callable[..., Path], out: Path
):
    two = make_classifier(outputs=2, names=None)
    folder = box_folder(3)
    (folder / "boxes.csv").unlink()
    study_uncertainty(two, open_evaluation_set(folder, two), out=out, options=OPTIONS)
    contested = table_of(out)["grad-cam/contested"]
    assert ((contested >= 0) | np.isnan(contested)).all()


def test_what_cannot_be_measured_is_refused(
    classifier: Classifier, pictures: EvaluationSet, out: Path
):
    for options, message in (
        (replace(OPTIONS, methods=("dff",)), "a map per concept"),
        (replace(OPTIONS, reference="cat"), "no row to compare with 'cat'"),
    ):
        with pytest.raises(OptionError, match=message):
            study_uncertainty(classifier, pictures, out=out, options=options)
    with pytest.raises(OptionError, match="must not be negative"):
        UncertaintyOptions(dropout_runs=-1)
