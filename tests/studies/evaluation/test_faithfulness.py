"""Faithfulness: every number is that of the metric it is named after; which maps are one map; what has no number."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError
from figureground.methods import Explainer
from figureground.metrics.faithfulness import (
    arcc,
    faithfulness_correlation,
    infidelity,
    random_logit,
)
from figureground.metrics.faithfulness.adcc import adcc
from figureground.metrics.faithfulness.curves import area_under_curve, insertion_deletion
from figureground.metrics.faithfulness.drop import masked_confidence
from figureground.metrics.faithfulness.road import Removal, road
from figureground.metrics.faithfulness.sweep import Sweep
from figureground.metrics.robustness import map_sensitivity
from figureground.models import Classifier
from figureground.studies.evaluation.faithfulness import Faithfulness, _same_maps
from figureground.studies.evaluation.image_set import EvaluationSet, open_images

Run = Callable[..., Any]
OPTIONS = Faithfulness(
    methods=("grad-cam", "eigen-cam"), steps=3, fractions=(0.25, 0.5), batch_size=4, seed=3
)


@pytest.fixture
def six(classifier: Classifier, box_folder: Callable[..., Path]) -> EvaluationSet:
    return open_images(box_folder(6), classifier)


def metrics_by_hand(
    classifier: Classifier, images: EvaluationSet, classes: str
) -> dict[str, np.ndarray]:
    """The metrics themselves, of Grad-CAM."""
    found: dict[str, list[np.ndarray]] = {}
    for batch in images.batches(4):
        explainer = Explainer(classifier)
        chosen = batch.labels if classes == "true" else classifier(batch.images).argmax(1)

        def explain(some: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            return explainer(some, wanted, "grad-cam").map_of("grad-cam")[:, 0].relu()  # noqa: B023

        maps, pixels = explain(batch.images, chosen), 24 * 32
        curves = insertion_deletion(
            classifier, batch.images, maps, classes=chosen, sweep=Sweep(step_pixels=-(-pixels // 3))
        )
        seen = masked_confidence(classifier, batch.images, maps, classes=chosen)
        removal = Removal((0.25, 0.5), seed=3, tolerance=1e-4)
        values = {
            "insertion": area_under_curve(curves.insertion, curves.fractions),
            "deletion": area_under_curve(curves.deletion, curves.fractions),
            "average drop": seen.drop,
            "increase": seen.increase,
            "road": road(classifier, batch.images, maps, classes=chosen, removal=removal).combined,
            "adcc": adcc(classifier, batch.images, maps, explain=explain, classes=chosen).adcc,
        }
        for key, one in values.items():
            found.setdefault(key, []).append(one.detach().float().numpy())
    return {key: np.concatenate(several) for key, several in found.items()}


@pytest.mark.parametrize("classes", ["predicted", "true"])
def test_every_number_is_that_of_its_metric(
    classes: str, measure: Run, classifier: Classifier, six: EvaluationSet
):
    _, columns = measure(replace(OPTIONS, classes=classes), classifier, six)
    for key, values in metrics_by_hand(classifier, six, classes).items():
        np.testing.assert_allclose(
            columns[f"grad-cam/{key}"], values, rtol=1e-4, atol=1e-6, err_msg=key
        )


def test_the_record_holds_every_method_both_baselines_and_every_measure(
    measure: Run, classifier: Classifier, six: EvaluationSet
):
    record, columns = measure(OPTIONS, classifier, six)
    rows = ["grad-cam", "eigen-cam", "centre-gaussian", "random-map"]
    assert [row[0] for row in record.tables[0]["rows"]] == rows
    for row in rows:
        for one in Faithfulness.measures:
            assert columns[f"{row}/{one.key}"].shape == (6,)
        assert columns[f"{row}/insertion curve"].shape == (6, 4)
        assert columns[f"{row}/road most"].shape == (6, 2)
    insertion = record.tables[0]["rows"][1][1]
    assert insertion == pytest.approx(np.nanmean(columns["eigen-cam/insertion"]), abs=1e-4)
    assert [chart.title for chart in record.charts][:2] == ["Insertion", "Deletion"]
    assert [x for x, _ in record.charts[2].series["eigen-cam"]] == [0.25, 0.5]


def test_sampled_measures_are_those_of_their_metrics(
    measure: Run, classifier: Classifier, six: EvaluationSet, tmp_path: Path
):
    (tmp_path / "theirs").mkdir()
    for name in six.names:
        np.save(tmp_path / "theirs" / f"{Path(name).stem}.npy", np.eye(5, dtype=np.float32))
    options = replace(OPTIONS, samples=12, maps=(tmp_path / "theirs",))
    record, columns = measure(options, classifier, six)
    (table,) = [one for one in record.tables if one["title"] == "Samples of changed images"]
    assert [row[0] for row in table["rows"]][:3] == ["grad-cam", "eigen-cam", "theirs"]
    assert table["rows"][2][3:] == [None] * 3  # maps of a folder cannot be made anew
    found: dict[str, list[torch.Tensor]] = {}
    explainer = Explainer(classifier)

    def explain(some: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return explainer(some, wanted, "grad-cam").map_of("grad-cam")[:, 0].relu()

    for batch in six.batches(4):
        classes = classifier(batch.images).argmax(1)
        maps, count = explain(batch.images, classes), classifier(batch.images).shape[1]
        for key, removal in (
            ("correlation", faithfulness_correlation),
            ("infidelity", infidelity),
        ):
            one = removal(classifier, batch.images, maps, classes=classes, samples=12, seed=3)
            found.setdefault(key, []).append(one)
        moved = map_sensitivity(explain, batch.images, maps, classes=classes, samples=10, seed=3)
        found.setdefault("max-sensitivity", []).append(moved.largest)
        found.setdefault("average-sensitivity", []).append(moved.average)
        logit = random_logit(
            explain, batch.images, maps, classes=classes, num_classes=count, seed=3
        )
        found.setdefault("random logit", []).append(logit)
    for key, parts in found.items():
        np.testing.assert_allclose(
            columns[f"grad-cam/{key}"], torch.cat(parts).detach(), rtol=1e-3, atol=1e-6, err_msg=key
        )
    np.testing.assert_allclose(columns["eigen-cam/random logit"], 1, atol=1e-5)


def test_without_samples_none_is_measured(measure: Run, classifier: Classifier, six: EvaluationSet):
    record, columns = measure(OPTIONS, classifier, six)
    assert "grad-cam/infidelity" not in columns
    assert all(one["title"] != "Samples of changed images" for one in record.tables)
    parts = (columns[f"eigen-cam/{key}"] for key in ("coherency", "complexity", "road"))
    wanted = arcc(*(torch.from_numpy(one) for one in parts))
    np.testing.assert_allclose(columns["eigen-cam/arcc"], wanted, rtol=1e-5)
    assert (columns["eigen-cam/sparseness"] > columns["eigen-cam/complexity"] * 0).all()


def test_random_weights_and_random_maps_are_rows_of_their_own(
    measure: Run, classifier: Classifier, six: EvaluationSet
):
    _, columns = measure(replace(OPTIONS, methods=("random",)), classifier, six)
    assert not np.array_equal(columns["random/deletion"], columns["random-map/deletion"])


def test_methods_that_make_one_map_are_measured_once_and_said_so(
    measure: Run, classifier: Classifier, six: EvaluationSet
):
    record, columns = measure(replace(OPTIONS, methods=("cam", "hires-cam")), classifier, six)
    assert any("hires-cam = cam" in note for note in record.notes)
    assert np.array_equal(columns["cam/road"], columns["hires-cam/road"], equal_nan=True)


def test_maps_that_differ_in_one_image_are_not_one_map():
    images = torch.rand(3, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    one = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(1))
    other = one.clone()
    other[2, 0, 0] += 0.5
    blank = torch.zeros_like(one)
    found = _same_maps({"a": one, "b": 5 * one - 3, "c": other, "d": blank, "e": blank}, images)
    assert found == {"a": "a", "b": "a", "c": "c", "d": "d", "e": "d"}


def test_foreign_maps_are_a_row_without_coherency_and_missing_ones_are_counted(
    measure: Run, classifier: Classifier, six: EvaluationSet, tmp_path: Path
):
    folder = tmp_path / "theirs"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name in six.names[:-1]:
        np.save(folder / f"{Path(name).stem}.npy", draw.random((5, 7), np.float32))
    record, columns = measure(replace(OPTIONS, maps=(folder,)), classifier, six)
    assert record.problems["map-missing"] == 1
    for one in Faithfulness.measures:
        undefined = np.isnan(columns[f"theirs/{one.key}"]).tolist()
        assert undefined == (
            [True] * 6 if one.key in {"coherency", "adcc", "arcc"} else [False] * 5 + [True]
        )


def test_half_precision_scores_hardly_move_the_numbers(
    measure: Run, classifier: Classifier, six: EvaluationSet, tmp_path: Path
):
    found = {}
    for precision in (None, "bf16"):
        options = replace(OPTIONS, precision=precision)
        _, columns = measure(options, classifier, six, tmp_path / str(precision))
        found[precision] = columns["eigen-cam/deletion"]
    np.testing.assert_allclose(found["bf16"], found[None], atol=0.02)
    assert not np.array_equal(found["bf16"], found[None])


def test_random_maps_differ_by_batch_image_and_seed_and_by_nothing_else(six: EvaluationSet):
    first, second = (
        batch.on(torch.device("cpu"), at) for at, batch in enumerate(six.batches(3, range(6)))
    )
    again = replace(first, images=1 - first.images)
    maps = [OPTIONS.baseline("random-map", one) for one in (first, again, second)]
    assert maps[0].shape == (3, 7, 7)
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])
    assert not torch.equal(maps[0][0], maps[0][1])
    assert not torch.equal(maps[0], replace(OPTIONS, seed=4).baseline("random-map", first))
    # for a changed image the map is another one: a random map is not coherent
    assert not torch.equal(maps[0], OPTIONS.baseline("random-map", first, offset=1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": "both"}, "no classes 'both'"),
        ({"steps": 1}, "steps must be at least 2, got 1"),
        ({"fractions": (0.5, 1.5)}, "fractions must be at most 1, got 1.5"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
        ({"samples": 1}, "samples must be 0 or at least 2, got 1"),
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, Sequence[float]], message: str):
    with pytest.raises(OptionError, match=message):
        Faithfulness(**wrong)  # type: ignore[arg-type]


def test_curves_bear_their_own_names(measure: Run, classifier: Classifier, six: EvaluationSet):
    record, columns = measure(replace(OPTIONS, methods=("eigen-cam",)), classifier, six)
    (batch,) = six.batches(6)
    with torch.no_grad():
        shares = classifier(batch.images).softmax(1)
    whole = shares.amax(1).numpy()  # the probability of the predicted class of the whole image
    np.testing.assert_allclose(columns["eigen-cam/insertion curve"][:, -1], whole, atol=1e-5)
    np.testing.assert_allclose(columns["eigen-cam/deletion curve"][:, 0], whole, atol=1e-5)
    assert not np.allclose(columns["eigen-cam/deletion curve"][:, -1], whole, atol=1e-5)
    most, least = (columns[f"eigen-cam/road {which}"] for which in ("most", "least"))
    np.testing.assert_allclose(
        columns["eigen-cam/road"], ((least - most) / 2).mean(1), rtol=1e-4, atol=1e-7
    )
    for chart, key in zip(record.charts, ("insertion curve", "deletion curve"), strict=False):
        wanted = columns[f"eigen-cam/{key}"].mean(0)
        assert [y for _, y in chart.series["eigen-cam"]] == pytest.approx(wanted, abs=1e-4)


def test_images_with_the_largest_gaps_to_the_baseline_are_drawn(
    measure: Run, classifier: Classifier, six: EvaluationSet
):
    record, columns = measure(replace(OPTIONS, methods=("grad-cam",)), classifier, six)
    assert [case.kind for case in record.cases] == ["worst"] * 3 + ["best"] * 3
    assert {case.measure for case in record.cases} == {"ROAD"}
    best = max(OPTIONS.baselines, key=lambda row: columns[f"{row}/road"].mean())
    gaps = columns["grad-cam/road"].astype(np.float64) - columns[f"{best}/road"]
    order = np.argsort(gaps, kind="stable")
    names = columns["name"][order].tolist()
    assert [case.name for case in record.cases] == names[:3] + names[:2:-1]
    worst = record.cases[0]
    assert worst.overlap == pytest.approx(columns["grad-cam/road"][order[0]], abs=1e-3)
    assert worst.overlap - worst.baseline_overlap == pytest.approx(gaps.min(), abs=2e-3)
    assert all(case.picture.startswith("data:image/jpeg;base64,") for case in record.cases)
