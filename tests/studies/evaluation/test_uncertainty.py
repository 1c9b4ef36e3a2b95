"""Uncertainty: what the numbers of maps are, and what agrees with what."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.methods import EigenCAM, Explainer, find_methods
from figureground.metrics.uncertainty.augmentations import (
    identity_augmentation,
    standard_augmentations,
)
from figureground.metrics.uncertainty.class_overlap import class_overlap
from figureground.metrics.uncertainty.spread import cam_area, cam_entropy
from figureground.metrics.uncertainty.variation import cam_variation
from figureground.models import Classifier
from figureground.models.changed_copies import mc_dropout_copies
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.uncertainty import Uncertainty, spread_of, variation_of

Run = Callable[..., Any]
OPTIONS = Uncertainty(methods=("cam", "grad-cam", "eigen-cam"), batch_size=4)


@pytest.fixture
def six(classifier: Classifier, box_folder: Callable[..., Path]) -> EvaluationSet:
    return open_images(box_folder(6), classifier)


def test_a_class_free_map_is_the_same_for_another_class_and_below_a_randomised_head(
    measure: Run, classifier: Classifier, six: EvaluationSet
):
    _, columns = measure(OPTIONS, classifier, six)
    np.testing.assert_allclose(columns["eigen-cam/another class"], 1, atol=1e-5)
    np.testing.assert_allclose(columns["eigen-cam/top 1 of 3 layers"], 1, atol=1e-5)
    assert (columns["eigen-cam/top 3 of 3 layers"] < 0.999).all()
    other = columns["cam/another class"]
    assert (other[~np.isnan(other)] < 0.999).all()


def test_area_entropy_and_class_overlap_are_the_metrics_of_the_best_classes(
    measure: Run, classifier: Classifier, six: EvaluationSet
):
    record, columns = measure(OPTIONS, classifier, six)
    (batch,) = six.batches(6)
    top = classifier(batch.images).topk(3, dim=1).indices
    maps = Explainer(classifier)(batch.images, top, "grad-cam").map_of("grad-cam").relu().detach()
    sized = nn.functional.interpolate(maps, (24, 32), mode="bilinear")
    expected = {
        "area": cam_area(sized[:, 0]),
        "entropy": cam_entropy(sized[:, 0]),
        "overlap": class_overlap(maps),
    }
    for key, values in expected.items():
        np.testing.assert_allclose(columns[f"grad-cam/{key}"], values, atol=1e-5, err_msg=key)
    assert np.array_equal(columns["predicted"], top[:, 0])
    assert np.isnan(columns["eigen-cam/overlap"]).all()
    assert [chart.title for chart in record.charts] == ["Parameter randomisation"]


def test_a_network_with_the_same_weights_varies_not_at_all_and_another_does(
    measure: Run,
    make_classifier: Callable[..., Classifier],
    six: EvaluationSet,
    tmp_path: Path,
):
    found = []
    for seed in (0, 1):
        options = replace(OPTIONS, other_seeds=(make_classifier(seed=seed),), sanity=False)
        _, columns = measure(options, make_classifier(), six, tmp_path / str(seed))
        found.append(columns["eigen-cam/variation seeds"])
    np.testing.assert_allclose(found[0], 0, atol=1e-5)
    assert (found[1] > 0.01).all()


def test_another_network_of_other_seeds_is_measured_anew(
    measure: Run, make_classifier: Callable[..., Classifier], six: EvaluationSet
):
    """Both are called "toy"; only their weights differ."""
    found = []
    for seed in (0, 1):
        options = replace(OPTIONS, other_seeds=(make_classifier(seed=seed),), sanity=False)
        found.append(measure(options, make_classifier(), six)[1]["eigen-cam/variation seeds"])
    assert (found[1] > found[0] + 0.01).all()


def test_variation_of_augmentations_is_deviation_over_mean_of_maps_laid_back(
    classifier: Classifier, six: EvaluationSet
):
    (batch,) = six.batches(6)
    network = Subject(classifier, "grad-cam", classes="predicted")
    classes = classifier(batch.images).argmax(1)
    runs = [(network, one) for one in standard_augmentations()]
    found = variation_of(runs, batch.images, classes)["grad-cam"]
    stacks = []
    for augmentation in standard_augmentations():
        maps = network.maps(augmentation.change(batch.images), classes[:, None])["grad-cam"][:, 0]
        sized = nn.functional.interpolate(maps.detach().relu()[:, None], (24, 32), mode="bilinear")
        stacks.append(augmentation.align(sized[:, 0]))
    stack = torch.stack(stacks)
    stack = stack / stack.amax((2, 3), keepdim=True).clamp_min(1e-12)
    assert found.shape == (6,)
    assert ((found > 0) & (found < 2)).all()
    same = [(network, identity_augmentation())] * 3
    np.testing.assert_allclose(variation_of(same, batch.images, classes)["grad-cam"], 0, atol=1e-6)
    assert not torch.equal(stack[0], stack[1])


def test_dropout_is_measured_where_there_is_some_and_its_absence_is_said(
    measure: Run, make_classifier: Callable[..., Classifier], six: EvaluationSet, tmp_path: Path
):
    plain, dropping = make_classifier(), make_classifier()
    network = dropping.network
    assert isinstance(network, nn.Sequential)
    dropping.network = nn.Sequential(nn.Dropout(0.3), *network)
    notes, columns = {}, {}
    for name, one in (("plain", plain), ("dropping", dropping)):
        options = replace(OPTIONS, methods=("eigen-cam",), sanity=False)
        record, columns[name] = measure(options, one, six, tmp_path / name)
        notes[name] = record.notes
    assert any("no variation under MC dropout" in note for note in notes["plain"])
    assert not any("no variation under MC dropout" in note for note in notes["dropping"])
    assert np.isnan(columns["plain"]["eigen-cam/variation dropout"]).all()
    assert (columns["dropping"]["eigen-cam/variation dropout"] > 0).all()
    assert len(mc_dropout_copies(dropping, runs=OPTIONS.dropout_runs, seed=0)) == 4


def test_two_settings_of_one_method_are_two_rows(
    measure: Run, classifier: Classifier, six: EvaluationSet
):
    methods = {**find_methods("eigen-cam"), "centred": EigenCAM(center=True)}
    record, columns = measure(replace(OPTIONS, methods=methods), classifier, six)
    assert [row[0] for row in record.tables[0]["rows"]] == ["eigen-cam", "centred"]
    assert not np.array_equal(columns["eigen-cam/area"], columns["centred/area"])


def test_signed_maps_keep_what_relu_removes(
    measure: Run, classifier: Classifier, six: EvaluationSet, tmp_path: Path
):
    """A head with both signs makes Grad-CAM negative in places."""
    assert isinstance(classifier.network, nn.Sequential)
    with torch.no_grad():
        classifier.network[-1].weight[:, ::2] *= -1  # type: ignore[operator,index]
    areas = [
        measure(replace(OPTIONS, signed=signed), classifier, six, tmp_path / str(signed))[1]
        for signed in (False, True)
    ]
    assert not np.array_equal(areas[0]["grad-cam/entropy"], areas[1]["grad-cam/entropy"])
    (batch,) = six.batches(6)
    classes = classifier(batch.images).argmax(1)
    maps = Explainer(classifier)(batch.images, classes, "grad-cam").map_of("grad-cam")[:, 0]
    expected = spread_of(maps.detach(), (24, 32))
    np.testing.assert_allclose(areas[1]["grad-cam/area"], expected["area"], atol=1e-5)


def test_a_network_of_two_classes_has_two_leading_classes(
    measure: Run, make_classifier: Callable[..., Classifier], box_folder: Callable[..., Path]
):
    two = make_classifier(outputs=2, names=None)
    folder = box_folder(3)
    (folder / "boxes.csv").unlink()
    _, columns = measure(OPTIONS, two, open_images(folder, two))
    overlap = columns["grad-cam/overlap"]
    assert ((overlap >= 0) | np.isnan(overlap)).all()


def test_a_negative_number_of_runs_is_refused():
    with pytest.raises(OptionError, match="dropout_runs must be at least 0, got -1"):
        Uncertainty(dropout_runs=-1)


def test_less_than_two_copies_with_dropout_say_nothing_of_variation(
    measure: Run, make_classifier: Callable[..., Classifier], six: EvaluationSet, tmp_path: Path
):
    dropping = make_classifier()
    network = dropping.network
    assert isinstance(network, nn.Sequential)
    dropping.network = nn.Sequential(nn.Dropout(0.3), *network)
    found = {}
    for runs in (0, 1, 2):
        options = replace(OPTIONS, methods=("eigen-cam",), sanity=False, dropout_runs=runs)
        _, columns = measure(options, dropping, six, tmp_path / str(runs))
        found[runs] = columns["eigen-cam/variation dropout"]
    assert np.isnan(found[0]).all()
    assert np.isnan(found[1]).all()
    assert (found[2] > 0).all()


def test_without_signs_variation_is_of_what_is_above_zero(
    classifier: Classifier, six: EvaluationSet
):
    (batch,) = six.batches(6)
    assert isinstance(classifier.network, nn.Sequential)
    with torch.no_grad():
        classifier.network[-1].weight[:, ::2] *= -1  # type: ignore[operator,index]
    network = Subject(classifier, "grad-cam", classes="predicted")
    classes = classifier(batch.images).argmax(1)
    runs = [(network, one) for one in standard_augmentations()]
    for signed in (False, True):
        stacks = []
        for _, augmentation in runs:
            changed = augmentation.change(batch.images)
            maps = Explainer(classifier)(changed, classes, "grad-cam").map_of("grad-cam").detach()
            sized = nn.functional.interpolate(
                maps if signed else maps.relu(), (24, 32), mode="bilinear"
            )
            stacks.append(augmentation.align(sized[:, 0]))
        wanted = cam_variation(torch.stack(stacks))
        found = variation_of(runs, batch.images, classes, signed=signed)["grad-cam"]
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_images_whose_maps_vary_most_and_least_are_shown(
    measure: Run, classifier: Classifier, six: EvaluationSet
):
    record, columns = measure(OPTIONS, classifier, six)
    for row in ("cam", "eigen-cam"):
        varied = columns[f"{row}/variation augmentations"]
        mine = [case for case in record.cases if case.method == row]
        assert mine[0].overlap == pytest.approx(np.nanmax(varied), abs=1e-3)
        assert mine[3].overlap == pytest.approx(np.nanmin(varied), abs=1e-3)
        assert [case.kind for case in mine] == ["worst"] * 3 + ["best"] * 3
