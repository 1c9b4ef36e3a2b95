"""Networks of which it is known what they read are diagnosed so; nothing is lost, nothing measured twice."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.studies.diagnosis.conftest import LEFT, NAMES, SIDE, SIZE, TOP, Reader

from figureground.base.errors import DataError
from figureground.base.record import append_line, write_json
from figureground.metrics.reliance import FILLS
from figureground.reports import write_diagnosis_report
from figureground.studies.diagnosis import options as options_module
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.models import LoadedModel
from figureground.training.recipe import read_recipe

Make = Callable[..., LoadedModel]
Photos = Callable[..., Path]
FEW = DiagnoseOptions(cells=8, examples=2)


def test_a_network_that_reads_the_frame_rests_on_the_background(
    reader: Make, photos: Photos, out: Path
):
    record = diagnose_images(reader("frame"), photos(), out=out, options=FEW)
    assert record.verdict.startswith("rests on the background: 100 points")
    given = record.numbers["given"]
    assert given["gap"] == pytest.approx((1, 1, 1))
    assert given["pull"] == pytest.approx((1, 1, 1))
    assert given["share"][0] == pytest.approx(1, abs=0.02)
    assert given["foreground"][0] == pytest.approx(0)
    assert record.cue == "scene-wide"
    assert record.what_if == ((1.0, 1.0), (0.5, 0.5), (0.0, 0.0))
    assert {one["name"] for one in record.classes if one["found"]} == set(NAMES)
    assert "background-swap" in record.recipe
    assert read_recipe(out / "treatment.yaml").algorithms == (
        {"background-swap": {"p": 1.0, "mask": "inner"}},
    )
    assert len({strip.label for strip in record.strips}) == FEW.examples  # a class each
    for strip in record.strips:
        told = [(cell["title"], cell["right"]) for cell in strip.cells]
        assert told[:2] == [("original", True), ("its background alone", True)]
        assert all(not right for title, right in told[2:] if title.startswith("on a background of"))


def test_a_network_that_reads_the_object_does_not(reader: Make, photos: Photos, out: Path):
    record = diagnose_images(reader("object"), photos(), out=out, options=FEW)
    assert record.verdict.startswith("does not rest on the background: 0 points")
    assert record.numbers["given"]["gap"] == pytest.approx((0, 0, 0))
    assert record.numbers["given"]["foreground"][0] == pytest.approx(1)
    assert record.recipe == ""
    assert not (out / "treatment.yaml").exists()
    assert record.recommendation == (
        "Nothing needs to be done. Diagnose again after every training.",
    )


def test_a_cue_in_a_corner_is_local(reader: Make, photos: Photos, out: Path):
    record = diagnose_images(reader("corner"), photos(), out=out, options=FEW)
    assert record.word == "rests on"
    assert record.cue == "local"
    assert "The cue is local" in record.recommendation[-1]
    with np.load(out / "pairs.npz") as arrays:
        losses = arrays["cells/loss"]
    assert np.isnan(losses[:, 3:5, 3:5]).all()  # the object's own cells are left out
    strongest = np.nan_to_num(losses).sum(0)
    assert np.unravel_index(strongest.argmax(), strongest.shape) == (0, 0)


def test_files_and_page_tell_the_same(reader: Make, photos: Photos, out: Path):
    place = photos()
    record = diagnose_images(reader("frame"), place, out=out, options=FEW)
    rows = list(csv.DictReader((out / "per_image.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == sorted(one.name for one in place.glob("*.png"))
    assert float(rows[0]["area"]) == pytest.approx(SIZE * SIZE / SIDE**2, abs=1e-5)
    assert rows[0]["flips"] == rows[0]["backgrounds"]
    worst = next(row for row in rows if row["image"] == rows[0]["worst_background"])
    assert worst["label"] != rows[0]["label"]
    with np.load(out / "pairs.npz") as arrays:
        front, back = arrays["given/foreground"], arrays["given/background"]
        labels, best = arrays["labels"], arrays["given/best"]
        top = arrays["given/logit_foreground"] - arrays["given/log_sum_exp"]
        own = arrays["given/probabilities"][np.arange(len(front)), labels[front]]
    np.testing.assert_allclose(np.exp(top), own, atol=1e-5)
    same = labels[front] == labels[back]
    assert (best[same] == labels[front][same]).all()
    assert (best[~same] == labels[back][~same]).all()
    page = write_diagnosis_report(out).read_text()
    assert (
        page.index("Rests on the background")
        < page.index("The same objects")
        < page.index("What to do")
    )
    assert record.images == 40
    assert "figureground train" in page
    assert "<script" not in page
    told = json.loads((out / "record.json").read_text())
    assert told["kind"] == "diagnosis"
    write_json(out / "record.json", told | {"model": told["model"] | {"run": "next"}})
    page = write_diagnosis_report(out).read_text()
    assert "· next</title>" in page
    assert "figureground · next</p>" in page


def test_what_is_measured_is_not_measured_again(reader: Make, photos: Photos, out: Path):
    model, place = reader("frame"), photos()
    diagnose_images(model, place, out=out, options=FEW)
    network = model.classifier.network
    assert isinstance(network, Reader)
    first, network.calls = network.calls, 0
    again = diagnose_images(model, place, out=out, options=FEW)
    assert network.calls == 0
    assert first > 40 * (1 + 1 + 1 + 3 * 6)
    assert again.word == "rests on"


class Stop(BaseException):
    """What stands for Ctrl-C."""


def test_a_stopped_diagnosis_ends_with_the_same_pairs(
    reader: Make, photos: Photos, out: Path, monkeypatch: pytest.MonkeyPatch
):
    model, place = reader("frame"), photos()
    diagnose_images(model, place, out=out, options=FEW)
    wanted = (out / "pairs.npz").read_bytes()
    other, left = out.with_name("other"), [4]

    def counted(path: Path, line: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Stop
        append_line(path, line)

    with monkeypatch.context() as patch:
        patch.setattr("figureground.base.store.append_line", counted)
        with pytest.raises(Stop):
            diagnose_images(model, place, out=other, options=FEW)
    assert not (other / "record.json").exists()
    diagnose_images(model, place, out=other, options=FEW)
    assert (other / "pairs.npz").read_bytes() == wanted
    assert not list(other.glob("*.part"))


def test_another_question_about_the_folder_is_refused(reader: Make, photos: Photos, out: Path):
    place = photos()
    diagnose_images(reader("frame"), place, out=out, options=FEW)
    with pytest.raises(DataError, match="another job"):
        diagnose_images(
            reader("frame"), place, out=out, options=DiagnoseOptions(cells=8, examples=2, delta=0.2)
        )


def test_quick_asks_less(reader: Make, photos: Photos, out: Path):
    model = reader("frame")
    record = diagnose_images(
        model, photos(), out=out, options=DiagnoseOptions(quick=True, examples=0)
    )
    assert model.classifier.network.calls == 40 * (1 + 1 + 1 + 3)
    assert set(record.numbers) == {"given"}
    assert record.cue == ""
    assert record.cell_picture == ""


def test_the_output_for_background_is_no_answer(reader: Make, photos: Photos, out: Path):
    record = diagnose_images(reader("frame", extra=1), photos(), out=out, options=FEW)
    assert record.numbers["given"]["gap"][0] == 1
    assert any("output for background (number 4)" in note for note in record.notes)


def test_images_that_cannot_be_crossed_are_named(reader: Make, photos: Photos, out: Path):
    place = photos(more=("900.png,a,0,0,24,24", "901.png,b,30,30,40,40"))
    for name in ("900", "901"):
        Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(place / f"{name}.png")
    record = diagnose_images(reader("frame"), place, out=out, options=FEW)
    assert record.images == 40
    told = "\n".join(record.left_out)
    assert "900.png: left out: its object covers 100% of what the network sees" in told
    assert "901.png" in told


def test_copies_and_two_objects_of_one_image_never_meet(reader: Make, photos: Photos, out: Path):
    place = photos(more=("000.png,b,1,1,5,5", "950.png,a,7,8,15,16"))
    (place / "950.png").write_bytes((place / "004.png").read_bytes())
    diagnose_images(reader("object"), place, out=out, options=FEW)
    with np.load(out / "pairs.npz") as arrays:
        names, front, back = arrays["names"], arrays["given/foreground"], arrays["given/background"]
    for one, other in (("000.png", "000.png"), ("004.png", "950.png"), ("950.png", "004.png")):
        assert not ((names[front] == one) & (names[back] == other)).any()


def test_images_alone_in_their_class_are_compared_with_a_hole(
    reader: Make, photos: Photos, out: Path, monkeypatch: pytest.MonkeyPatch
):
    """Four classes of one image each: what is asked is the own background with another's hole."""
    monkeypatch.setattr("figureground.studies.diagnosis.scenes.FEWEST", 4)
    monkeypatch.setattr("figureground.studies.diagnosis.recording.highest_by_chance", lambda _: 0.5)
    record = diagnose_images(reader("frame"), photos(each=1), out=out, options=FEW)
    assert any("most images are the only one of their class" in note for note in record.notes)
    assert record.verdict.startswith("rests on the background: 100 points")
    assert "gap" not in record.numbers["given"]
    assert record.what_if == ()


@pytest.mark.parametrize(("each", "message"), [(1, "4 of 4 images"), (2, "8 of 8 images")])
def test_too_few_images_are_refused(
    reader: Make, photos: Photos, out: Path, each: int, message: str
):
    with pytest.raises(DataError, match=message):
        diagnose_images(reader("frame"), photos(each=each), out=out, options=FEW)
    assert not out.exists()


def test_labels_in_another_order_are_seen(reader: Make, photos: Photos, out: Path):
    place = photos()
    text = (place / "boxes.csv").read_text()
    for one, other in zip("abcd", "wxyz", strict=True):
        text = text.replace(f",{one},", f",{other},")
    for one, other in zip("wxyz", "bcda", strict=True):
        text = text.replace(f",{one},", f",{other},")
    (place / "boxes.csv").write_text(text)
    with pytest.raises(DataError, match=r"0\.0% of the originals, which is not above chance"):
        diagnose_images(reader("frame"), place, out=out, options=FEW)


def test_fills_are_those_of_the_metrics():
    assert options_module._FILLS == FILLS


def test_masks_count_before_boxes(reader: Make, photos: Photos, out: Path, tmp_path: Path):
    """Masks of the exact square, a pixel smaller all round: area and foreground follow them."""
    place, masks = photos(), tmp_path / "masks"
    masks.mkdir()
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[TOP + 1 : TOP + SIZE - 1, LEFT + 1 : LEFT + SIZE - 1] = 255
    for file in place.glob("*.png"):
        folder = masks / NAMES[int(file.stem) % 4]
        folder.mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / file.name)
        source = tmp_path / "by-class" / folder.name
        source.mkdir(parents=True, exist_ok=True)
        (source / file.name).write_bytes(file.read_bytes())
    found = DataOptions(images=tmp_path / "by-class")
    diagnose_images(reader("frame"), masks, out=out, options=FEW, data_options=found)
    rows = list(csv.DictReader((out / "per_image.csv").read_text().splitlines()))
    areas = [float(row["area"]) for row in rows]
    assert areas == pytest.approx([(SIZE - 2) ** 2 / SIDE**2] * 40, abs=1e-5)


def test_memory_holds_no_composites(
    reader: Make, photos: Photos, out: Path, monkeypatch: pytest.MonkeyPatch
):
    """No more images at a time than asked for."""
    sizes: list[int] = []
    model = reader("frame")
    forward = model.classifier.network.forward

    def counted(images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        return forward(images)

    monkeypatch.setattr(model.classifier.network, "forward", counted)
    diagnose_images(
        model, photos(), out=out, options=DiagnoseOptions(batch_size=7, cells=2, examples=0)
    )
    assert max(sizes) <= 7
