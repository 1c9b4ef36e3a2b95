"""The whole comparison on small runs, and its parts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.maps import resize
from figureground.maps.image_files import enlarged
from figureground.methods import Explainer, find_methods
from figureground.metrics.robustness.corruptions import corrupt
from figureground.metrics.uncertainty.spread import cam_area, cam_entropy
from figureground.studies.comparison import compare as compare_module
from figureground.studies.comparison.arms import Arm, read_arms
from figureground.studies.comparison.compare import compare
from figureground.studies.comparison.examples import example_sheet
from figureground.studies.comparison.held_out import held_out
from figureground.studies.comparison.maps import map_columns
from figureground.studies.comparison.measures import Findings, corruption
from figureground.studies.comparison.options import CompareOptions
from figureground.studies.comparison.predictions import predictions_of
from figureground.training.trained import load_trained

Rows = Callable[..., list[dict[str, Any]]]
SMALL = CompareOptions(
    limit=30, corrupted=12, corruptions=("contrast", "jpeg"), maps=12, examples=4, batch_size=16
)
BARE = CompareOptions(limit=10, ood=("none",), corrupted=0, maps=0, examples=0)


@pytest.fixture
def folders(runs: Path) -> dict[str, list[Path]]:
    return {name: [runs / f"{name}-{seed}" for seed in (0, 1)] for name in ("plain", "bg")}


@pytest.fixture
def arms(folders: dict[str, list[Path]]) -> tuple[Arm, ...]:
    return read_arms(folders)


def table(record: Any, title: str) -> dict[str, Any]:
    return next(one for one in record.tables if one["title"] == title)


def test_an_arm_compared_with_itself_does_not_differ(runs: Path, tmp_path: Path, tables_of: Rows):
    arms = {"one": [runs / "bg-0"], "again": [runs / "bg-0"]}
    record = compare(arms, out=tmp_path, options=replace(SMALL, limit=40))
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
    assert all(one.why == "drawn" for one in record.examples)


def test_the_folder_is_complete_and_the_record_last(
    folders: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    written: list[str] = []
    whole = Path.replace

    def noted(self: Path, target: Path) -> Path:
        written.append(Path(target).name)
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    stages: dict[str, tuple[int, int]] = {}
    record = compare(
        folders, out=tmp_path, options=SMALL,
        progress=lambda stage, done, total: stages.__setitem__(stage, (done, total)),
    )  # fmt: skip
    assert written == ["figureground.json", "per_image.npz", "examples.png", "record.json"]
    assert stages == {
        "test images": (4, 4), "unknown images": (8, 8), "corrupted images": (4, 4), "maps": (4, 4),
    }  # fmt: skip
    stored = read_json(tmp_path / "record.json")
    assert (stored["schema"], stored["kind"], stored["images"]) == (2, "comparison", 30)
    assert stored["arms"]["bg"] == [str(folder) for folder in folders["bg"]]
    assert len(stored["examples"]) == len(record.examples) == 4
    assert [cell["title"] for cell in stored["examples"][0]["cells"]] == [
        "input", "plain · grad-cam", "bg · grad-cam", "plain · concepts", "bg · concepts",
    ]  # fmt: skip
    assert all(
        cell["picture"].startswith("data:image/")
        for row in stored["examples"]
        for cell in row["cells"]
    )
    columns = np.load(tmp_path / "per_image.npz")
    assert columns["bg/accuracy"].shape == (30,)
    assert columns["bg/corrupted"].shape == columns["bg/area"].shape == (12,)
    with Image.open(tmp_path / "examples.png") as sheet:
        assert sheet.width > 5 * 144


def test_an_earlier_record_stays_until_a_comparison_has_results(
    folders: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "record.json").write_text('{"kind": "comparison"}')

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_module, "predictions_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        compare(folders, out=tmp_path, options=SMALL)
    assert (tmp_path / "record.json").read_text() == '{"kind": "comparison"}'


def test_parts_can_be_left_out(folders: dict[str, list[Path]], tmp_path: Path):
    record = compare(folders, out=tmp_path, options=BARE)
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
    assert not (tmp_path / "examples.png").exists()


def test_the_reported_accuracy_is_that_of_the_networks_known_outputs(
    folders: dict[str, list[Path]], arms: tuple[Arm, ...], tmp_path: Path, tables_of: Rows
):
    record = compare(folders, out=tmp_path, options=replace(BARE, limit=50))
    held = held_out(arms, limit=50).of(arms[0].runs[0])
    for row in tables_of(table(record, "Every run")):
        classifier = load_trained(Path(row["run"]))
        seen = held.view(classifier.preprocessing)
        with torch.no_grad():
            best = classifier(seen.pixels.float() / 255)[:, :10].argmax(1)
        assert row["accuracy ↑"] == pytest.approx(sum(map(int, best == seen.labels)) / 50)


@pytest.mark.parametrize("kind", ["contrast", "gaussian-noise"])
def test_corrupted_accuracy_is_counted_one_by_one(
    kind: str, arms: tuple[Arm, ...], tables_of: Rows
):
    images = held_out(arms, limit=9)
    predictions = predictions_of(arms, images, batch_size=9)
    found = Findings()
    corruption(found, predictions, images, names=(kind,), limit=9, batch_size=4)
    by_kind, by_severity = ({row["arm"]: row for row in tables_of(one)} for one in found.tables)
    expected = np.zeros((2, 5))
    for at, run in enumerate(arms[0].runs):
        seen = images.of(run).view(run.classifier.preprocessing)
        for severity in range(1, 6):
            for start in range(0, 9, 4):
                rows = slice(start, start + 4)
                seed = 5 * (start // 4) + severity - 1
                batch = seen.pixels[rows].float() / 255
                worse = corrupt(batch, kind, severity, seed=seed)
                for row, one in enumerate(worse, start=start):
                    with torch.no_grad():
                        best = run.classifier(one[None])[0, :10].argmax()
                    expected[at, severity - 1] += int(best == seen.labels[row]) / 9
    assert found.values["corrupted accuracy ↑"]["plain"][1] == pytest.approx(expected[1].mean())
    assert found.columns["plain/corrupted"].mean() == pytest.approx(expected.mean())
    line = by_kind["plain"]
    assert line["mean ↑"] == line[kind] == pytest.approx(expected.mean(), abs=1e-4)
    levels = [by_severity["plain"][f"severity {severity}"] for severity in range(1, 6)]
    assert levels == pytest.approx(expected.mean(0), abs=1e-4)
    (chart,) = found.charts
    assert [y for _, y in chart.series["plain"]][1:] == pytest.approx(expected.mean(0), abs=1e-4)


def test_map_numbers_are_those_of_each_map_of_the_true_class(arms: tuple[Arm, ...]):
    one_arm = arms[1:]
    images = held_out(arms, limit=6)
    predictions = predictions_of(one_arm, images, batch_size=6)
    found = map_columns(predictions, images, find_methods("cam"), limit=6, batch_size=4)
    area, entropy = np.zeros((2, 6)), np.zeros((2, 6))
    for at, run in enumerate(one_arm[0].runs):
        seen = images.of(run).view(run.classifier.preprocessing)
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


def test_maps_are_made_by_the_methods_that_were_named(
    folders: dict[str, list[Path]], tmp_path: Path, tables_of: Rows
):
    options = replace(SMALL, methods=("eigen-cam", "cam"), corruptions=())
    record = compare(folders, out=tmp_path, options=options)
    assert list(record.methods) == ["eigen-cam", "cam"]
    (maps,) = [one for one in record.tables if one["title"] == "Maps: eigen-cam, cam"]
    rows = tables_of(maps)
    means = {row["arm"]: row["mean"] for row in rows if row["measure"] == "area"}
    assert set(means) == {f"{arm}, {name}" for arm in folders for name in options.methods}
    assert means["plain, cam"] != means["plain, eigen-cam"]
    assert record.examples[0].cells[1]["title"] == "plain · eigen-cam"


def test_shown_images_are_drawn_and_disputed(arms: tuple[Arm, ...], tables_of: Rows):
    images = held_out(arms, limit=60)
    predictions = predictions_of(arms, images, batch_size=60)
    (method,) = find_methods("grad-cam").values()
    sheet = example_sheet(predictions, images, method, count=6, seed=1)
    again = example_sheet(predictions, images, method, count=6, seed=1)
    assert [one.number for one in sheet.examples] == [one.number for one in again.examples]
    assert len({one.number for one in sheet.examples}) == 6
    for one in sheet.examples:
        guesses = set(one.predicted.values())
        assert one.why == "drawn" or len(guesses) == 2
    plain, bg = (predictions[arm][0].known.argmax(1) for arm in ("plain", "bg"))
    disputed = sum(one.why == "disagreement" for one in sheet.examples)
    assert disputed <= min(3, int((plain != bg).sum()))
    (share,) = tables_of(sheet.tables[0])
    assert share["arm"] == "bg"
    assert 0 <= share["background's share"] <= 1
    assert len(sheet.concepts["plain"]) == 5
    assert sheet.picture is not None
    first = arms[0].runs[0]
    seen = images.of(first).view(first.classifier.preprocessing).pixels
    cell = enlarged(seen[sheet.examples[0].number], 160)[0].numpy()
    shown = sheet.picture[18 : 18 + cell.shape[0], : cell.shape[1]]
    assert np.array_equal(shown, np.broadcast_to(cell[..., None], shown.shape))


def test_a_folder_with_another_kind_of_results_is_refused(
    folders: dict[str, list[Path]], tmp_path: Path
):
    (tmp_path / "record.json").write_text('{"kind": "explain"}')
    with pytest.raises(DataError, match="holds results of 'explain', not of 'comparison'"):
        compare(folders, out=tmp_path, options=BARE)
    with pytest.raises(DataError, match="holds a training run"):
        compare(folders, out=folders["plain"][0], options=BARE)


def test_options_that_cannot_be_are_refused(folders: dict[str, list[Path]], tmp_path: Path):
    with pytest.raises(OptionError, match="maps must be at least 0, got -1"):
        CompareOptions(maps=-1)
    for options, message in (
        (CompareOptions(corruptions=("fog",)), "no corruption 'fog'"),
        (CompareOptions(methods=("dff",)), "a map per concept"),
        (CompareOptions(methods=("cma",)), "no method 'cma'; closest: 'cam'"),
    ):
        with pytest.raises(OptionError, match=message):
            compare(folders, out=tmp_path / "out", options=options)
        assert not (tmp_path / "out").exists()


def test_differences_are_those_to_the_first_arm(
    folders: dict[str, list[Path]], tmp_path: Path, tables_of: Rows
):
    record = compare(folders, out=tmp_path, options=replace(BARE, limit=60))
    assert record.options["reference"] == "plain"
    runs = tables_of(table(record, "Every run"))
    by_arm = {
        arm: {row["seed"]: row["accuracy ↑"] for row in runs if row["arm"] == arm}
        for arm in ("plain", "bg")
    }
    gaps = [by_arm["bg"][seed] - by_arm["plain"][seed] for seed in (0, 1)]
    assert any(gaps)  # else the sign could not be told
    for title, count in (("Differences", "images"), ("Differences over seeds", "seeds")):
        found = [row for row in tables_of(table(record, title)) if row["measure"] == "accuracy ↑"]
        ((arm, less, difference),) = [(row["arm"], row["less"], row["difference"]) for row in found]
        assert (arm, less) == ("bg", "plain")
        assert difference == pytest.approx(np.mean(gaps), abs=1e-4)
        assert found[0][count] == (60 if count == "images" else 2)


def test_the_statistics_over_seeds_can_be_done_again_from_the_numbers_of_the_runs(
    folders: dict[str, list[Path]], tmp_path: Path, tables_of: Rows
):
    record = compare(folders, out=tmp_path, options=replace(SMALL, corruptions=(), maps=4))
    kept = read_json(tmp_path / "record.json")["numbers"]
    rows = {row["measure"]: row for row in tables_of(table(record, "Differences over seeds"))}
    assert {"accuracy ↑", "noise: AUROC ↑", "maps: area"} <= set(rows)
    for measure, row in rows.items():
        first, second = (
            [kept[measure][arm][str(seed)] for seed in (0, 1)] for arm in ("bg", "plain")
        )
        gaps = np.subtract(first, second)
        half = gaps.std(ddof=1) / 2**0.5 * 12.7062  # Student's t of one degree of freedom
        told = [row["difference"], row["low"], row["high"]]
        assert told == pytest.approx(gaps.mean() + half * np.array([0, -1, 1]), abs=2e-3)
    costs = {
        row["arm"]: row["training seconds"] for row in tables_of(table(record, "Cost of training"))
    }
    for arm, seconds in kept["training seconds"].items():
        assert costs[arm] == pytest.approx(np.mean(list(seconds.values())), rel=0.01, abs=0.06)
