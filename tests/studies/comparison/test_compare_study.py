"""The whole comparison on small runs, and its parts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import OptionError
from figureground.base.record import read_json
from figureground.maps import resize
from figureground.methods import Explainer, find_methods
from figureground.metrics.robustness.corruptions import corrupt
from figureground.metrics.uncertainty.spread import cam_area, cam_entropy
from figureground.studies.comparison.answers import answers_of
from figureground.studies.comparison.arms import Arm, read_arms
from figureground.studies.comparison.compare import compare
from figureground.studies.comparison.corrupted import corrupted_accuracy, corruption_tables
from figureground.studies.comparison.held_out import held_out
from figureground.studies.comparison.map_uncertainty import map_columns
from figureground.studies.comparison.pictures import picture_sheet
from figureground.studies.comparison.record import CompareOptions
from figureground.studies.comparison.sheet import joined
from figureground.studies.trained import load_trained

Rows = Callable[..., list[dict[str, Any]]]
SMALL = CompareOptions(
    corrupted=12, corruptions=("contrast", "jpeg"), maps=12, pictures=4, batch_size=16
)


@pytest.fixture
def arms(runs: Path) -> tuple[Arm, ...]:
    return read_arms(
        {
            "plain": [runs / "plain-0", runs / "plain-1"],
            "bg": [runs / "bg-0", runs / "bg-1"],
        }
    )


def table(record: Any, title: str) -> dict[str, Any]:
    return next(one for one in record.tables if one["title"] == title)


def test_an_arm_compared_with_itself_does_not_differ(runs: Path, tmp_path: Path, tables_of: Rows):
    arms = read_arms({"one": [runs / "bg-0"], "again": [runs / "bg-0"]})
    record = compare(arms, out=tmp_path, limit=40, options=SMALL)
    rows = [
        row
        for one in record.tables
        if "differences" in one["title"].lower()
        for row in tables_of(one)
    ]
    assert {row["measure"] for row in rows} >= {
        "accuracy ↑",
        "NLL ↓",
        "corrupted accuracy ↑",
        "area",
    }
    for row in rows:
        if row["images"]:  # a map may be blank after so short a training
            assert (row["difference"], row["low"], row["high"], row["differs"]) == (0, 0, 0, False)
    (pair,) = tables_of(table(record, "McNemar's test"))
    assert (pair["only this right"], pair["only reference right"], pair["p"]) == (0, 0, 1.0)
    assert all(row.why == "drawn" for row in record.pictures)


def test_the_folder_is_complete_and_the_record_last(
    arms: tuple[Arm, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    written: list[str] = []
    whole = Path.replace

    def noted(self: Path, target: Path) -> Path:
        written.append(Path(target).name)
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    stages: dict[str, tuple[int, int]] = {}
    record = compare(
        arms, out=tmp_path, limit=30, options=SMALL,
        watch=lambda stage, done, total: stages.__setitem__(stage, (done, total)),
    )  # fmt: skip
    assert written == ["per_image.npz", "pictures.png", "record.json"]
    assert stages == {
        "test pictures": (4, 4), "unknown pictures": (8, 8), "corrupted pictures": (4, 4), "maps": (4, 4),
        "pictures": (1, 1),
    }  # fmt: skip
    stored = read_json(tmp_path / "record.json")
    assert (stored["schema"], stored["kind"], stored["images"]) == (1, "comparison", 30)
    assert stored["arms"]["bg"] == [str(run.folder) for run in arms[1].runs]
    assert len(stored["pictures"]) == len(record.pictures) == 4
    assert [cell["title"] for cell in stored["pictures"][0]["cells"]] == [
        "input", "plain · grad-cam", "bg · grad-cam", "plain · concepts", "bg · concepts",
    ]  # fmt: skip
    assert all(
        cell["picture"].startswith("data:image/")
        for row in stored["pictures"]
        for cell in row["cells"]
    )
    columns = np.load(tmp_path / "per_image.npz")
    assert columns["bg/accuracy"].shape == (30,)
    assert columns["bg/corrupted"].shape == columns["bg/area"].shape == (12,)
    with Image.open(tmp_path / "pictures.png") as sheet:
        assert sheet.width > 5 * 144


def test_an_earlier_record_does_not_outlive_a_comparison_that_failed(
    arms: tuple[Arm, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "record.json").write_text("{}")

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("figureground.studies.comparison.job.answers_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        compare(arms, out=tmp_path, limit=10, options=SMALL)
    assert not (tmp_path / "record.json").exists()


def test_parts_can_be_left_out(arms: tuple[Arm, ...], tmp_path: Path):
    bare = CompareOptions(unknown=(), corrupted=0, maps=0, pictures=0)
    record = compare(arms, out=tmp_path, limit=10, options=bare)
    titles = [one["title"] for one in record.tables]
    expected = [
        "Accuracy and calibration",
        "Every run",
        "Differences",
        "McNemar's test",
        "Differences over seeds",
        "Cost of training",
    ]
    assert titles == expected
    assert not (tmp_path / "pictures.png").exists()


def test_the_reported_accuracy_is_that_of_the_networks_known_outputs(
    runs: Path, arms: tuple[Arm, ...], tmp_path: Path, tables_of: Rows
):
    bare = CompareOptions(unknown=(), corrupted=0, maps=0, pictures=0)
    record = compare(arms, out=tmp_path, limit=50, options=bare)
    held = held_out(arms, limit=50).of(arms[0].runs[0])
    for row in tables_of(table(record, "Every run")):
        classifier = load_trained(Path(row["run"]))
        seen = held.view(classifier.preprocessing)
        with torch.no_grad():
            best = classifier(seen.pixels.float() / 255)[:, :10].argmax(1)
        assert row["accuracy ↑"] == pytest.approx(sum(map(int, best == seen.labels)) / 50)


def test_corrupted_accuracy_is_counted_one_by_one(arms: tuple[Arm, ...], tables_of: Rows):
    pictures = held_out(arms, limit=9)
    answers = answers_of(arms, pictures, batch_size=9)
    found = corrupted_accuracy(answers, pictures, names=("contrast",), batch_size=4)
    run = arms[0].runs[1]
    seen = pictures.of(run).view(run.classifier.preprocessing)
    for severity in range(1, 6):
        right = 0
        for row in range(9):
            worse = corrupt(seen.pixels[row : row + 1].float() / 255, "contrast", severity, seed=0)
            with torch.no_grad():
                right += int(run.classifier(worse)[0, :10].argmax() == seen.labels[row])
        assert found["plain"].accuracy[1, 0, severity - 1] == pytest.approx(right / 9)
    assert found["plain"].per_picture.mean() == pytest.approx(found["plain"].accuracy.mean())
    line = tables_of(corruption_tables(found, ("contrast",))[0])[0]
    assert (
        line["mean ↑"]
        == line["contrast"]
        == pytest.approx(found["plain"].accuracy.mean(), abs=1e-4)
    )


def test_map_numbers_are_those_of_each_map_of_the_true_class(arms: tuple[Arm, ...]):
    one_arm = arms[1:]
    pictures = held_out(arms, limit=6)
    answers = answers_of(one_arm, pictures, batch_size=6)
    found = map_columns(answers, pictures, find_methods("cam"), limit=6, batch_size=4)
    area, entropy = np.zeros((2, 6)), np.zeros((2, 6))
    for at, run in enumerate(one_arm[0].runs):
        seen = pictures.of(run).view(run.classifier.preprocessing)
        for row in range(6):
            image = seen.pixels[row : row + 1].float() / 255
            raw = Explainer(run.classifier)(image, int(seen.labels[row]), "cam").map_of("cam")[:, 0]
            sized = resize(raw.relu(), (12, 12))
            area[at, row], entropy[at, row] = cam_area(sized).item(), cam_entropy(sized).item()
    for name, expected in (("area", area), ("entropy", entropy)):
        shown = ~np.isnan(expected).all(0)
        assert shown.any()
        np.testing.assert_allclose(
            found[f"bg/{name}"][shown], np.nanmean(expected[:, shown], 0), rtol=1e-4
        )
    inside = found["bg/energy in boxes"]
    assert ((inside >= 0) & (inside <= 1) | np.isnan(inside)).all()


def test_shown_pictures_are_drawn_and_disputed(arms: tuple[Arm, ...]):
    pictures = held_out(arms, limit=60)
    answers = answers_of(arms, pictures, batch_size=60)
    (method,) = find_methods("grad-cam").values()
    sheet = picture_sheet(answers, pictures, method, count=6, seed=1)
    again = picture_sheet(answers, pictures, method, count=6, seed=1)
    assert [row.number for row in sheet.rows] == [row.number for row in again.rows]
    assert len({row.number for row in sheet.rows}) == 6
    for row in sheet.rows:
        guesses = set(row.predicted.values())
        assert row.why == "drawn" or len(guesses) == 2
    differ = int((answers["plain"][0].known.argmax(1) != answers["bg"][0].known.argmax(1)).sum())
    assert sum(row.why == "disagreement" for row in sheet.rows) <= min(3, differ)
    assert set(sheet.background_share) == {"bg"}
    assert 0 <= sheet.background_share["bg"] <= 1
    assert len(sheet.concepts["plain"]) == 5
    whole = joined(sheet.rows)
    cell = sheet.rows[0].cells["input"]
    assert np.array_equal(whole[18 : 18 + cell.shape[0], : cell.shape[1]], cell)


def test_options_that_cannot_be_are_refused():
    with pytest.raises(OptionError, match="no corruption 'fog'"):
        CompareOptions(corruptions=("fog",))
    with pytest.raises(OptionError, match="maps is 0 at least"):
        CompareOptions(maps=-1)
    with pytest.raises(OptionError, match="a map per concept"):
        CompareOptions(methods="dff")
