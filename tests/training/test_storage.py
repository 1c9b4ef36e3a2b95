"""Runs whose images are streamed from files end as those whose images are in memory, and say what went wrong."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.data.loaders import datasets, divided_folder
from figureground.data.loaders.image_folder import image_folder
from figureground.data.one_size import streamed
from figureground.models import Preprocessing
from figureground.studies.training.train import train
from figureground.training.loading import Loader, Request
from figureground.training.recipe import changed, write_recipe
from figureground.training.recipe_data import training_data
from figureground.training.start import start_run
from figureground.training.streams import derived_seed
from figureground.training.transforms import Transforms

SMALL = "figureground:small-resnet"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Forty small photos of two classes, of many sizes."""
    folder = tmp_path_factory.mktemp("photos")
    draws = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (folder / name).mkdir()
        for number in range(20):
            height, width = draws.integers(20, 60, 2)
            pixels = draws.integers(0, 120, (height, width, 3)) + 130 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.jpg")
    return folder


def recipe(photos: Path, *changes: str, **parts):
    small = {"name": SMALL, "preprocessing": {"size": [16, 16], "crop_fraction": 0.9}}
    content = {
        "name": "small",
        "epochs": 2,
        "batch_size": 8,
        "data": {"name": "folder", "root": str(photos), "workers": 1},
        "model": small,
        "optimiser": {"lr": 0.02},
    }
    return changed(content | parts, changes)


@pytest.mark.parametrize(
    "augmentation",
    [
        {},
        {"crop_padding": 2, "flip": True},
        {"transforms": ["RandomHorizontalFlip", {"ColorJitter": {"brightness": 0.4}}]},
    ],
    ids=["plain", "pad-crop", "transforms"],
)
def test_memory_and_stream_give_one_log(photos, tmp_path, augmentation):
    logs = []
    for storage, workers in (("memory", 1), ("stream", 0), ("stream", 2)):
        out = tmp_path / f"{storage}{workers}"
        wanted = recipe(
            photos,
            f"data.storage={storage}",
            f"data.workers={workers}",
            augmentation=augmentation,
            algorithms=[{"mask-tune": {"start": 0.5}}],
        )
        train(wanted, out, accelerator="cpu")
        logs.append([(out / name).read_bytes() for name in ("history.csv", "last.safetensors")])
    assert logs[0] == logs[1] == logs[2]


def test_a_stopped_run_that_streams_is_resumed_with_the_same_end(photos, tmp_path):
    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def stop(_stage, done, _total):
        if done == 5 * 8:
            raise Stopped

    wanted = recipe(
        photos,
        "data.storage=stream",
        "checkpoint_every=1",
        augmentation={"transforms": [{"RandomResizedCrop": {}}, "TrivialAugmentWide"]},
    )
    train(wanted, tmp_path / "whole", accelerator="cpu")
    with pytest.raises(Stopped):
        train(wanted, tmp_path / "parts", accelerator="cpu", progress=stop)
    train(wanted, tmp_path / "parts", accelerator="cpu", resume=True)
    for name in ("last.safetensors", "best.safetensors", "history.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def copied(photos, folder):
    for path in photos.glob("*/*.jpg"):
        place = folder / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    return folder


def test_damaged_images_take_no_part_and_are_named(photos, tmp_path):
    place = copied(photos, tmp_path / "photos")
    bad = sorted(place.glob("dark/*.jpg"))[:6]
    for path in bad:
        path.write_bytes(path.read_bytes()[:200])
    record = train(recipe(place, "data.storage=stream"), tmp_path / "run", accelerator="cpu")
    left_out = " ".join(record.data["left_out"])
    seen = [path.name for path in bad if path.name in left_out]
    assert len(seen) >= 3  # those of the training and validation parts
    assert record.last["accuracy"] >= 0.5


def test_a_data_set_that_changes_during_a_run_ends_it_in_one_line(photos, tmp_path):
    place = copied(photos, tmp_path / "photos")

    def remove(_stage, done, _total):
        if done == 8:
            for path in place.glob("*/*.jpg"):
                path.unlink()

    with pytest.raises(DataError, match=r"changed while they were in use: .* is gone"):
        train(
            recipe(place, "data.storage=stream", "epochs=4"),
            tmp_path / "run",
            accelerator="cpu",
            progress=remove,
        )


def test_a_folder_of_damaged_images_is_refused(photos, tmp_path):
    place = copied(photos, tmp_path / "photos")
    for path in place.glob("*/*.jpg"):
        path.write_bytes(b"\xff\xd8nothing")
    with pytest.raises(DataError, match="none of the 8 images of a batch can be used"):
        train(recipe(place, "data.storage=stream"), tmp_path / "run", accelerator="cpu")


def test_auto_streams_files_where_photos_are_cut_at_their_own_size(photos, tmp_path):
    spec = recipe(photos).data
    preprocessing: Any = start_run(recipe(photos), tmp_path, accelerator="cpu")[
        0
    ].network.preprocessing
    data = training_data(spec, seed=0)
    assert isinstance(data.fitted(preprocessing, storage="auto").images, torch.Tensor)
    cut = data.fitted(preprocessing, storage="auto", from_original=True)
    assert not isinstance(cut.images, torch.Tensor)


def test_a_photo_is_cut_at_its_own_size(photos):
    spec = recipe(photos).data
    data = training_data(spec, seed=0)
    fit = Preprocessing((16, 16), "crop", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3)
    images: Any = streamed(data.train, fit).images
    entries = [{"RandomResizedCrop": {"scale": [0.05, 0.06], "antialias": False}}]
    loader = Loader(images, Transforms(entries, (16, 16)), seed=0, geometry=True)
    loaded = loader.one(Request([3], "transforms", (0,)))
    original, _ = images.original(3)
    assert max(original.shape[1:]) > 16
    torch.default_generator.manual_seed(derived_seed(0, "transforms", 0, 3))
    wanted = v2.RandomResizedCrop((16, 16), scale=(0.05, 0.06), antialias=False)(original)
    assert torch.equal(loaded.pixels[0], wanted)


def test_a_small_batch_of_damaged_images_is_no_reason_to_stop(photos, tmp_path):
    place = copied(photos, tmp_path / "photos")
    for path in sorted(place.glob("dark/*.jpg"))[:8]:
        path.write_bytes(path.read_bytes()[:200])
    record = train(
        recipe(place, "data.storage=stream", "batch_size=1"), tmp_path / "run", accelerator="cpu"
    )
    assert np.isfinite(record.last["loss"])


def test_validation_images_that_are_all_damaged_are_told(photos, tmp_path):
    place = tmp_path / "photos"
    copied(photos, place / "train")
    for path in copied(photos, place / "val").glob("*/*.jpg"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="none of the 40 validation images can be decoded"):
        train(recipe(place, "data.storage=stream"), tmp_path / "run", accelerator="cpu")


def test_numbers_depend_on_seed_epoch_and_image_alone(photos):
    pixels = torch.randint(256, (6, 3, 16, 16), dtype=torch.uint8)
    loader = Loader(pixels, Transforms([{"RandomResizedCrop": {}}], (16, 16)), seed=3)
    first = loader.one(Request([4, 1], "transforms", (0,))).pixels
    again = loader.one(Request([1, 2, 4], "transforms", (0,))).pixels
    assert torch.equal(first[0], again[2])
    assert torch.equal(first[1], again[0])
    assert not torch.equal(loader.one(Request([4], "transforms", (1,))).pixels[0], first[0])
    twice = loader.one(Request([4, 4], "extra", (0,), slot=0)).pixels
    assert not torch.equal(twice[0], twice[1])


class Dies(Transforms):
    def __call__(self, *_args, **_kwargs):
        os._exit(1)


def test_a_process_that_dies_is_told_in_one_line():
    pixels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    dying = Dies.__new__(Dies)
    dying.size, dying.channels, dying.names, dying.from_original = (8, 8), 3, [], False
    loader = Loader(pixels, dying, seed=0, workers=2)
    with pytest.raises(DataError, match=r"2 processes that decode images died.*data\.workers=1"):
        list(loader([Request([0], "transforms", (0,))]))


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (
            {"augmentation": {"transforms": ["RandAugment"]}, "algorithms": [{"cam-erasing": {}}]},
            "RandAugment does not tell where it moves what, and cam-erasing",
        ),
        (
            {"augmentation": {"transforms": ["MixUp"]}, "algorithms": [{"mcmi": {}}]},
            "mix the labels of two images, which mcmi cannot take",
        ),
        (
            {"compile": True, "algorithms": [{"cam-erasing": {}}]},
            "compile: cam-erasing looks inside",
        ),
        ({"augmentation": {"transforms": ["RandomFlip"]}}, "no transform of torchvision"),
        ({"augmentation": {"flip": True, "transforms": ["RandomCrop"]}}, "either transforms, or"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_first_step(photos, tmp_path, parts, told):
    with pytest.raises(OptionError, match=told):
        train(recipe(photos, **parts), tmp_path / "run", accelerator="cpu")


def test_mixed_images_and_frozen_parts_train(photos, tmp_path):
    wanted = recipe(
        photos,
        "model.frozen=norms",
        "optimiser.head_lr=0.05",
        "optimiser.clip=1.0",
        "optimiser.decay=weights",
        augmentation={"transforms": ["RandomHorizontalFlip", {"MixUp": {"alpha": 0.4}}, "CutMix"]},
    )
    record = train(wanted, tmp_path / "run", accelerator="cpu")
    assert np.isfinite(record.last["loss"])


def test_a_folder_is_searched_once_for_both_parts(photos, monkeypatch):
    searched = []

    def searching(root):
        searched.append(root)
        return image_folder(root)

    for module in (divided_folder, datasets):
        monkeypatch.setattr(module, "image_folder", searching)
    data = training_data(recipe(photos).data, seed=0)
    assert len(searched) == 1
    assert len(data.train) + len(data.val) == 32  # a fifth is the test part


@pytest.mark.slow  # compiling takes most of a minute
def test_a_compiled_network_ends_as_a_plain_one(photos, tmp_path):
    place = write_recipe(recipe(photos), tmp_path / "small.yaml")
    losses = []
    for word in ("false", "true"):  # alone: the type checks of the tests cannot be compiled
        words = ["train", str(place), "--set", f"compile={word}", "--out", str(tmp_path / word)]
        command = [sys.executable, "-c", "from figureground.cli import main; main()", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        losses.append(read_json(tmp_path / word / "record.json")["last"]["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
