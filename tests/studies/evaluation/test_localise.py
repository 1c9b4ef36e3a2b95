import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.models import Classifier
from figureground.studies.evaluation.items import SetOptions
from figureground.studies.evaluation.localisation_measures import LocalisationGrid
from figureground.studies.evaluation.localisation_options import LocalisationOptions
from figureground.studies.evaluation.localise import study_localisation
from figureground.studies.evaluation.other_sources import FolderMaps
from figureground.studies.evaluation.post_processing import PostProcessing
from figureground.studies.evaluation.sets import EvaluationBatch, open_evaluation_set
from figureground.studies.evaluation.sources import ExplainerMaps, MapBatch

OPTIONS = LocalisationOptions(
    grid=LocalisationGrid(step=0.05), validation_share=0.25, batch_size=4, cases=1
)


def perfect_maps(folder: Path, maps: Path) -> None:
    """A map for each picture of the folder that is 1 in its box."""
    maps.mkdir()
    for line in (folder / "boxes.csv").read_text().splitlines()[1:]:
        name, _, *corners = line.split(",")
        x0, y0, x1, y1 = map(int, corners)
        one = np.zeros((48, 64), np.float32)
        one[y0:y1, x0:x1] = 1
        np.save(maps / f"{Path(name).stem}.npy", one)


def cells(record: Any, table: int, row: str) -> dict[str, Any]:
    """One row of a table by column."""
    found = record.tables[table]
    (line,) = [line for line in found["rows"] if line[0] == row]
    return dict(zip(found["columns"], line, strict=True))


class Interrupted:
    """A source that stops after some batches."""

    def __init__(self, inner: ExplainerMaps, batches: int) -> None:
        self.inner, self.left, self.asked = inner, batches, 0
        self.rows, self.facts = inner.rows, inner.facts
        self.layers, self.needs_labels = inner.layers, inner.needs_labels

    def __call__(self, batch: EvaluationBatch) -> MapBatch:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.asked += 1
        return self.inner(batch)


def test_perfect_maps_of_anybody_find_every_object(box_folder: Callable[..., Path], tmp_path: Path):
    folder = box_folder(12)
    perfect_maps(folder, tmp_path / "perfect")
    pictures = open_evaluation_set(folder, None, SetOptions(size=64))
    options = LocalisationOptions(grid=LocalisationGrid(rule="pixels", step=0.05), cases=1)
    source = FolderMaps(tmp_path / "perfect")
    record = study_localisation(pictures, source, out=tmp_path / "out", options=options)
    row = cells(record, 0, "perfect")
    assert [row[f"box acc @{one}"] for one in (0.3, 0.5, 0.7)] == [100.0, 100.0, 100.0]
    assert (row["pointing"], row["GT-known @20 %"]) == (100.0, 100.0)
    assert row["energy"] > 90
    assert row["Top-1 loc"] is None
    assert cells(record, 1, "perfect")["MaxBoxAcc @0.7"] == 100.0
    assert record.problems == {}


def test_every_table_has_the_baselines_and_says_how_maps_were_made_ready(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    pictures = open_evaluation_set(box_folder(8), classifier)
    options = LocalisationOptions(
        PostProcessing(relu=False), LocalisationGrid(step=0.1), validation_share=0.25, cases=0
    )
    source = ExplainerMaps(classifier, ["cam", "eigen-cam"])
    record = study_localisation(
        pictures, source, out=tmp_path, classifier=classifier, options=options
    )
    for table in record.tables[:2]:
        rows = [line[0] for line in table["rows"]]
        assert rows == [
            "cam",
            "eigen-cam",
            "centred-box",
            "whole-image",
            "centre-gaussian",
            "brightness",
        ]
    assert (
        "no ReLU, bilinear to the view, min-max. 2 validation, 6 test"
        in record.tables[0]["caption"]
    )
    assert record.options["post-processing"].startswith("no ReLU")
    assert record.model["name"] == "toy"
    assert record.model["layer"] == "3"
    assert (tmp_path / "record.json").exists()


def test_the_whole_picture_overlaps_by_the_share_of_its_box(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    pictures = open_evaluation_set(box_folder(10), classifier)
    source = ExplainerMaps(classifier, "cam")
    study_localisation(pictures, source, out=tmp_path, classifier=classifier, options=OPTIONS)
    with np.load(tmp_path / "per_image.npz") as kept:
        overlaps = kept["whole-image/overlap"][:, 0] / 255
        names = kept["name"].tolist()
    for batch in pictures.batches(10):
        for name, boxes in zip(batch.names, batch.boxes, strict=True):
            x0, y0, x1, y1 = boxes[0].tolist()
            share = (x1 - x0) * (y1 - y0) / (24 * 32)
            assert overlaps[names.index(name)] == pytest.approx(share, abs=0.005)


def test_a_stopped_job_goes_on_and_ends_with_the_same_numbers(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    pictures = open_evaluation_set(box_folder(12), classifier)
    inner = ExplainerMaps(classifier, ["cam", "grad-cam"])
    whole = study_localisation(
        pictures, inner, out=tmp_path / "a", classifier=classifier, options=OPTIONS
    )
    with pytest.raises(KeyboardInterrupt):
        study_localisation(
            pictures,
            Interrupted(inner, 2),
            out=tmp_path / "b",
            classifier=classifier,
            options=OPTIONS,
        )
    assert not (tmp_path / "b" / "record.json").exists()
    rest = Interrupted(inner, 99)
    again = study_localisation(
        pictures, rest, out=tmp_path / "b", classifier=classifier, options=OPTIONS
    )
    assert rest.asked == 1 + 1  # the batch that was missing, and the cases
    assert again.tables == whole.tables


def test_other_options_do_not_use_what_was_kept(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    pictures = open_evaluation_set(box_folder(8), classifier)
    source = Interrupted(ExplainerMaps(classifier, "cam"), 99)
    counts = []
    for relu in (True, True, False):
        options = LocalisationOptions(
            PostProcessing(relu), validation_share=0.25, cases=0, batch_size=4
        )
        before = source.asked
        study_localisation(pictures, source, out=tmp_path, classifier=classifier, options=options)
        counts.append(source.asked - before)
    assert counts == [2, 0, 2]


def test_everything_that_is_wrong_is_counted_and_the_rest_is_measured(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
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
    pictures = open_evaluation_set(folder, classifier)
    record = study_localisation(
        pictures, FolderMaps(maps), out=tmp_path / "out", classifier=classifier, options=OPTIONS
    )
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
    with np.load(tmp_path / "out" / "per_image.npz") as kept:
        assert kept["judged"].sum() == 9
        assert kept["maps/blank"].sum() == 1 + 1  # the NaN map, and the picture that is not judged
        judged_blank = kept["maps/blank"].astype(bool) & kept["judged"]
        assert not kept["maps/hits"][judged_blank].any()
    assert len(record.examples_of_problems) == sum(record.problems.values())


def test_pictures_without_label_are_left_out_only_where_the_true_class_is_asked_for(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    folder = box_folder(9)
    text = (folder / "boxes.csv").read_text().replace("lynx", "")
    (folder / "boxes.csv").write_text(text)
    for classes, judged in (("true", 6), ("predicted", 9)):
        pictures = open_evaluation_set(folder, classifier)
        source = ExplainerMaps(classifier, "cam", classes=classes)
        record = study_localisation(
            pictures, source, out=tmp_path / classes, classifier=classifier, options=OPTIONS
        )
        with np.load(tmp_path / classes / "per_image.npz") as kept:
            assert kept["judged"].sum() == judged
        assert record.problems.get("not-judged", 0) == 9 - judged


def test_a_batch_without_one_judged_picture_is_no_trouble(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    folder = box_folder(8)
    lines = (folder / "boxes.csv").read_text().splitlines()
    lines[1:5] = [",".join([*line.split(",")[:2], "", "", "", ""]) for line in lines[1:5]]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    pictures = open_evaluation_set(folder, classifier)
    source = ExplainerMaps(classifier, "cam")
    record = study_localisation(
        pictures, source, out=tmp_path, classifier=classifier, options=OPTIONS
    )
    assert record.problems == {"no-boxes": 4, "not-judged": 4}
    assert record.images == 3


def test_pictures_without_any_box_and_unknown_references_are_refused(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    folder = box_folder(3)
    (folder / "boxes.csv").unlink()
    pictures = open_evaluation_set(folder, classifier)
    source = ExplainerMaps(classifier, "eigen-cam")
    with pytest.raises(DataError, match="0 pictures with boxes"):
        study_localisation(pictures, source, out=tmp_path / "out", classifier=classifier)
    with pytest.raises(OptionError, match="no row to compare with 'cam'"):
        study_localisation(
            pictures, source, out=tmp_path / "out", options=LocalisationOptions(reference="cam")
        )


def test_the_record_is_json_with_curves_and_cases(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    pictures = open_evaluation_set(box_folder(8), classifier)
    source = ExplainerMaps(classifier, "cam", classes="both")
    study_localisation(pictures, source, out=tmp_path, classifier=classifier, options=OPTIONS)
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["kind"], record["schema"], record["images"]) == ("localisation", 1, 6)
    assert [len(points) for points in record["curves"][0]["series"].values()] == [20] * 6
    assert [(case["method"], case["kind"]) for case in record["cases"]] == [
        ("cam (true)", "worst"),
        ("cam (true)", "best"),
        ("cam (predicted)", "worst"),
        ("cam (predicted)", "best"),
    ]
    best = {case["kind"]: case["overlap"] for case in record["cases"][:2]}
    assert best["worst"] <= best["best"]


def test_memory_for_a_picture_is_a_few_hundred_bytes_for_each_row(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    pictures = open_evaluation_set(box_folder(8), classifier)
    options = LocalisationOptions(validation_share=0.25, cases=0)
    source = ExplainerMaps(classifier, "cam")
    study_localisation(pictures, source, out=tmp_path, classifier=classifier, options=options)
    with np.load(tmp_path / "per_image.npz") as kept:
        held = sum(kept[key].nbytes for key in kept.files if key.startswith("cam/"))
    assert held / 8 < 300


def test_the_model_is_left_as_found(
    box_folder: Callable[..., Path], tmp_path: Path, classifier: Classifier
):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    pictures = open_evaluation_set(box_folder(4), classifier)
    source = ExplainerMaps(classifier, ["cam", "grad-cam"])
    study_localisation(pictures, source, out=tmp_path, classifier=classifier, options=OPTIONS)
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.parameters())
