"""Accuracy, calibration and tests of significance, against closed forms and scikit-learn."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss

from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.measures import Findings, costs, quality
from figureground.studies.comparison.predictions import Prediction, over_runs, spread
from figureground.studies.training.runs import TrainedRun

Rows = Callable[..., list[dict[str, object]]]


def random_logits(seed: int, outputs: int = 4) -> torch.Tensor:
    return 3 * torch.randn(200, outputs, generator=torch.Generator().manual_seed(seed))


def slow_ece(logits: np.ndarray, labels: np.ndarray) -> float:
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    total = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        rows = [i for i in range(len(labels)) if low < shares[i].max() <= high]
        if rows:
            right = np.mean([shares[i].argmax() == labels[i] for i in rows])
            total += len(rows) * abs(right - np.mean([shares[i].max() for i in rows]))
    return total / len(labels)


def test_the_background_output_is_dropped_before_everything(
    prediction: Callable[..., Prediction], tables_of: Rows
):
    labels = torch.arange(200) % 4
    logits = torch.cat([random_logits(0), torch.full((200, 1), 99.0)], 1)
    one = prediction(logits, labels, background=True)
    found = Findings()
    quality(found, {"bg": [one]})
    (row,) = tables_of(found.tables[0])
    plain = logits[:, :4].double().numpy()
    shares = np.exp(plain) / np.exp(plain).sum(1, keepdims=True)
    assert row["accuracy ↑"] == pytest.approx(accuracy_score(labels, plain.argmax(1)))
    assert row["errors ↓"] == pytest.approx(200 * (1 - accuracy_score(labels, plain.argmax(1))))
    assert row["NLL ↓"] == pytest.approx(log_loss(labels, shares, labels=range(4)), abs=1e-6)
    assert row["ECE ↓"] == pytest.approx(slow_ece(plain, labels.numpy()), abs=1e-6)
    assert row["accuracy sd"] is None


def test_an_arm_is_the_mean_of_its_runs_with_their_deviation(
    prediction: Callable[..., Prediction], tables_of: Rows
):
    right, wrong = [[9.0, 0.0]] * 4, [[0.0, 9.0]] * 4
    given = [
        prediction(right, [0, 0, 0, 0]),
        prediction(right[:1] + wrong[:3], [0, 0, 0, 0], seed=1),
    ]
    found = Findings()
    assert quality(found, {"x": given})[0]["rows"] == []  # no other arm to test against
    arms, runs = map(tables_of, found.tables)
    assert found.values["accuracy ↑"] == {"x": {0: 1.0, 1: 0.25}}
    assert arms[0]["accuracy ↑"] == 0.625
    assert arms[0]["accuracy sd"] == pytest.approx(np.std([1.0, 0.25], ddof=1), abs=1e-6)
    assert arms[0]["errors ↓"] == 1.5
    assert [run["errors ↓"] for run in runs] == [0, 3]
    assert [run["seed"] for run in runs] == [0, 1]


def test_numbers_per_image_are_averaged_over_seeds(prediction: Callable[..., Prediction]):
    given = [
        prediction([[9.0, 0.0], [0.0, 0.0]], [0, 0]),
        prediction([[0.0, 9.0], [9.0, 0.0]], [0, 0], seed=1),
    ]
    findings = Findings()
    quality(findings, {"x": given})
    found = findings.columns
    assert found["x/accuracy"].tolist() == [0.5, 1.0]
    sure = np.log1p(np.exp(-9.0))
    assert found["x/nll"] == pytest.approx(
        [(sure + 9 + sure) / 2, (np.log(2) + sure) / 2], rel=1e-6
    )


def test_images_of_other_divisions_are_pooled_not_averaged():
    values = [
        (5, torch.tensor([1.0])),
        (2, torch.tensor([3.0, torch.nan])),
        (2, torch.tensor([5.0, torch.nan])),
    ]
    found = over_runs(values)
    assert found[:1].tolist() == [4.0]
    assert found[1].isnan()
    assert found[2:].tolist() == [1.0]


def test_a_number_that_one_run_leaves_undefined_is_that_of_the_others():
    values = [(0, torch.tensor([1.0, torch.nan])), (0, torch.tensor([3.0, 8.0]))]
    assert over_runs(values).tolist() == [2.0, 8.0]


def test_mcnemar_counts_disagreements_of_runs_of_equal_seed(
    prediction: Callable[..., Prediction], tables_of: Rows
):
    labels = [0] * 6
    all_right, last_right = [[1.0, 0.0]] * 6, [[0.0, 1.0]] * 5 + [[1.0, 0.0]]
    predictions = {
        "plain": [prediction(last_right, labels, seed=3), prediction(all_right, labels, seed=4)],
        "bg": [
            prediction(all_right, labels, seed=4),
            prediction(all_right, labels, seed=3),
            prediction(all_right, labels, seed=8),
        ],
    }
    found = {row["seed"]: row for row in tables_of(quality(Findings(), predictions)[0])}
    assert set(found) == {3, 4}
    assert (found[3]["only this right"], found[3]["only reference right"]) == (5, 0)
    assert found[3]["p"] == 0.0625  # 2 · (1/2)⁵
    assert (found[4]["only this right"], found[4]["p"]) == (0, 1.0)


def test_single_runs_are_paired_whatever_their_seeds(
    prediction: Callable[..., Prediction], tables_of: Rows
):
    predictions = {
        "plain": [prediction([[1.0, 0.0]], [0], seed=1)],
        "bg": [prediction([[0.0, 1.0]], [0], seed=2)],
    }
    (row,) = tables_of(quality(Findings(), predictions)[0])
    assert (row["seed"], row["its seed"], row["only reference right"]) == (2, 1, 1)


def test_costs_come_from_the_records(toy_run: Callable[..., TrainedRun], tables_of: Rows):
    found = Findings()
    costs(found, [Arm("x", (toy_run(seed=0), toy_run(seed=2)))])
    (row,) = tables_of(found.tables[0])
    assert row["images"] == 20
    assert row["steps"] == 11.0
    assert row["parameters"] == 12
    assert row["training seconds"] == 1.5
    assert row["device"] == "cpu"


def test_spread_divides_by_one_less():
    assert spread([1, 2, 6]) == pytest.approx((3.0, np.std([1, 2, 6], ddof=1)))
