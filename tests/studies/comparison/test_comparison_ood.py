"""Unknown images: the table against scikit-learn, and where unknown images come from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve
from torch import nn

from figureground.base.errors import OptionError
from figureground.data.labeled import LabeledImages
from figureground.models.predicting import predict
from figureground.studies.comparison.arms import Arm, read_arms
from figureground.studies.comparison.held_out import HeldOut, ImageSet, held_out
from figureground.studies.comparison.measures import Findings, unknown_images
from figureground.studies.comparison.predictions import Prediction
from figureground.studies.comparison.unknown import UnknownSet, unknown_sets
from figureground.studies.training.runs import TrainedRun

Rows = Callable[..., list[dict[str, object]]]


class Given(UnknownSet):
    """An unknown set that is given."""

    def __init__(self, held: ImageSet) -> None:
        self.name, self._held = held.name, held

    def of(self, run: TrainedRun) -> ImageSet:
        return self._held


def noise(count: int, seed: int) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 1, 2, 2), generator=numbers, dtype=torch.uint8)


def test_the_table_is_scikit_learns(toy_run: Callable[..., TrainedRun], tables_of: Rows):
    linear = nn.Linear(4, 4)
    linear.weight.data.copy_(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)))
    network = nn.Sequential(nn.Flatten(), linear)
    run = toy_run(network, background=True)
    known, unknown = noise(60, 0), noise(40, 1) // 2
    logits_of_known = predict(run.classifier, known, batch_size=7)
    one = Prediction(run, logits_of_known, torch.zeros(60).long(), 0)
    held = ImageSet("dark", LabeledImages(unknown, torch.full((40,), -1), ()))
    told: list[TrainedRun] = []
    found = Findings()
    unknown_images(found, {"bg": [one]}, [Given(held)], batch_size=16, report=told.append)
    rows = {row["score"]: row for row in tables_of(found.tables[0])}
    assert found.values["dark: AUROC ↑"]["bg"][0] == pytest.approx(rows["s2"]["AUROC ↑"], abs=1e-4)
    assert list(rows) == ["s1", "s2", "s3", "msp", "energy"]
    assert told == [run]
    with torch.no_grad():
        logits = [run.classifier(part.float() / 255).double().numpy() for part in (known, unknown)]
    for name, score in {
        "s1": lambda z: np.exp(z[:, 3]) / np.exp(z).sum(1),
        "msp": lambda z: 1 - (np.exp(z[:, :3]) / np.exp(z[:, :3]).sum(1, keepdims=True)).max(1),
        "energy": lambda z: -np.log(np.exp(z[:, :3]).sum(1)),
    }.items():
        both = np.concatenate([score(part) for part in logits])
        truth = np.repeat([0, 1], [60, 40])
        assert rows[name]["AUROC ↑"] == pytest.approx(roc_auc_score(truth, both), abs=1e-4)
        # known images are the positives: low scores
        passed, kept, _ = roc_curve(1 - truth, -both, drop_intermediate=False)
        assert rows[name]["FPR95 ↓"] == pytest.approx(passed[kept >= 0.95 - 1e-9].min(), abs=1e-4)
        assert rows[name]["unknown images"] == 40


def test_without_a_background_output_there_are_two_scores(
    prediction: Callable[..., Prediction], tables_of: Rows
):
    one = prediction([[1.0, 0.0, 2.0]] * 3, [0, 1, 2])
    held = ImageSet("x", LabeledImages(noise(3, 0), torch.full((3,), -1), ()))
    found = Findings()
    unknown_images(found, {"plain": [one]}, [Given(held)], batch_size=2)
    rows = tables_of(found.tables[0])
    assert [row["score"] for row in rows] == ["msp", "energy"]


def runs_of(arms: tuple[Arm, ...]) -> list[TrainedRun]:
    return [run for arm in arms for run in arm.runs]


@pytest.fixture
def arms(runs: Path) -> tuple[Arm, ...]:
    return read_arms({"plain": [runs / "plain-0"], "bg": [runs / "bg-0"]})


@pytest.fixture
def images(arms: tuple[Arm, ...]) -> HeldOut:
    return held_out(arms, limit=30)


def test_made_sets_are_repeatable_and_limited(arms: tuple[Arm, ...], images: HeldOut):
    run = arms[0].runs[0]
    first, again = (
        unknown_sets(["noise", "patch-shuffle", "background"], runs_of(arms), images, seed=1)
        for _ in "ab"
    )
    for one, other in zip(first, again, strict=True):
        views = [each.of(run).view(run.classifier.preprocessing).pixels for each in (one, other)]
        assert views[0].shape == (30, 1, 12, 12)
        assert views[0].equal(views[1])


def test_patch_shuffled_images_are_the_test_images_in_another_order(
    arms: tuple[Arm, ...], images: HeldOut
):
    (shuffled,) = unknown_sets(["patch-shuffle"], runs_of(arms), images)
    run = arms[0].runs[0]
    made, original = shuffled.of(run).data, images.of(run).data
    for row in range(3):
        mine, theirs = (
            np.array(made.image(row).convert("L")),
            np.array(original.image(row).convert("L")),
        )
        assert not np.array_equal(mine, theirs)
        assert np.array_equal(np.sort(mine.ravel()), np.sort(theirs.ravel()))


def test_a_folder_of_images_is_unknown_to_all(
    arms: tuple[Arm, ...], images: HeldOut, tmp_path: Path
):
    for number in range(3):
        Image.new("RGB", (20, 16), (80 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (found,) = unknown_sets([str(tmp_path)], runs_of(arms), images)
    seen = found.of(arms[0].runs[0]).view(arms[0].runs[0].classifier.preprocessing).pixels
    assert seen.shape == (3, 1, 12, 12)
    assert [int(one.unique()) for one in seen] == [0, 24, 48]  # 0.299 of red


def test_a_name_that_stands_for_nothing_lists_what_would_do(arms: tuple[Arm, ...], images: HeldOut):
    with pytest.raises(
        OptionError, match=r"'nois': no such folder; known names: noise, patch-shuffle"
    ):
        unknown_sets(["nois"], runs_of(arms), images)
    with pytest.raises(OptionError, match="asked for twice"):
        unknown_sets(["noise", "noise"], runs_of(arms), images)
