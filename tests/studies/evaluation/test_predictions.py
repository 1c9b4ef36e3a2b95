"""Boxes that others predicted: numbers worked out by hand, from annotations whose images are nowhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from figureground.base.errors import DataError, OptionError
from figureground.cli.main import app
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.localisation import Localisation

Run = Callable[..., Result]

# class, x, y, width, height
TRUE = {
    "a.jpg": ("cat", 10, 10, 20, 20),
    "b.jpg": ("dog", 0, 0, 20, 20),
    "c.jpg": ("cat", 50, 50, 20, 20),
    "d.jpg": ("dog", 0, 0, 10, 10),
}
# with the last pixel: a is right; b has the class second, its overlap there 14/20; c overlaps 8/20, d 50/150
LINES = (
    "1 10 10 29 29 2 0 0 9 9",
    "1 0 0 19 19 2 0 0 19 13",
    "1 50 50 69 57",
    "2 5 0 14 9",
)
IDS = "1 cat\n2 dog\n"
RIGHT = {
    "box acc @0.3": 100.0,
    "box acc @0.5": 50.0,
    "box acc @0.7": 50.0,
    "Top-1 loc": 25.0,
    "Top-5 loc": 50.0,
    "Top-1 class": 75.0,
    "Top-5 class": 100.0,
}


def coco(folder: Path, *, size: bool = True) -> Path:
    """Annotations of images that are not there."""
    about = {"width": 100, "height": 100} if size else {}
    content = {
        "images": [{"id": at, "file_name": name, **about} for at, name in enumerate(TRUE)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"image_id": at, "category_id": 1 + (one[0] == "dog"), "bbox": one[1:]}
            for at, one in enumerate(TRUE.values())
        ],
    }
    (folder / "true.json").write_text(json.dumps(content))
    return folder / "true.json"


def cells(record: dict[str, Any], row: str) -> dict[str, Any]:
    """One row of the first table by column."""
    table = record["tables"][0]
    (line,) = [line for line in table["rows"] if line[0] == row]
    return dict(zip(table["columns"], line, strict=True))


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``figureground evaluate localisation`` of a file of boxes; images are not opened."""
    monkeypatch.setattr(Image, "open", None)
    (tmp_path / "ids.txt").write_text(IDS)

    def run(
        text: str, *words: object, name: str = "theirs.txt", data: Path | None = None
    ) -> Result:
        file = tmp_path / name
        file.write_text(text)
        truth = coco(tmp_path) if data is None else data
        typed = ("evaluate", "localisation", truth, "--predictions", file, "-o", tmp_path / "out")
        return CliRunner().invoke(app, [str(word) for word in (*typed, *words)])

    return run


def record_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "record.json").read_text())
    return found


def test_one_line_per_image_as_in_ilsvrc(judge: Run, tmp_path: Path):
    done = judge("\n".join(LINES) + "\n", "--class-ids", tmp_path / "ids.txt")
    assert done.exit_code == 0, done.output
    record = record_of(tmp_path)
    assert cells(record, "theirs") == {"method": "theirs", **RIGHT}
    # half of an image of 100 x 100 or all of it overlaps a box of 20 x 20 by less than 0.3
    assert cells(record, "whole-image")["box acc @0.3"] == 0
    assert cells(record, "centre-box")["Top-1 loc"] is None
    assert "first line was taken for a.jpg, its last for d.jpg" in record["notes"][0]
    assert (tmp_path / "out" / "report.html").exists()
    assert record["kind"] == "localisation"
    with np.load(tmp_path / "out" / "per_image.npz") as found:
        assert found["theirs/box 0.5"].tolist() == [100, 100, 0, 0]
        assert found["name"].tolist() == list(TRUE)


@pytest.mark.parametrize("first", ["{name}.jpg", "{name}", "val/{name}.JPEG"])
def test_lines_that_name_their_images_may_come_in_any_order(judge: Run, tmp_path: Path, first: str):
    pairs = list(zip("abcd", LINES, strict=True))[::-1]
    text = "\n".join(f"{first.format(name=name)}, {line}" for name, line in pairs)
    done = judge(text, "--class-ids", tmp_path / "ids.txt")
    assert done.exit_code == 0, done.output
    assert cells(record_of(tmp_path), "theirs") == {"method": "theirs", **RIGHT}


def test_csv_holds_a_row_for_each_guess(judge: Run, tmp_path: Path):
    rows = ["name,class,x1,y1,x2,y2"]
    for name, line in zip(TRUE, LINES, strict=True):
        words = line.split()
        for at in range(0, len(words), 5):
            label, x0, y0, x1, y1 = words[at : at + 5]
            rows.append(f"{name},{['', 'Cat', 'dog'][int(label)]},{x0},{y0},{x1},{y1}")
    text = "\n".join(rows)
    done = judge(text, "--prediction-corners", "inclusive", name="theirs.csv")
    assert done.exit_code == 0, done.output
    assert cells(record_of(tmp_path), "theirs") == {"method": "theirs", **RIGHT}


def test_boxes_without_class_are_judged_as_boxes(judge: Run, tmp_path: Path):
    text = "x0,y0,x1,y1,path\n10,10,30,30,a\n0,0,20,20,b\n0,0,1,1,c\n0,0,10,9,d\n"
    done = judge(text, name="theirs.csv")
    assert done.exit_code == 0, done.output
    found = cells(record_of(tmp_path), "theirs")
    assert found == dict.fromkeys(RIGHT) | {
        "method": "theirs", "box acc @0.3": 75.0, "box acc @0.5": 75.0, "box acc @0.7": 75.0,
    }  # fmt: skip


def test_one_guess_an_image_says_nothing_of_five(judge: Run, tmp_path: Path):
    lines = [" ".join(line.split()[:5]) for line in LINES]
    judge("\n".join(lines), "--class-ids", tmp_path / "ids.txt")
    found = cells(record_of(tmp_path), "theirs")
    assert (found["Top-1 loc"], found["Top-5 loc"]) == (25.0, None)


def test_what_cannot_be_used_is_named_counts_as_missed_and_ends_with_status_2(
    judge: Run, tmp_path: Path
):
    text = "a.jpg 1 10 10 29 29\nb.jpg 1 0 0\nzebra.jpg 1 0 0 5 5\nd.jpg 9 0 0 9 9 2 5 5 1 1\n"
    done = judge(text, "--class-ids", tmp_path / "ids.txt")
    assert done.exit_code == 2, done.output
    record = record_of(tmp_path)
    assert record["problems"] == {
        "bad-row": 1, "unknown-image": 1, "no-prediction": 1, "bad-box": 1, "unknown-label": 1,
    }  # fmt: skip
    for word in ("theirs.txt line 2", "'zebra.jpg'", "c.jpg: no box", "(5, 5, 1, 1)", "id '9'"):
        assert any(word in line for line in record["left_out"]), word
        assert word in done.stderr
    found = cells(record, "theirs")
    assert (found["box acc @0.5"], found["Top-1 loc"], found["Top-5 class"]) == (50.0, 25.0, 50.0)
    assert record["images"] == 4


def test_lines_without_names_must_be_as_many_as_the_images(judge: Run):
    done = judge("\n".join(LINES[:3]))
    assert done.exit_code == 1
    assert "it has 3 lines for 4 images" in done.stderr


def test_classes_that_never_meet_are_told(judge: Run, tmp_path: Path):
    judge("\n".join(LINES))
    record = record_of(tmp_path)
    assert cells(record, "theirs")["Top-1 class"] == 0
    assert any("--class-ids FILE says which is which" in note for note in record["notes"])


def test_sizes_come_from_headers_and_without_them_there_are_no_baselines(tmp_path: Path):
    data, file = coco(tmp_path, size=False), tmp_path / "theirs.txt"
    file.write_text("\n".join(LINES))
    options = Localisation(predictions=(file,))
    record = evaluate(options, None, data, out=tmp_path / "out")
    assert [row[0] for row in record.tables[0]["rows"]] == ["theirs"]
    assert any("of 4 images neither" in note for note in record.notes)
    for name in TRUE:
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    record = evaluate(options, None, data, out=tmp_path / "there")
    # a box from (10, 10) on is 10 x 10 in these; c lies outside of them and is left out
    whole = dict(zip(record.tables[0]["columns"], record.tables[0]["rows"][2], strict=True))
    assert whole["method"] == "whole-image"
    assert record.images == 3
    assert whole["box acc @0.3"] == round(100 / 3, 4)
    assert {"outside-box", "not-judged"} <= {*record.problems}


def test_a_subset_is_another_question(judge: Run, tmp_path: Path):
    assert judge("\n".join(LINES), "--limit", 2).exit_code == 0
    assert record_of(tmp_path)["images"] == 2
    refused = judge("\n".join(LINES), "--limit", 3)
    assert refused.exit_code == 1
    assert "limit" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert judge("\n".join(LINES), "--limit", 3, "--overwrite").exit_code == 0


def test_networks_maps_and_equal_names_are_refused(tmp_path: Path):
    file = tmp_path / "theirs.txt"
    file.write_text("\n".join(LINES))
    data, out = coco(tmp_path), tmp_path / "out"
    one = Localisation(predictions=(file,))
    with pytest.raises(OptionError, match="leave out --model"):
        evaluate(one, "timm:resnet18", data, out=out)
    with pytest.raises(OptionError, match="would be called 'theirs'"):
        evaluate(Localisation(predictions=(file, file)), None, data, out=out)
    with pytest.raises(DataError, match="cannot read predicted boxes"):
        evaluate(Localisation(predictions=(tmp_path / "no",)), None, data, out=out)
    with pytest.raises(OptionError, match="no row to compare with"):
        evaluate(Localisation(predictions=(file,), reference="ours"), None, data, out=out)
    assert not out.exists()


def test_numbers_of_classes_are_shifted_as_asked(tmp_path: Path):
    file = tmp_path / "theirs.txt"
    file.write_text("a 4 0 0 9 9\nb 5 0 0 9 9\n")
    (tmp_path / "image_ids.txt").write_text("a\nb\n")
    (tmp_path / "class_labels.txt").write_text("a,3\nb,3\n")
    (tmp_path / "localization.txt").write_text("a,0,0,9,9\nb,0,0,9,9\n")
    record = evaluate(
        Localisation(predictions=(file,)), None, tmp_path, out=tmp_path / "out",
        data_options=DataOptions(label_offset=1),
    )  # fmt: skip
    line = dict(zip(record.tables[0]["columns"], record.tables[0]["rows"][0], strict=True))
    assert (line["box acc @0.7"], line["Top-1 loc"]) == (100.0, 50.0)
