"""One set of images as folders, as a tar file and as a Parquet file trains to one end, in memory and streamed."""

import io
import tarfile
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError
from figureground.studies.training.train import train
from figureground.training.recipe import changed

pa: Any = import_module("pyarrow")  # without types
pq: Any = import_module("pyarrow.parquet")
NAMES = ("dark", "light")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Sixty small photos of two classes, in the order of the folder."""
    root = tmp_path_factory.mktemp("sources")
    draws = np.random.default_rng(0)
    rows = []
    for label, name in enumerate(NAMES):
        (root / "folder" / name).mkdir(parents=True)
        for number in range(30):
            height, width = draws.integers(20, 160, 2)
            pixels = draws.integers(0, 120, (height, width, 3)) + 130 * label
            path = root / "folder" / name / f"{number}.jpg"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
            rows.append((path.read_bytes(), name))
    with tarfile.open(root / "all.tar", "w") as tar:
        for row, (content, name) in enumerate(rows):
            for member, held in ((f"{row}.jpg", content), (f"{row}.cls", name.encode())):
                one = tarfile.TarInfo(member)
                one.size = len(held)
                tar.addfile(one, io.BytesIO(held))
    images = [{"bytes": content, "path": None} for content, _ in rows]
    table = pa.table({"image": images, "label": [name for _, name in rows]})
    pq.write_table(table, root / "all.parquet")
    return {
        "folder": root / "folder",
        "webdataset": root / "all.tar",
        "parquet": root / "all.parquet",
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def recipe(name, root, storage, workers, **more):
    content = {
        "name": "small",
        "epochs": 2,
        "batch_size": 8,
        "data": {"name": name, "root": str(root), "storage": storage, "workers": workers},
        "model": {
            "name": "figureground:small-resnet",
            "preprocessing": {"size": [16, 16], "crop_fraction": 0.9},
        },
        "optimiser": {"lr": 0.02},
        "augmentation": {"transforms": [{"RandomResizedCrop": {"antialias": True}}]},
    }
    return changed(content | more, ())


@pytest.mark.parametrize(("storage", "workers"), [("stream", 0), ("stream", 2), ("memory", 0)])
def test_all_three_train_to_one_end(sources, tmp_path, storage, workers):
    ends, records = [], []
    for name, root in sources.items():
        record = train(recipe(name, root, storage, workers), tmp_path / name, accelerator="cpu")
        ends.append(
            [(tmp_path / name / file).read_bytes() for file in ("history.csv", "last.safetensors")]
        )
        records.append({key: record.data[key] for key in ("train", "val", "class_names")})
    assert ends[0] == ends[1] == ends[2]
    assert records[0] == records[1] == records[2]
    assert records[0]["class_names"] == list(NAMES)


@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_a_file_that_changes_during_a_run_ends_it_in_one_line(sources, tmp_path, name):
    place = tmp_path / sources[name].name
    place.write_bytes(sources[name].read_bytes())

    def change(_stage, done, _total):
        if done == 8:
            place.write_bytes(place.read_bytes()[:-10])

    with pytest.raises(DataError, match=rf"changed while they were in use: .*{place.name} has \d+"):
        train(
            recipe(name, place, "stream", 2, epochs=4),
            tmp_path / "run",
            accelerator="cpu",
            progress=change,
        )
