"""Ranking a folder: the right order, whole after a kill, honest about files that are no pictures."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.models import Classifier, Preprocessing
from figureground.studies.ranking import RankOptions, rank_photos

PLAIN = Preprocessing((8, 8), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)


class Network(nn.Module):
    """Logits of two rare classes and background: mean red, mean green, a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.linear = nn.Linear(3, 3)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None])
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
            self.linear.weight.copy_(torch.diag(torch.tensor([4.0, 4.0, 0.0])))
            self.linear.bias.copy_(torch.tensor([0.0, 0.0, 2.0]))
        self.calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += len(images)
        return self.linear(self.conv(images).mean((2, 3)))


@pytest.fixture
def classifier() -> Classifier:
    return Classifier(Network(), PLAIN, name="toy", class_names=("red", "green", "background"))


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Thirteen photos of one colour each, and two files that are no pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    colours = np.random.default_rng(0).integers(0, 256, (13, 3), dtype=np.uint8)
    paths = []
    for number, colour in enumerate(colours):
        paths.append(folder / f"{number}.png")
        Image.fromarray(np.broadcast_to(colour, (8, 8, 3)).copy()).save(paths[-1])
    for at, name in ((3, "broken.png"), (9, "empty.png")):
        path = folder / name
        path.write_bytes(b"no picture" if at == 3 else b"")
        paths.insert(at, path)
    return paths


def colour_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))[0, 0] / 255


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


OPTIONS = RankOptions(part=4, top=5, batch_size=2, workers=1, device="cpu")


def test_scores_are_those_of_a_loop_in_the_order_of_the_photos(classifier, photos, tmp_path):
    record = rank_photos(classifier, photos, out=tmp_path / "out", options=OPTIONS)
    rows = table(tmp_path / "out" / "scores.csv")
    assert [row["path"] for row in rows] == [str(path) for path in photos]
    wanted = {}
    for row, path in zip(rows, photos, strict=True):
        if path.stem in {"broken", "empty"}:
            assert row["problem"]
            assert not row["score"]
            continue
        logits = torch.tensor([*(4 * colour_of(path)[:2]), 2.0])
        shares = logits.softmax(0)
        odds = (shares / (1 - shares)).log()[:2]
        assert float(row["score"]) == pytest.approx(float(odds.max()), abs=1e-4)
        assert float(row["score of red"]) == pytest.approx(float(odds[0]), abs=1e-4)
        assert row["class"] == ("red", "green")[int(odds.argmax())]
        assert float(row["probability"]) == pytest.approx(float(shares[:2].max()), abs=1e-4)
        wanted[str(path)] = float(odds.max())
    best = sorted(wanted, key=lambda path: -wanted[path])[:5]
    assert [one.path for one in record.top] == best
    assert [row["path"] for row in table(tmp_path / "out" / "top.csv")] == best
    assert record.images == 13
    assert sorted(Path(one.path).name for one in record.failed) == ["broken.png", "empty.png"]
    assert record.classes == ("red", "green")
    entries = (tmp_path / "out" / "top" / "entries.jsonl").read_text().splitlines()
    assert len(entries) == 5
    assert read_json(tmp_path / "out" / "record.json")["top"][0]["path"] == best[0]


def test_a_killed_job_goes_on_and_ends_as_an_undisturbed_one(classifier, photos, tmp_path):
    class Killed(Exception):  # noqa: N818 - not an error
        pass

    def kill(done: int, _total: int) -> None:
        if done >= 9:
            raise Killed

    rank_photos(classifier, photos, out=tmp_path / "whole", options=OPTIONS)
    with pytest.raises(Killed):
        rank_photos(classifier, photos, out=tmp_path / "parts", options=OPTIONS, watch=kill)
    assert not (tmp_path / "parts" / "scores.csv").exists()
    kept = sorted((tmp_path / "parts" / "parts").iterdir())
    assert len(kept) == 2
    before = [path.stat().st_mtime_ns for path in kept]
    told: list[int] = []
    record = rank_photos(
        classifier,
        photos,
        out=tmp_path / "parts",
        options=OPTIONS,
        watch=lambda n, _: told.append(n),
    )
    assert (record.skipped, told[0]) == (8, 8)
    assert [path.stat().st_mtime_ns for path in kept] == before
    for name in ("scores.csv", "top.csv"):
        first, second = (tmp_path / folder / name for folder in ("whole", "parts"))
        assert first.read_bytes() == second.read_bytes()


def test_a_finished_job_runs_the_network_over_nothing_and_a_changed_photo_over_its_part(
    classifier, photos, tmp_path
):
    rank_photos(classifier, photos, out=tmp_path / "out", options=OPTIONS)
    assert rank_photos(classifier, photos, out=tmp_path / "out", options=OPTIONS).skipped == 15
    red = np.zeros((9, 9, 3), dtype=np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(photos[0])
    record = rank_photos(classifier, photos, out=tmp_path / "out", options=OPTIONS)
    assert record.skipped == 11
    assert record.top[0].path == str(photos[0])
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 4
    by_logit = RankOptions(part=4, top=5, batch_size=2, workers=1, device="cpu", score="logit")
    other = rank_photos(classifier, photos, out=tmp_path / "out", options=by_logit)
    assert other.skipped == 0
    assert other.top[0].score == pytest.approx(4.0)


def test_one_class_can_be_sought(classifier, photos, tmp_path):
    options = RankOptions(classes=("green",), score="logit", top=3, device="cpu", workers=1)
    record = rank_photos(classifier, photos, out=tmp_path / "out", options=options)
    usable = [path for path in photos if path.stem.isdecimal()]
    best = sorted(usable, key=lambda path: -colour_of(path)[1])[:3]
    assert [one.path for one in record.top] == [str(path) for path in best]
    assert {one.class_name for one in record.top} == {"green"}


def test_files_of_which_none_is_a_picture_are_all_reported(classifier, photos, tmp_path):
    broken = [path for path in photos if not path.stem.isdecimal()]
    record = rank_photos(classifier, broken, out=tmp_path / "out", options=OPTIONS)
    assert (record.images, record.top, len(record.failed)) == (0, (), 2)


def test_the_model_is_left_as_it_was(classifier, photos, tmp_path):
    classifier.train()
    rank_photos(classifier, photos, out=tmp_path / "out", options=OPTIONS)
    assert all(module.training for module in classifier.modules())


def test_what_cannot_be_ranked_is_refused(classifier, photos, tmp_path):
    with pytest.raises(OptionError, match="no photo"):
        rank_photos(classifier, [], out=tmp_path)
    with pytest.raises(OptionError, match="no class 'blue'"):
        rank_photos(classifier, photos, out=tmp_path, options=RankOptions(classes=("blue",)))
    many = Classifier(nn.Flatten(), PLAIN, name="many", num_classes=192)
    with pytest.raises(OptionError, match="192 classes: say which"):
        rank_photos(many, photos, out=tmp_path)
    with pytest.raises(OptionError, match="no score"):
        RankOptions(score="rank")
    with pytest.raises(OptionError, match="top is at least 1"):
        RankOptions(top=0)


def test_a_damaged_part_is_named(classifier, photos, tmp_path):
    rank_photos(classifier, photos, out=tmp_path / "out", options=OPTIONS)
    part = sorted((tmp_path / "out" / "parts").iterdir())[1]
    for text, reason in (("a,b\n", "2 cells"), ("", "0 rows for 4 photos")):
        part.write_text(text)
        with pytest.raises(DataError, match=f"{part.name}.*{reason}"):
            rank_photos(classifier, photos, out=tmp_path / "out", options=OPTIONS)


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_scores_are_written_as_parquet_too(classifier, photos, tmp_path):
    parquet = importlib.import_module("pyarrow.parquet")

    rank_photos(classifier, photos, out=tmp_path / "out", options=OPTIONS)
    found = parquet.read_table(tmp_path / "out" / "scores.parquet")
    assert found.num_rows == 15
