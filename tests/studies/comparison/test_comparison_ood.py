"""Unknown pictures: the table against scikit-learn, and where unknown pictures come from."""

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
from figureground.studies.comparison.answers import Answer
from figureground.studies.comparison.arms import Arm, TrainedRun, read_arms
from figureground.studies.comparison.held_out import HeldOut, held_out
from figureground.studies.comparison.ood import ood_table
from figureground.studies.comparison.picture_sets import PictureSet, answered
from figureground.studies.comparison.unknown_sets import UnknownSet, unknown_sets

Rows = Callable[..., list[dict[str, object]]]


def noise(count: int, seed: int) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 1, 2, 2), generator=numbers, dtype=torch.uint8)


def test_the_table_is_scikit_learns(toy_run: Callable[..., TrainedRun], tables_of: Rows):
    linear = nn.Linear(4, 4)
    linear.weight.data.copy_(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)))
    network = nn.Sequential(nn.Flatten(), linear)
    run = toy_run(network, background=True)
    known, unknown = noise(60, 0), noise(40, 1) // 2
    answer = Answer(run, answered(run.classifier, known, batch_size=7), torch.zeros(60).long(), 0)
    held = PictureSet("dark", LabeledImages(unknown, torch.full((40,), -1), ()))
    told: list[TrainedRun] = []
    sets = [UnknownSet("dark", lambda _: held, "")]
    found = ood_table({"bg": [answer]}, sets, batch_size=16, told=told.append)
    rows = {row["score"]: row for row in tables_of(found)}
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
        # known pictures are the positives: low scores
        passed, kept, _ = roc_curve(1 - truth, -both, drop_intermediate=False)
        assert rows[name]["FPR95 ↓"] == pytest.approx(passed[kept >= 0.95 - 1e-9].min(), abs=1e-4)
        assert rows[name]["unknown pictures"] == 40


def test_without_a_background_output_there_are_two_scores(
    answer: Callable[..., Answer], tables_of: Rows
):
    one = answer([[1.0, 0.0, 2.0]] * 3, [0, 1, 2])
    held = PictureSet("x", LabeledImages(noise(3, 0), torch.full((3,), -1), ()))
    rows = tables_of(
        ood_table({"plain": [one]}, [UnknownSet("x", lambda _: held, "")], batch_size=2)
    )
    assert [row["score"] for row in rows] == ["msp", "energy"]


@pytest.fixture
def arms(runs: Path) -> tuple[Arm, ...]:
    return read_arms({"plain": [runs / "plain-0"], "bg": [runs / "bg-0"]})


@pytest.fixture
def pictures(arms: tuple[Arm, ...]) -> HeldOut:
    return held_out(arms, limit=30)


def test_made_sets_are_repeatable_and_limited(arms: tuple[Arm, ...], pictures: HeldOut):
    run = arms[0].runs[0]
    first, again = (
        unknown_sets(["noise", "patch-shuffle", "background"], arms, pictures, seed=1) for _ in "ab"
    )
    for one, other in zip(first, again, strict=True):
        views = [each.of(run).view(run.classifier.preprocessing).pixels for each in (one, other)]
        assert views[0].shape == (30, 1, 12, 12)
        assert views[0].equal(views[1])


def test_patch_shuffled_pictures_are_the_test_pictures_in_another_order(
    arms: tuple[Arm, ...], pictures: HeldOut
):
    (shuffled,) = unknown_sets(["patch-shuffle"], arms, pictures)
    run = arms[0].runs[0]
    made, original = shuffled.of(run).data, pictures.of(run).data
    for row in range(3):
        mine, theirs = (
            np.array(made.picture(row).convert("L")),
            np.array(original.picture(row).convert("L")),
        )
        assert not np.array_equal(mine, theirs)
        assert np.array_equal(np.sort(mine.ravel()), np.sort(theirs.ravel()))


def test_a_folder_of_pictures_is_unknown_to_all(
    arms: tuple[Arm, ...], pictures: HeldOut, tmp_path: Path
):
    for number in range(3):
        Image.new("RGB", (20, 16), (80 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (found,) = unknown_sets([str(tmp_path)], arms, pictures)
    seen = found.of(arms[0].runs[0]).view(arms[0].runs[0].classifier.preprocessing).pixels
    assert seen.shape == (3, 1, 12, 12)
    assert [int(one.unique()) for one in seen] == [0, 24, 48]  # 0.299 of red


def test_a_name_that_stands_for_nothing_lists_what_would_do(
    arms: tuple[Arm, ...], pictures: HeldOut
):
    with pytest.raises(
        OptionError, match=r"'nois': no such folder; known names: noise, patch-shuffle"
    ):
        unknown_sets(["nois"], arms, pictures)
    with pytest.raises(OptionError, match="asked for twice"):
        unknown_sets(["noise", "noise"], arms, pictures)
