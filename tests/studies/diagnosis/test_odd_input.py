"""Odd but honest input: two classes, classes of one image, several objects, grey, deep and broken files, own images."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.studies.diagnosis.conftest import SIDE, level
from typer.testing import CliRunner

from figureground.base.errors import DataError
from figureground.cli.main import app
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.models import LoadedModel, load_model
from figureground.studies.training.train import train
from figureground.training.recipe import changed

Make = Callable[..., LoadedModel]
Photos = Callable[..., Path]
FEW = DiagnoseOptions(cells=0, examples=2)


def only_rows(place: Path, keep: Callable[[int, str], bool]) -> Path:
    """The rows that are kept, by number of the image and its class."""
    head, *rows = (place / "boxes.csv").read_text().splitlines()
    kept = [row for row in rows if keep(int(row[:3]), row.split(",")[1])]
    (place / "boxes.csv").write_text("\n".join([head, *kept]) + "\n")
    return place


def test_two_classes_have_all_numbers(reader: Make, photos: Photos, out: Path):
    place = only_rows(photos(), lambda _, label: label in "ab")
    record = diagnose_images(reader("frame"), place, out=out, options=FEW)
    assert record.images == 20
    given = record.numbers["given"]
    for name in ("gap", "pull", "v11", "v01"):
        assert given[name] == pytest.approx((1, 1, 1))
    for name in ("v10", "v00"):
        assert given[name] == pytest.approx((0, 0, 0), abs=1e-9)
    assert record.word == "rests on"


def test_a_class_of_one_image_is_not_listed_and_small_ones_neither(
    reader: Make, photos: Photos, out: Path
):
    """Ten of a and b, four of c, one of d: the gap is of a, b and c, and only a and b are tested."""
    few = {"a": 99, "b": 99, "c": 4 * 4, "d": 4}
    place = only_rows(photos(), lambda number, label: number < few[label])
    record = diagnose_images(reader("frame"), place, out=out, options=FEW)
    assert record.images == 25
    assert {one["name"] for one in record.classes} == {"a", "b"}
    table = next(one for one in record.tables if one["title"] == "Classes")
    assert "2 classes with fewer than five images are not listed" in table["caption"]
    rows = list(csv.DictReader((out / "per_image.csv").read_text().splitlines()))
    (alone,) = (row for row in rows if row["label"] == "d")
    # beside itself no image of its class is at hand: its own background with another's hole stands for one
    assert float(alone["loss"]) == pytest.approx(1, abs=1e-3)
    with np.load(out / "pairs.npz") as arrays:
        labels = arrays["labels"]
        front, back = labels[arrays["given/foreground"]], labels[arrays["given/background"]]
    assert not ((front == 3) & (back == 3)).any()
    assert record.numbers["given"]["gap"][0] == 1


def test_another_object_of_an_image_is_in_no_background(reader: Make, photos: Photos, out: Path):
    """A bright object of class b in the upper left corner of image 0 of class a: no background shows it."""
    place = photos(more=("000.png,b,1,1,6,6",))
    with Image.open(place / "000.png") as image:
        pixels = np.array(image)
    pixels[1:6, 1:6] = level(1)
    Image.fromarray(pixels).save(place / "000.png")
    record = diagnose_images(reader("corner"), place, out=out, options=FEW)
    assert record.images == 41
    with np.load(out / "pairs.npz") as arrays:
        names, best = arrays["names"], arrays["given/best"]
        front, back = arrays["given/foreground"], arrays["given/background"]
    both = np.flatnonzero(names == "000.png")
    assert len(both) == 2
    lent = np.isin(back, both) & ~np.isin(front, both)
    assert (best[lent] == 0).all()  # the corner is that of class a, not the object's grey


def test_grey_and_deep_images_are_as_others(reader: Make, photos: Photos, out: Path):
    """Some files are grey, some have 16 bits: of 257 times the value, they are the same images."""
    place = photos()
    for number in range(12):
        file = place / f"{number:03d}.png"
        with Image.open(file) as image:
            grey = np.array(image.convert("L"))
        deep = number % 2 == 1
        Image.fromarray(grey.astype(np.uint16) * 257 if deep else grey).save(file)
    record = diagnose_images(reader("frame"), place, out=out, options=FEW)
    assert record.images == 40
    assert record.left_out == ()
    assert record.numbers["given"]["gap"] == pytest.approx((1, 1, 1))
    rows = list(csv.DictReader((out / "per_image.csv").read_text().splitlines()))
    assert all(float(row["probability"]) > 0.5 for row in rows)


def test_broken_images_are_named_and_the_others_used(reader: Make, photos: Photos, out: Path):
    place = photos()
    (place / "003.png").write_bytes(b"no image at all")
    (place / "004.png").write_bytes((place / "004.png").read_bytes()[:300])
    record = diagnose_images(reader("frame"), place, out=out, options=FEW)
    assert record.images == 38
    told = "\n".join(record.left_out)
    assert "003.png" in told
    assert "004.png" in told


@pytest.fixture
def run(photos: Photos, tmp_path: Path) -> Path:
    """A run on 120 images with boxes."""
    recipe = changed(
        {
            "name": "plain",
            "epochs": 12,
            "batch_size": 16,
            "data": {"name": "boxes", "root": str(photos(each=30))},
            "model": {
                "name": "figureground:small-resnet",
                "arguments": {"width": 4},
                "preprocessing": {"size": [SIDE, SIDE]},
            },
            "optimiser": {"kind": "adamw", "lr": 0.01},
        }
    )
    train(recipe, tmp_path / "run")
    return tmp_path / "run"


def test_images_that_a_run_was_trained_on_are_refused(run: Path, out: Path):
    loaded, trained_on = load_model(run), DataOptions(split="train")
    with pytest.raises(DataError, match="the run was trained on these images"):
        diagnose_images(loaded, out=out, options=FEW, data_options=trained_on)
    allowed = DiagnoseOptions(cells=0, examples=0, allow_training_images=True)
    record = diagnose_images(loaded, out=out, options=allowed, data_options=trained_on)
    assert record.images == 88
    assert "the images may be those that the network was trained on" in record.notes
    test = diagnose_images(loaded, out=out.with_name("test"), options=FEW)
    assert test.images == 24


def test_the_command_says_so_too(run: Path, out: Path):
    words = ["diagnose", str(run), "--split", "train", "--cells", "0", "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert "go on with --allow-training-images" in done.output
    done = CliRunner().invoke(app, [*words, "--allow-training-images"])
    assert done.exit_code == 0, done.output
    assert "may be those that the network was trained on" in done.output
