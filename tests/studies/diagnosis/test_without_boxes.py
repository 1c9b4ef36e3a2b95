"""Without boxes there is no verdict; with a few, the other images only narrow an interval."""

import csv
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.studies.diagnosis.conftest import NAMES, SIDE, Reader
from typer.testing import CliRunner, Result

from figureground.base.errors import DataError
from figureground.cli.main import app
from figureground.reports import write_box_sheet, write_diagnosis_report
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.models import LoadedModel

Make = Callable[..., LoadedModel]
Photos = Callable[..., Path]
FEW = DiagnoseOptions(cells=0, examples=2)


def without_boxes(place: Path, keep: int = 0) -> Path:
    """Rows after the first ones lose their corners."""
    lines = (place / "boxes.csv").read_text().splitlines()
    for at in range(1 + keep, len(lines)):
        path, label, *_ = lines[at].split(",")
        lines[at] = f"{path},{label},,,,"
    (place / "boxes.csv").write_text("\n".join(lines) + "\n")
    return place


def test_without_boxes_it_cannot_tell(reader: Make, photos: Photos, out: Path):
    record = diagnose_images(reader("frame"), without_boxes(photos()), out=out, options=FEW)
    assert record.word == "cannot tell"
    assert record.verdict.startswith("cannot tell: none of 40 images has a box or a mask")
    assert record.numbers == {}
    assert record.recipe == ""
    assert record.left_out == ()
    assert record.problems == {"no-boxes": 40}
    assert record.images == 40
    (screens,) = record.tables
    assert "wrong by -0.24 to +0.10" in screens["caption"]
    assert "decide nothing" in screens["caption"]
    centre, frame = (dict(zip(screens["columns"], row, strict=True)) for row in screens["rows"])
    # the network reads three rows at the top and at the bottom: the first screen exchanges all of them, the frame two
    assert centre["gap"] == centre["pull"] == 1
    assert centre["inside's class"] == 0
    assert centre["outside's class"] == 1
    assert centre["by chance"] == pytest.approx(1 / 3)
    assert 0 < frame["pull"] < 1
    assert frame["by chance"] < frame["outside's class"] < 1
    page = write_diagnosis_report(out).read_text()
    assert "decide nothing" in page
    assert page.count('class="strip"') == 2
    assert "--ask-boxes 100" in page
    assert not (out / "treatment.yaml").exists()
    with np.load(out / "pairs.npz") as arrays:
        assert {"centre.labels", "frame.given/best"} <= set(arrays.files)


def test_a_network_that_reads_the_middle_follows_the_inside(
    reader: Make, photos: Photos, out: Path
):
    """What it reads lies inside both boxes: half of the area is 17 of 24 pixels a side, the object 8 in the middle."""
    record = diagnose_images(reader("object"), without_boxes(photos()), out=out, options=FEW)
    assert record.word == "cannot tell"
    for row in record.tables[0]["rows"]:
        assert row[1] == row[4] == 0
        assert row[7:9] == [1, 0]


def test_what_is_measured_of_screens_is_not_measured_again(reader: Make, photos: Photos, out: Path):
    model, place = reader("frame"), without_boxes(photos())
    diagnose_images(model, place, out=out, options=FEW)
    network = model.classifier.network
    assert isinstance(network, Reader)
    assert network.calls == 2 * 40 * (1 + 1 + 1 + 3)
    network.calls = 0
    asked = replace(FEW, ask_boxes=5)  # which changes no number
    diagnose_images(model, place, out=out, options=asked)
    assert network.calls == 0


def test_a_few_boxes_are_too_few(reader: Make, photos: Photos, out: Path):
    record = diagnose_images(reader("frame"), without_boxes(photos(), 9), out=out, options=FEW)
    assert record.verdict.startswith("cannot tell: 9 of 40 images have a box")
    assert record.problems == {"no-boxes": 31}


def test_without_boxes_and_with_few_images_there_is_an_error(
    reader: Make, photos: Photos, out: Path
):
    with pytest.raises(DataError, match="8 times: nothing of its object is annotated"):
        diagnose_images(reader("frame"), without_boxes(photos(each=2)), out=out, options=FEW)


def test_images_without_boxes_only_narrow_an_interval(reader: Make, photos: Photos, out: Path):
    model = reader("object")
    record = diagnose_images(model, without_boxes(photos(), 16), out=out, options=FEW)
    assert record.images == 16
    assert record.problems == {"no-boxes": 24}
    assert record.left_out == ()
    assert any("24 of 40 images have no box and no mask" in note for note in record.notes)
    table = record.tables[-1]
    assert table["title"] == "With the images that have no boxes"
    alone, both = table["rows"]
    assert (
        14 <= alone[4] == both[4] <= 16
    )  # images that met no background of another class are not counted
    assert alone[5] == 0
    assert 20 <= both[5] <= 24
    twin = diagnose_images(model, photos(folder="twin"), out=out.with_name("twin"), options=FEW)
    titles = {one["title"] for one in twin.tables}
    assert "With the images that have no boxes" not in titles


def test_the_narrowed_interval_is_that_of_the_paper(reader: Make, photos: Photos, out: Path):
    """Worked out again from the stored answers: loss by centre boxes of all, by true boxes of the first 20."""
    model = reader("frame")
    scale = next(model.classifier.network.parameters())
    torch.nn.init.constant_(scale, 60.0)  # so that probabilities differ from image to image
    record = diagnose_images(model, without_boxes(photos(), 20), out=out, options=FEW)
    with np.load(out / "pairs.npz") as arrays:
        found = {}
        for prefix in ("", "centre."):
            labels, names = arrays[f"{prefix}labels"], list(arrays[f"{prefix}names"])
            front = arrays[f"{prefix}given/foreground"]
            back = arrays[f"{prefix}given/background"]
            true = np.exp(
                arrays[f"{prefix}given/logit_foreground"] - arrays[f"{prefix}given/log_sum_exp"]
            )
            same = labels[front] == labels[back]
            for row, name in enumerate(names):
                mine = front == row
                if (mine & ~same).any():
                    found[prefix, name] = true[mine & same].mean() - true[mine & ~same].mean()
    names = [f"{row:03d}.png" for row in range(40)]
    both = [name for name in names[:20] if {("", name), ("centre.", name)} <= found.keys()]
    t, guess = (np.array([found[prefix, name] for name in both]) for prefix in ("", "centre."))
    rest = np.array([found["centre.", name] for name in names[20:] if ("centre.", name) in found])
    n, others = len(both), len(rest)
    spread = np.concatenate([guess, rest]).var(ddof=1)
    weight = np.clip(np.cov(t, guess)[0, 1] / ((1 + n / others) * spread), 0, 1)
    mean = t.mean() + weight * (rest.mean() - guess.mean())
    error = math.sqrt((t - weight * guess).var(ddof=1) / n + weight**2 * rest.var(ddof=1) / others)
    wanted = [mean, mean - 1.959964 * error, mean + 1.959964 * error]
    assert weight > 0
    alone, row = record.tables[-1]["rows"]
    half = 1.959964 * t.std(ddof=1) / math.sqrt(n)
    assert alone[1:] == pytest.approx([t.mean(), t.mean() - half, t.mean() + half, n, 0], abs=1e-5)
    assert row[1:] == pytest.approx([*wanted, n, others], abs=1e-5)


def test_quick_leaves_the_estimate_out(reader: Make, photos: Photos, out: Path):
    model = reader("frame")
    options = DiagnoseOptions(quick=True, examples=0)
    record = diagnose_images(model, without_boxes(photos(), 20), out=out, options=options)
    assert model.classifier.network.calls == 20 * (1 + 1 + 1 + 3)
    assert record.problems == {"no-boxes": 20}


FACTORY = """
import torch
from tests.studies.diagnosis.conftest import NAMES, Reader, SIDE

from figureground.models import Classifier, Preprocessing


def build():
    plain = Preprocessing((SIDE, SIDE), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    return Classifier(Reader("frame"), plain, class_names=NAMES)
"""


@pytest.fixture
def diagnose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command on a network that reads the frame."""
    (tmp_path / "my_net.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        more = ["--model", "my_net.py:build", "--cells", "0", "--examples", "2"]
        return CliRunner().invoke(app, ["diagnose", *words, *more])

    return run


def test_images_without_boxes_are_no_reason_for_another_exit_status(
    diagnose: Callable[..., Result], photos: Photos
):
    done = diagnose(str(without_boxes(photos(), 12)))
    assert done.exit_code == 0, done.output
    other = without_boxes(photos(folder="other"), 12)
    (other / "039.png").write_bytes(b"no image")
    done = diagnose(str(other), "--out", "out/other")
    assert done.exit_code == 2
    assert "1 file could not be used" in done.output


def test_boxes_are_asked_for_and_used(diagnose: Callable[..., Result], photos: Photos):
    place = without_boxes(photos())
    done = diagnose(str(place), "--ask-boxes", "24", "--seed", "3")
    assert done.exit_code == 0, done.output
    assert "Cannot tell: none of 40 images" in done.output
    command = (
        "figureground diagnose out/diagnosis/ask_boxes.csv --model my_net.py:build --out "
        "out/diagnosis-boxes"
    )
    assert command in done.output
    listed = Path("out/diagnosis/ask_boxes.csv")
    with listed.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["path"] for row in rows}) == 24
    for row in rows:
        path = Path(row["path"])
        assert path.parent == place.resolve()
        assert row["label"] == NAMES[int(path.stem) % 4]
        assert row["x0"] == row["y0"] == row["x1"] == row["y1"] == ""
    page = Path("out/diagnosis/ask_boxes.html").read_text()
    assert page.count("<img") == 24
    assert f"{SIDE} × {SIDE}" in page
    assert "<script" not in page
    filled = listed.read_text().replace(",,,,", ",7,8,15,16")
    listed.write_text(filled)
    again = diagnose(str(place), "--ask-boxes", "24", "--seed", "3")
    assert "is there already and is kept" in again.output
    assert listed.read_text() == filled
    done = diagnose("out/diagnosis/ask_boxes.csv", "--out", "out/diagnosis-boxes")
    assert done.exit_code == 0, done.output
    assert "Rests on the background: 100 points" in done.output


def test_other_seeds_ask_for_other_images(reader: Make, photos: Photos, out: Path):
    place, found = without_boxes(photos()), []
    for seed in (0, 1):
        folder = out.with_name(f"seed-{seed}")
        options = replace(FEW, ask_boxes=10, seed=seed)
        diagnose_images(reader("frame"), place, out=folder, options=options)
        found.append((folder / "ask_boxes.csv").read_text())
    assert found[0] != found[1]


def pixels_of(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def test_images_without_a_file_are_written_beside_the_list(
    reader: Make, photos: Photos, out: Path, tmp_path: Path
):
    encoded = [file.read_bytes() for file in sorted(photos().glob("*.png"))]
    file = tmp_path / "pack.npz"
    ends = np.cumsum([0, *map(len, encoded)])
    np.savez(
        file,
        data=np.frombuffer(b"".join(encoded), np.uint8),
        off=ends,
        label=np.arange(40) % 4,
    )
    options = replace(FEW, ask_boxes=10)
    diagnose_images(reader("frame"), file, out=out, options=options)
    rows = list(csv.DictReader((out / "ask_boxes.csv").read_text().splitlines()))
    assert len(rows) == 10
    for row in rows:
        number = int(Path(row["path"]).stem)
        assert row["label"] == str(number % 4)
        assert pixels_of(out / row["path"]) == pixels_of(tmp_path / "photos" / f"{number:03d}.png")
    assert write_box_sheet(out).read_text().count("<img") == 10


def test_no_image_is_asked_for_where_all_have_boxes(reader: Make, photos: Photos, out: Path):
    record = diagnose_images(reader("frame"), photos(), out=out, options=replace(FEW, ask_boxes=3))
    assert "no image lacks boxes: none is asked for" in record.notes
    assert not (out / "ask_boxes.csv").exists()


def test_images_that_went_away_stay_on_the_sheet(tmp_path: Path):
    (tmp_path / "ask_boxes.csv").write_text("path,label,x0,y0,x1,y1\ngone.png,a,,,,\n")
    assert "gone.png" in write_box_sheet(tmp_path).read_text()
    (tmp_path / "ask_boxes.csv").write_text("path,label\ngone.png,a\n")
    with pytest.raises(DataError, match="lacks columns: x0, x1, y0, y1"):
        write_box_sheet(tmp_path)
    shutil.rmtree(tmp_path)
