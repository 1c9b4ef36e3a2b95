"""The diagnosis of tensors says what the command says of the same images in files."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.studies.diagnosis.conftest import LEFT, NAMES, SIDE, SIZE, TOP, Reader

import figureground as fg
from figureground.base.errors import DataError, ShapeError
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.library import Diagnosis
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.models import LoadedModel

Make = Callable[..., LoadedModel]
Photos = Callable[..., Path]
World = tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]
FEW = DiagnoseOptions(cells=8, examples=2)


@pytest.fixture
def place(photos: Photos) -> Path:
    return photos()


@pytest.fixture
def world(place: Path) -> World:
    files = sorted(place.glob("*.png"))
    images = torch.stack([torch.from_numpy(np.array(Image.open(file))) for file in files])
    box = torch.tensor([[LEFT, TOP, LEFT + SIZE, TOP + SIZE]], dtype=torch.float32)
    return images.permute(0, 3, 1, 2).contiguous(), torch.arange(len(files)) % 4, [box] * len(files)


def asked(model: object, world: World, **more: object) -> Diagnosis:
    images, labels, boxes = world
    return fg.diagnose(model, images, labels, masks=boxes, options=FEW, **more)  # type: ignore[arg-type]


def test_tensors_have_the_numbers_of_files(reader: Make, place: Path, world: World, out: Path):
    loaded = reader("frame")
    record = diagnose_images(loaded, place, out=out, options=FEW)
    found = asked(loaded.classifier, world)
    assert found.verdict == record.verdict
    assert found.record.numbers == record.numbers
    assert found.record.cue == record.cue
    assert found.record.tables[0] == record.tables[0]
    with np.load(out / "pairs.npz") as arrays:
        for name in ("given/foreground", "given/background", "given/best", "inner/best"):
            np.testing.assert_array_equal(found.arrays[name], arrays[name])
    rows = list(csv.DictReader((out / "per_image.csv").read_text().splitlines()))
    assert [str(one["flips"]) for one in found.images] == [row["flips"] for row in rows]


@pytest.mark.parametrize("part", ["frame", "object"])
def test_a_network_a_function_and_a_classifier_are_one(reader: Make, world: World, part: str):
    classifier = reader(part).classifier
    network = classifier.network
    wanted = asked(classifier, world)
    names = {"class_names": NAMES}
    assert asked(network, world, **names).table == wanted.table
    assert asked(lambda images: {"logits": network(images)}, world, **names).table == wanted.table
    beginning = "rests on the background" if part == "frame" else "does not rest on the background"
    assert wanted.verdict.startswith(beginning)
    gap = next(one for one in wanted.table if one["number"] == "gap")
    assert gap == {
        "number": "gap",
        "value": 1.0 * (part == "frame"),
        "low": gap["value"],
        "high": gap["value"],
    }
    assert {one["class"] for one in wanted.classes if one["found"]} == (
        set(NAMES) if part == "frame" else set()
    )
    assert len(wanted.images) == 40


def test_floats_bytes_boxes_and_masks_are_one(reader: Make, world: World):
    images, labels, boxes = world
    network = reader("frame").classifier.network
    masks = torch.zeros(40, SIDE, SIDE, dtype=torch.bool)
    masks[:, TOP : TOP + SIZE, LEFT : LEFT + SIZE] = True
    first = asked(network, world)
    second = fg.diagnose(network, images.double().float() / 255, labels, masks=boxes, options=FEW)
    assert first.table == second.table
    third = fg.diagnose(network, images, labels, masks=masks, options=FEW)
    assert third.record.numbers["given"]["gap"] == first.record.numbers["given"]["gap"]
    assert [one["area"] for one in third.images] == [one["area"] for one in first.images]


def test_the_model_is_left_as_it_was_and_nothing_is_written(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    there = set(tmp_path.rglob("*"))
    network = torch.nn.Sequential(Reader("frame"), torch.nn.Dropout(0.5))
    network[0].eval()
    network[1].train()
    asked(network, world)
    assert [network.training, network[0].training, network[1].training] == [True, False, True]
    assert set(tmp_path.rglob("*")) == there


def test_what_is_saved_is_what_the_command_writes(reader: Make, world: World, out: Path):
    found = asked(reader("frame").classifier, world)
    page = found.save(out)
    assert "Rests on the background" in page.read_text()
    files = {path.name for path in out.iterdir()}
    assert files >= {"record.json", "report.html", "tables.md", "tables", "per_image.csv"}
    assert files >= {"pairs.npz", "treatment.yaml"}
    rows = list(csv.DictReader((out / "per_image.csv").read_text().splitlines()))
    assert [row["image"] for row in rows[:2]] == ["image 0", "image 1"]
    found.save(out)
    (out.parent / "other").mkdir()
    (out.parent / "other" / "recipe.yaml").write_text("name: run")
    with pytest.raises(DataError, match="holds a training run"):
        found.save(out.parent / "other")


def test_grey_images_stay_grey(world: World):
    images, labels, boxes = world
    shapes = set()

    def model(batch: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(batch.shape[1:]))
        return Reader("frame")(batch)

    found = fg.diagnose(model, images[:, :1], labels, masks=boxes, options=FEW)
    assert shapes == {(1, SIDE, SIDE)}
    assert found.verdict.startswith("rests on the background")


def test_images_without_an_object_are_left_out(reader: Make, world: World):
    images, labels, boxes = world
    fewer = [torch.zeros(0, 4), *boxes[1:]]
    found = fg.diagnose(reader("frame").classifier, images, labels, masks=fewer, options=FEW)
    assert found.record.images == 39
    assert found.record.problems == {"no-boxes": 1}
    assert found.images[0]["image"] == "image 1"


def test_what_does_not_fit_is_refused(reader: Make, world: World):
    images, labels, boxes = world
    network = reader("frame").classifier.network
    with pytest.raises(ShapeError, match="39 masks or lists of boxes for 40 images"):
        fg.diagnose(network, images, labels, masks=boxes[1:])
    with pytest.raises(ShapeError, match="with N labels"):
        fg.diagnose(network, images, labels[1:], masks=boxes)
    with pytest.raises(ShapeError, match=r"masks \(40, 3, 3\) do not fit"):
        fg.diagnose(network, images, labels, masks=torch.ones(40, 3, 3, dtype=torch.bool))
    with pytest.raises(ShapeError, match="leave the normalisation to the model"):
        fg.diagnose(network, images.float(), labels, masks=boxes)
    with pytest.raises(DataError, match="0 of 40 images can be crossed, of 0 classes"):
        fg.diagnose(network, images, labels, masks=[torch.zeros(0, 4)] * 40)
    with pytest.raises(DataError, match="not above chance"):
        fg.diagnose(network, images, (labels + 1) % 4, masks=boxes)
