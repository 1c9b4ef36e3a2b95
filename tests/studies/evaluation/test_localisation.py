"""Localisation: perfect maps, thresholds of the validation images, what cannot be judged."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.metrics.localisation import mass_inside, rank_accuracy
from figureground.metrics.localisation.pixel_ap import pixel_average_precision
from figureground.models import Classifier
from figureground.studies.evaluation.boxes import worst_and_best
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.evaluation.mask_pixels import pixel_precision

Run = Callable[..., Any]
COARSE = Localisation(methods=("cam",), step=0.05, validation_share=0.25, batch_size=4, cases=1)


def cells(record: Any, table: int, row: str) -> dict[str, Any]:
    """One row of a table by column."""
    found = record.tables[table]
    (line,) = [line for line in found["rows"] if line[0] == row]
    return dict(zip(found["columns"], line, strict=True))


def perfect_maps(folder: Path, maps: Path) -> None:
    """A map for each image of the folder that is 1 in its box."""
    maps.mkdir()
    for line in (folder / "boxes.csv").read_text().splitlines()[1:]:
        name, _, *corners = line.split(",")
        x0, y0, x1, y1 = map(int, corners)
        one = np.zeros((48, 64), np.float32)
        one[y0:y1, x0:x1] = 1
        np.save(maps / f"{Path(name).stem}.npy", one)


def test_perfect_maps_of_anybody_find_every_object(
    measure: Run, box_folder: Callable[..., Path], tmp_path: Path
):
    folder = box_folder(12)
    perfect_maps(folder, tmp_path / "perfect")
    images = open_images(folder, None, DataOptions(view_size=64))
    options = Localisation(maps=(tmp_path / "perfect",), box_rule="pixels", step=0.05, cases=1)
    record, _ = measure(options, None, images)
    row = cells(record, 0, "perfect")
    assert [row[f"box acc @{one}"] for one in (0.3, 0.5, 0.7)] == [100.0, 100.0, 100.0]
    assert (row["pointing"], row["GT-known @20 %"]) == (100.0, 100.0)
    assert row["energy"] > 90
    assert row["rank accuracy"] > 90
    assert row["Top-1 loc"] is None
    assert cells(record, 1, "perfect")["MaxBoxAcc @0.7"] == 100.0
    assert record.problems == {}


def test_the_answer_is_of_the_numbers_in_the_tables(
    measure: Run, box_folder: Callable[..., Path], tmp_path: Path
):
    folder = box_folder(12)
    perfect_maps(folder, tmp_path / "perfect")
    images = open_images(folder, None, DataOptions(view_size=64))
    options = Localisation(maps=(tmp_path / "perfect",), box_rule="pixels", step=0.05, cases=2)
    record, _ = measure(options, None, images)
    best = max(options.baselines, key=lambda row: cells(record, 0, row)["box acc @0.5"])
    value = cells(record, 0, best)["box acc @0.5"]
    (bar,) = record.answer.rows
    assert (bar.name, bar.value, bar.word) == ("perfect", 100.0, "no better")  # than brightness
    assert record.answer.band.value == pytest.approx(value, abs=0.01)
    assert record.answer.names[best] == record.answer.band.name
    start = f"perfect finds the object no better than {record.answer.band.name}: 100.0 % against {value:.1f} %"
    assert record.answer.sentences[0].startswith(start)
    assert record.answer.sentences[0].endswith(f", {record.images} images.")
    gaps = [case.overlap - case.baseline_overlap for case in record.cases]
    assert [case.kind for case in record.cases] == ["worst", "worst", "best", "best"]
    assert max(gaps[:2]) <= min(gaps[2:])


def test_every_table_has_the_baselines_and_says_how_maps_were_made_ready(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    options = replace(COARSE, methods=("cam", "eigen-cam"), signed=True, cases=0)
    record, _ = measure(options, classifier, images)
    rows = ["cam", "eigen-cam", "centre-box", "whole-image", "centre-gaussian", "brightness"]
    for table in record.tables[:2]:
        assert [line[0] for line in table["rows"]] == rows
    caption = record.tables[0]["caption"]
    assert "no ReLU, bilinear to the view, min-max. 2 validation, 8 test" in caption
    assert record.options["signed"] == "yes"
    assert [len(points) for points in record.charts[0].series.values()] == [20] * 6


def test_signed_maps_are_not_clamped_and_others_are(
    measure: Run, box_folder: Callable[..., Path], tmp_path: Path
):
    folder = box_folder(6)
    perfect_maps(folder, tmp_path / "own")
    for path in (tmp_path / "own").iterdir():
        one = np.load(path)
        one[:3, :3] = -20.0  # without ReLU everything else is near the top: the box is the image
        np.save(path, one)
    images = open_images(folder, None, DataOptions(view_size=64))
    found = {}
    for signed in (False, True):
        options = Localisation(maps=(tmp_path / "own",), box_rule="pixels", signed=signed, cases=0)
        record, _ = measure(options, None, images, tmp_path / str(signed))
        found[signed] = cells(record, 0, "own")["GT-known @20 %"]
    assert found[False] == 100
    assert found[True] < 50


def test_the_whole_image_overlaps_by_the_share_of_its_box(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    _, columns = measure(COARSE, classifier, images)
    names = columns["name"].tolist()
    for batch in images.batches(10):
        for name, boxes in zip(batch.names, batch.whole_boxes, strict=True):
            x0, y0, x1, y1 = boxes[0].tolist()
            share = (x1 - x0) * (y1 - y0) / (24 * 32)
            found = columns["whole-image/overlap"][names.index(name), 0] / 255
            assert found == pytest.approx(share, abs=0.005)


def test_everything_that_is_wrong_is_counted_and_the_rest_is_measured(
    measure: Run, box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    folder = box_folder(10)
    with (folder / "boxes.csv").open("a") as file:
        file.write("empty.png,lynx,,,,\ngone.png,lynx,1,1,5,5\n00.png,tabby,500,0,510,9\n")
        file.write("01.png,zebra,1,1,9,9\n02.png,lynx,60,40,90,90\n03.png,tabby,5,5,5,9\n")
    Image.new("RGB", (64, 48)).save(folder / "empty.png")
    (folder / "09.png").write_bytes((folder / "09.png").read_bytes()[:3000])
    maps = tmp_path / "maps"
    maps.mkdir()
    for number in range(9):
        np.save(maps / f"{number:02d}.npy", np.eye(6) * (np.nan if number == 4 else 1))
    options = replace(COARSE, methods=("eigen-cam",), maps=(maps,))
    record, columns = measure(options, classifier, open_images(folder, classifier))
    assert record.problems == {
        "outside-box": 1,
        "clipped-box": 1,
        "empty-box": 1,
        "missing-file": 1,
        "no-boxes": 1,
        "unknown-label": 1,
        "unreadable-file": 1,
        "not-judged": 1,
        "map-unusable": 1,
    }
    assert columns["judged"].sum() == 9
    judged_blank = columns["maps/blank"].astype(bool) & columns["judged"]
    assert judged_blank.sum() == 1
    assert not columns["maps/hits"][judged_blank].any()
    assert len(record.examples_of_problems) == sum(record.problems.values())


def test_images_without_label_are_left_out_only_where_the_true_class_is_explained(
    measure: Run, box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    folder = box_folder(9)
    text = (folder / "boxes.csv").read_text().replace("lynx", "")
    (folder / "boxes.csv").write_text(text)
    images = open_images(folder, classifier)
    for classes, judged in (("true", 6), ("predicted", 9)):
        options = replace(COARSE, classes=classes)
        record, columns = measure(options, classifier, images, tmp_path / classes)
        assert columns["judged"].sum() == judged
        assert record.problems.get("not-judged", 0) == 9 - judged


def test_a_batch_without_one_judged_image_is_no_trouble(
    measure: Run, box_folder: Callable[..., Path], classifier: Classifier
):
    folder = box_folder(8)
    lines = (folder / "boxes.csv").read_text().splitlines()
    lines[1:5] = [",".join([*line.split(",")[:2], "", "", "", ""]) for line in lines[1:5]]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    record, _ = measure(COARSE, classifier, open_images(folder, classifier))
    assert record.problems == {"no-boxes": 4, "not-judged": 4}
    assert record.images == 3


def test_images_without_any_box_and_impossible_options_are_refused(
    measure: Run, box_folder: Callable[..., Path], classifier: Classifier
):
    folder = box_folder(3)
    (folder / "boxes.csv").unlink()
    with pytest.raises(DataError, match="0 images to divide"):
        measure(
            replace(COARSE, methods=("eigen-cam",)), classifier, open_images(folder, classifier)
        )
    for wrong, message in (
        ({"validation_share": 1.0}, "between 0 and 1, got 1"),
        ({"box_rule": "round"}, "no box rule 'round'"),
        ({"normalise": "max", "signed": True}, "max"),
        ({"classes": "wrong"}, "no classes 'wrong'"),
    ):
        with pytest.raises(OptionError, match=message):
            Localisation(**wrong)


def test_cases_are_the_worst_and_the_best_with_their_picture(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    options = replace(COARSE, classes="both")
    record, columns = measure(options, classifier, images)
    chosen_on = columns["name"][options.splits(columns).validation]
    assert not {case.name for case in record.cases} & set(chosen_on.tolist())
    assert [(case.method, case.kind) for case in record.cases] == [
        ("cam (true)", "worst"),
        ("cam (true)", "best"),
        ("cam (predicted)", "worst"),
        ("cam (predicted)", "best"),
    ]
    worst, best = record.cases[:2]
    assert 0 <= worst.overlap <= best.overlap <= 1
    assert worst.label in {"tabby, tabby cat", "tiger cat", "lynx, catamount"}
    head, _, content = best.picture.partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (32, 24)
    overlaps, test = np.array([0.9, 0.1, 0.5, 0.3, 0.7]), np.array([0, 2, 3, 4])
    assert worst_and_best(overlaps, test, 1) == [("worst", 3), ("best", 0)]


def test_memory_for_an_image_is_a_few_hundred_bytes_for_each_row(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    options = Localisation(methods=("cam",), cases=0, validation_share=0.25)
    _, columns = measure(options, classifier, images)
    held = sum(values.nbytes for key, values in columns.items() if key.startswith("cam/"))
    assert held / len(images) < 300


def testpixel_precision_holds_the_metric_and_an_interval_round_it():
    random = np.random.default_rng(3)
    counts = random.integers(0, 50, (40, 2, 20)) + np.stack([np.arange(20), np.arange(20)[::-1]])
    value, low, high = pixel_precision(counts, seed=0)
    assert value == pytest.approx(100 * pixel_average_precision(torch.from_numpy(counts.sum(0))))
    assert low < value < high
    assert high - low < 10


def test_masks_add_a_table_of_pixels(measure: Run, tmp_path: Path, classifier: Classifier):
    photos, masks, maps = (
        tmp_path / "photos" / "lynx",
        tmp_path / "masks" / "lynx",
        tmp_path / "mine",
    )
    for place in (photos, masks, maps):
        place.mkdir(parents=True)
    for number in range(4):
        mask = np.zeros((48, 64), np.uint8)
        mask[10:30, 8 * number : 8 * number + 24] = 255
        Image.fromarray(mask).save(masks / f"{number}.png")
        Image.new("RGB", (64, 48), (9, 9, 9)).save(photos / f"{number}.jpg")
        np.save(maps / f"{number}.npy", (mask > 0).astype(np.float32))
    images = open_images(tmp_path / "masks", classifier, DataOptions(images=tmp_path / "photos"))
    options = Localisation(methods=("eigen-cam",), maps=(maps,), cases=0)
    record, columns = measure(options, classifier, images)
    pixels = {row[0]: row[1] for row in record.tables[-1]["rows"]}
    assert record.tables[-1]["title"] == "Pixels, %"
    assert pixels["mine"] > 90 > pixels["eigen-cam"]
    assert columns["mine/pixels"].sum() == 4 * 24 * 32
    (batch,) = images.batches(4)
    assert batch.masks is not None
    inside = batch.masks == 1
    for at, row in ((0, "mine"), (1, "eigen-cam")):
        whole = dict(
            zip(record.tables[-1]["columns"], record.tables[-1]["rows"][1 - at], strict=True)
        )
        assert whole["method"] == row
        tested = options.splits(columns).test
        for key in ("pointing", "energy", "rank accuracy"):
            mean = 100 * columns[f"{row}/mask {key}"][tested].mean()
            assert whole[key] == pytest.approx(mean, abs=0.01)
    shown, _ = options.post(
        torch.stack([torch.from_numpy(np.load(maps / f"{n}.npy")) for n in range(4)]), (24, 32)
    )
    for key, metric in (("energy", mass_inside), ("rank accuracy", rank_accuracy)):
        np.testing.assert_allclose(columns[f"mine/mask {key}"], metric(shown, inside), rtol=1e-5)
        assert (columns[f"mine/mask {key}"] > columns[f"eigen-cam/mask {key}"]).all()
    assert columns["mine/mask pointing"].tolist() == [1] * 4
