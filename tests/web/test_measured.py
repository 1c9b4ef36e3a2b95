"""Folders of evaluate and diagnose as tables: the numbers on disk, image by image."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.studies.diagnosis.conftest import LEFT, NAMES, SIDE, SIZE, TOP, Reader, level

from figureground.base.errors import DataError
from figureground.data import decode_image
from figureground.models import Classifier, Preprocessing
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.information import Information
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.evaluation.tables import EvaluationRecord
from figureground.studies.models import LoadedModel
from figureground.web.browsing import read_results
from figureground.web.results import Results
from figureground.web.served import ServedModel


@pytest.fixture
def boxed(tmp_path: Path) -> Path:
    """Forty images of four classes, each grey as its class, with boxes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = ["path,label,x0,y0,x1,y1"]
    for number in range(40):
        draws = np.random.default_rng(number)
        pixels = level(number % 4) + draws.integers(-6, 7, (SIDE, SIDE, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02d}.png")
        box = f"{LEFT},{TOP},{LEFT + SIZE},{TOP + SIZE}"
        rows.append(f"{number:02d}.png,{NAMES[number % 4]},{box}")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def reader() -> LoadedModel:
    """Reads the frame of an image and nothing else."""
    plain = Preprocessing((SIDE, SIDE), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    return LoadedModel(Classifier(Reader("frame").eval(), plain, name="frame", class_names=NAMES))


@pytest.fixture
def located(model: ServedModel, boxed: Path, tmp_path: Path) -> EvaluationRecord:
    """Some images of the toy, located; its classes are those of the first three."""
    lines = (boxed / "boxes.csv").read_text().splitlines()[:9]
    names = dict(zip(NAMES, ("green", "blue", "green", "blue"), strict=True))
    told = [lines[0], *(line.replace(f",{line[7]},", f",{names[line[7]]},") for line in lines[1:])]
    (boxed / "boxes.csv").write_text("\n".join(told) + "\n")
    chosen = Localisation(methods=("cam", "eigen-cam"), cases=1)
    loaded = LoadedModel(model.classifier)
    return evaluate(chosen, loaded, boxed, out=tmp_path / "out")


def lines_of(found: Results) -> list[dict[str, object]]:
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_an_evaluation_has_a_line_for_each_image_and_method(
    located: EvaluationRecord, boxed: Path, tmp_path: Path
):
    found = read_results(tmp_path / "out", sorted(boxed.glob("*.png")))
    assert (found.kind, len(found.rows)) == ("localisation", 8 * len(located.methods))
    assert located.answer is not None
    assert found.told == located.answer.sentences[:1]
    with np.load(tmp_path / "out" / "per_image.npz") as arrays:
        for line, place in zip(lines_of(found), found.places, strict=True):
            at = arrays["name"].tolist().index(line["image"])
            assert line["class"] == str(arrays["label"][at])
            assert place == boxed / str(line["image"])
            energy = float(arrays[f"{line['method']}/energy"][at])
            wanted = "" if np.isnan(energy) else pytest.approx(energy, rel=1e-3)
            assert line["energy"] == wanted
            best = max(arrays[f"{line['method']}/overlap"][at].tolist()) / 255
            assert line["best IoU"] == pytest.approx(best, rel=1e-3)
    assert read_results(tmp_path / "out").places == (None,) * len(found.rows)


def test_the_worst_and_best_images_of_an_evaluation_have_its_pictures(
    located: EvaluationRecord, tmp_path: Path
):
    found = read_results(tmp_path / "out")
    drawn = {
        (line["image"], line["method"]): pictures
        for line, pictures in zip(lines_of(found), found.pictures, strict=True)
        if pictures
    }
    assert drawn
    assert set(drawn) == {(one.name, one.method) for one in located.cases}
    for one in located.cases:
        words = {words for _, words in drawn[one.name, one.method]}
        assert f"{one.kind} · {one.method} · IoU {one.overlap:.3g}" in words
    content = next(iter(drawn.values()))[0][0]
    assert isinstance(content, bytes)
    assert decode_image(content).width > 10


def test_an_evaluation_without_maps_has_a_line_for_each_image(
    reader: LoadedModel, boxed: Path, tmp_path: Path
):
    evaluate(Information(), reader, boxed, out=tmp_path / "out")
    found = read_results(tmp_path / "out")
    assert len(found.rows) == 40
    with np.load(tmp_path / "out" / "per_image.npz") as arrays:
        for name in ("divergence", "entropy"):
            wanted = pytest.approx(arrays[name].tolist(), rel=1e-3, abs=1e-12)
            assert [line[name] for line in lines_of(found)] == wanted


def test_a_photo_is_found_by_its_name_and_folder_where_it_is_the_only_one(
    located: EvaluationRecord, boxed: Path, tmp_path: Path
):
    other = tmp_path / "more" / "00.png"
    other.parent.mkdir()
    other.write_bytes((boxed / "00.png").read_bytes())
    found = read_results(tmp_path / "out", [boxed / "00.png", other, boxed / "01.png"])
    places = dict(zip((row[1] for row in found.rows), found.places, strict=True))
    assert places["00.png"] is None
    assert places["01.png"] == boxed / "01.png"


def test_a_diagnosis_has_its_verdict_and_a_line_for_each_image(
    reader: LoadedModel, boxed: Path, tmp_path: Path
):
    options = DiagnoseOptions(cells=0, examples=2)
    record = diagnose_images(reader, boxed, out=tmp_path / "out", options=options)
    found = read_results(tmp_path / "out", sorted(boxed.glob("*.png")))
    assert found.told == (record.verdict,)
    assert record.verdict.startswith("rests on the background")
    assert found.classes == list(NAMES)
    with (tmp_path / "out" / "per_image.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for line, row, place in zip(lines_of(found), table, found.places, strict=True):
        assert (line["image"], line["class"]) == (row["image"], row["label"])
        assert line["loss"] == pytest.approx(float(row["loss"]), rel=1e-3)
        assert place == boxed / row["image"]
    drawn = {row[1] for row, shown in zip(found.rows, found.pictures, strict=True) if shown}
    assert drawn == {one.name for one in record.strips}
    assert len(drawn) == 2


def test_what_is_not_finished_or_says_nothing_of_images_is_refused(
    reader: LoadedModel, boxed: Path, tmp_path: Path
):
    diagnose_images(reader, boxed, out=tmp_path / "out", options=DiagnoseOptions(cells=0))
    (tmp_path / "out" / "per_image.csv").unlink()
    with pytest.raises(DataError, match="without boxes a diagnosis says nothing of single images"):
        read_results(tmp_path / "out")
    (tmp_path / "out" / "record.json").unlink()
    with pytest.raises(DataError, match="is not finished"):
        read_results(tmp_path / "out")
