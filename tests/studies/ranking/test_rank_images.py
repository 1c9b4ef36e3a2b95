"""Ranking a folder: the right order, whole after a kill, honest about files that are no images."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.data import image_size
from figureground.models import Classifier, Preprocessing
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images
from figureground.studies.ranking.scores import _to_parquet

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
def images(tmp_path: Path) -> list[Path]:
    """Thirteen images of one colour each, and two files that are no images."""
    folder = tmp_path / "images"
    folder.mkdir()
    colours = np.random.default_rng(0).integers(0, 256, (13, 3), dtype=np.uint8)
    paths = []
    for number, colour in enumerate(colours):
        paths.append(folder / f"{number}.png")
        Image.fromarray(np.broadcast_to(colour, (8, 8, 3)).copy()).save(paths[-1])
    for at, name in ((3, "2broken.png"), (9, "7empty.png")):
        path = folder / name
        path.write_bytes(b"no image" if at == 3 else b"")
        paths.insert(at, path)
    return paths


def colour_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))[0, 0] / 255


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


OPTIONS = RankOptions(unit=4, top=5, batch_size=2, workers=1)


def test_scores_are_those_of_a_loop_in_the_order_of_the_images(classifier, images, tmp_path):
    record = rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    rows = table(tmp_path / "out" / "scores.csv")
    assert [row["path"] for row in rows] == [str(path) for path in images]
    wanted = {}
    for row, path in zip(rows, images, strict=True):
        if path.stem in {"2broken", "7empty"}:
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
    assert sorted(Path(one.path).name for one in record.failed) == ["2broken.png", "7empty.png"]
    assert record.classes == ("red", "green")
    entries = (tmp_path / "out" / "top" / "entries.jsonl").read_text().splitlines()
    assert len(entries) == 5
    overlays = list((tmp_path / "out" / "top" / "images").glob("*.png"))
    assert {image_size(path) for path in overlays} == {(8, 8)}  # those of the photos
    assert read_json(tmp_path / "out" / "record.json")["top"][0]["path"] == best[0]


def test_a_killed_job_goes_on_and_ends_as_an_undisturbed_one(classifier, images, tmp_path):
    class Killed(Exception):  # noqa: N818 - not an error
        pass

    def kill(_stage: str, done: int, _total: int) -> None:
        if done >= 9:
            raise Killed

    rank_images(classifier, images, out=tmp_path / "whole", options=OPTIONS)
    with pytest.raises(Killed):
        rank_images(classifier, images, out=tmp_path / "parts", options=OPTIONS, progress=kill)
    assert not (tmp_path / "parts" / "scores.csv").exists()
    kept = sorted((tmp_path / "parts" / "parts").iterdir())
    assert len(kept) == 2
    before = [path.stat().st_mtime_ns for path in kept]
    told: list[int] = []
    record = rank_images(
        classifier,
        images,
        out=tmp_path / "parts",
        options=OPTIONS,
        progress=lambda _stage, n, _total: told.append(n),
    )
    assert (record.skipped, told[0]) == (8, 8)
    assert [path.stat().st_mtime_ns for path in kept] == before
    for name in ("scores.csv", "top.csv"):
        first, second = (tmp_path / folder / name for folder in ("whole", "parts"))
        assert first.read_bytes() == second.read_bytes()


def test_a_finished_job_runs_the_network_over_nothing_and_a_changed_image_over_its_part(
    classifier, images, tmp_path
):
    rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    assert rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS).skipped == 15
    red = np.zeros((9, 9, 3), dtype=np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(images[0])
    record = rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    assert record.skipped == 11
    assert record.top[0].path == str(images[0])
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 4
    by_logit = RankOptions(unit=4, top=5, batch_size=2, workers=1, score="logit")
    with pytest.raises(DataError, match=r"another job \(score: softmax there, logit here\)"):
        rank_images(classifier, images, out=tmp_path / "out", options=by_logit)
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 4
    other = rank_images(classifier, images, out=tmp_path / "out", options=by_logit, overwrite=True)
    assert other.skipped == 0
    assert other.top[0].score == pytest.approx(4.0)


def test_more_images_than_are_decoded_ahead_are_all_scored(classifier, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(150):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / "many" / f"{number}.png")
    options = RankOptions(unit=16, batch_size=8, workers=1, top=1)
    record = rank_images(classifier, tmp_path / "many", out=tmp_path / "out", options=options)
    assert (record.images, record.failed) == (150, ())
    rows = table(tmp_path / "out" / "scores.csv")
    assert [Path(row["path"]).stem for row in rows] == [str(number) for number in range(150)]
    scores = [float(row["score of red"]) for row in rows]
    assert scores == sorted(scores)


class ByBatch(Network):
    """Answers depend on how many images come at once, as rounding does."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) + len(images) * torch.tensor([1.0, 0.0, 0.0])


def test_where_a_job_was_killed_does_not_show_in_what_depends_on_the_batch(images, tmp_path):
    classifier = Classifier(ByBatch(), PLAIN, name="by batch", class_names=("a", "b", "background"))
    options = RankOptions(unit=5, top=5, batch_size=3, workers=1)

    def kill(_stage: str, done: int, _total: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    rank_images(classifier, images, out=tmp_path / "whole", options=options)
    with pytest.raises(KeyboardInterrupt):
        rank_images(classifier, images, out=tmp_path / "parts", options=options, progress=kill)
    torn = tmp_path / "parts" / "parts" / ".000001.npz.1.part"
    torn.write_text("half")
    assert rank_images(classifier, images, out=tmp_path / "parts", options=options).skipped == 5
    first, second = (tmp_path / folder / "scores.csv" for folder in ("whole", "parts"))
    assert first.read_bytes() == second.read_bytes()
    assert not torn.exists()


def test_answers_that_are_no_numbers_are_reported_and_do_not_rank(classifier, images, tmp_path):
    green = next(path for path in images if path.stem == "5")
    shown = torch.tensor(colour_of(green)).float()

    class Sick(Network):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            sick = (images.mean((2, 3)) - shown).abs().amax(1) < 1e-4
            return super().forward(images).masked_fill(sick[:, None], torch.nan)

    names = ("red", "green", "background")
    sick = Classifier(Sick(), PLAIN, name="sick", class_names=names)
    record = rank_images(sick, images, out=tmp_path / "out", options=OPTIONS)
    assert record.images == 12
    assert ("5.png", "the model's output is not finite") in [
        (Path(one.path).name, one.reason) for one in record.failed
    ]
    others = [path for path in images if path != green]
    plain = rank_images(classifier, others, out=tmp_path / "plain", options=OPTIONS)
    assert [one.path for one in record.top] == [one.path for one in plain.top]


def test_another_method_on_the_sheet_scores_nothing_anew(classifier, images, tmp_path):
    rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    other = RankOptions(unit=4, top=2, batch_size=2, workers=1, methods="layer-cam")
    assert rank_images(classifier, images, out=tmp_path / "out", options=other).skipped == 15
    entries = (tmp_path / "out" / "top" / "entries.jsonl").read_text()
    assert "layer-cam" in entries


def test_one_class_can_be_sought(classifier, images, tmp_path):
    options = RankOptions(classes=("green",), score="logit", top=3, workers=1)
    record = rank_images(classifier, images, out=tmp_path / "out", options=options)
    usable = [path for path in images if path.stem.isdecimal()]
    best = sorted(usable, key=lambda path: -colour_of(path)[1])[:3]
    assert [one.path for one in record.top] == [str(path) for path in best]
    assert {one.class_name for one in record.top} == {"green"}
    lines = (tmp_path / "out" / "top" / "entries.jsonl").read_text().splitlines()
    shown = [panel["label"] for line in lines for panel in json.loads(line)["panels"]]
    assert shown == ["green"] * 3


def test_files_of_which_none_is_an_image_are_all_reported(classifier, images, tmp_path):
    broken = [path for path in images if not path.stem.isdecimal()]
    record = rank_images(classifier, broken, out=tmp_path / "out", options=OPTIONS)
    assert (record.images, record.top, len(record.failed)) == (0, (), 2)


def test_the_model_is_left_as_it_was(classifier, images, tmp_path):
    classifier.train()
    rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    assert all(module.training for module in classifier.modules())


def test_what_cannot_be_ranked_is_refused(classifier, images, tmp_path):
    with pytest.raises(DataError, match="in an empty list"):
        rank_images(classifier, [], out=tmp_path)
    with pytest.raises(OptionError, match="no class 'blue'"):
        rank_images(classifier, images, out=tmp_path, options=RankOptions(classes=("blue",)))
    many = Classifier(nn.Flatten(), PLAIN, name="many", num_classes=192)
    with pytest.raises(OptionError, match="192 classes: say which"):
        rank_images(many, images, out=tmp_path)
    single = Classifier(nn.Flatten(), PLAIN, name="single", num_classes=1)
    with pytest.raises(OptionError, match="has one output: rank by score 'logit'"):
        rank_images(single, images, out=tmp_path)
    with pytest.raises(OptionError, match="no score"):
        RankOptions(score="rank")
    with pytest.raises(OptionError, match="top must be at least 1, got 0"):
        RankOptions(top=0)
    with pytest.raises(OptionError, match="unit must be at least 1, got 0"):
        RankOptions(unit=0)


def test_a_damaged_unit_is_scored_again(classifier, images, tmp_path):
    rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    table_before = (tmp_path / "out" / "scores.csv").read_bytes()
    unit = sorted((tmp_path / "out" / "parts").iterdir())[1]
    whole = unit.read_bytes()
    for damaged in (b"", whole[:-9], bytes([*whole[:60], whole[60] ^ 1, *whole[61:]])):
        unit.write_bytes(damaged)
        record = rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
        assert record.skipped == 11
        assert unit.read_bytes() == whole
        assert (tmp_path / "out" / "scores.csv").read_bytes() == table_before


def test_without_names_background_is_left_out_and_the_rest_is_sought(images, tmp_path):
    names = ("red", "Background", "blue")
    classifier = Classifier(Network(), PLAIN, name="toy", class_names=names)
    record = rank_images(classifier, images[:2], out=tmp_path / "out", options=OPTIONS)
    assert record.classes == ("red", "blue")


def test_parquet_without_pyarrow_is_refused_before_anything_is_ranked(
    monkeypatch, classifier, images, tmp_path
):
    monkeypatch.setattr("figureground.studies.ranking.options.find_spec", lambda _name: None)
    with pytest.raises(OptionError, match=r"need pyarrow: pip install 'figureground\[parquet\]'"):
        RankOptions(parquet=True)
    stale = tmp_path / "out" / "scores.parquet"
    rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    stale.write_bytes(b"of another ranking")
    rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    assert not stale.exists()


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_scores_are_written_as_parquet_too(classifier, images, tmp_path):
    parquet = importlib.import_module("pyarrow.parquet")

    rank_images(classifier, images, out=tmp_path / "out", options=OPTIONS)
    found = parquet.read_table(tmp_path / "out" / "scores.parquet").to_pydict()
    rows = table(tmp_path / "out" / "scores.csv")
    assert found["path"] == [row["path"] for row in rows]
    assert found["problem"] == [row["problem"] for row in rows]
    assert found["score"] == [float(row["score"]) if row["score"] else None for row in rows]


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_a_problem_far_down_a_long_table_comes_into_the_parquet_file(tmp_path):
    # pyarrow reads a megabyte at a time, and would take a first block without problems for a column of nothing
    lines = [f"{n:060d}.png,1.5,red,0.5,1.5," for n in range(20000)]
    text = "\n".join(
        ["path,score,class,probability,score of red,problem", *lines, "x,,,,,empty", ""]
    )
    (tmp_path / "scores.csv").write_text(text)
    _to_parquet(tmp_path / "scores.csv")
    found = importlib.import_module("pyarrow.parquet").read_table(tmp_path / "scores.parquet")
    assert found.to_pydict()["problem"] == [""] * 20000 + ["empty"]


def test_two_classes_of_one_name_are_told_apart_by_their_numbers(classifier, images, tmp_path):
    twins = Classifier(Network(), PLAIN, name="toy", class_names=("crane", "crane", "background"))
    options = RankOptions(classes=("0", "1"), score="logit", top=13, workers=1)
    record = rank_images(twins, images, out=tmp_path / "out", options=options)
    assert record.classes == ("crane (0)", "crane (1)")
    for one in record.top:
        red, green, _ = colour_of(Path(one.path))
        assert one.class_name == ("crane (0)" if red > green else "crane (1)")
        assert one.score == pytest.approx(4 * max(red, green), abs=1e-4)
    header = (tmp_path / "out" / "scores.csv").read_text().splitlines()[0]
    assert "score of crane (0),score of crane (1)" in header
