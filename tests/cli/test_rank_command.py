"""``figureground rank``: a run's folder or a model, images in, a contact sheet out."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

from typer.testing import Result

Run = Callable[..., Result]

TINY = """
name: tiny
epochs: 1
batch_size: 8
data: {name: cluttered-digits, count: 24, rare: ["7"]}
model:
  name: figureground:lenet-gap
  arguments: {channels: 1}
  preprocessing: {size: [12, 12]}
"""


def test_a_model_ranks_images_and_files_that_fail_set_the_exit_status(
    type_in: Run, model: str, images: Path, tmp_path: Path
):
    (images / "deep").mkdir()
    (images / "deep" / "broken.jpg").write_bytes(b"nothing")
    words = ("--size", "24x32", "--class-names", tmp_path / "names.txt", "--workers", 1)
    out = tmp_path / "ranked"
    done = type_in(
        "rank", images, "--model", model, "--out", out, "--classes", "lynx", "--top", 2, *words
    )
    assert done.exit_code == 2, done.stderr
    assert "3 images scored" in done.stdout
    assert "broken.jpg" in done.stderr
    page = (out / "report.html").read_text().replace("\xa0", " ")
    record = json.loads((out / "record.json").read_text())
    assert page.count('<li id="rank-') == 2
    sentences = record["answer"]["sentences"]
    assert done.stdout.splitlines()[-len(sentences) :] == sentences
    assert sentences[0] in unescape(page)
    first, second = (page.index(f"<br>{Path(one['path']).name}") for one in record["top"])
    assert first < second
    assert str(tmp_path) not in page
    assert "Preprocessing(" not in page
    assert "broken.jpg" in page
    assert page.count("data:image/") == 4
    assert 'src="http' not in page
    link = page.split('<a href="top/')[1].split('"')[0]
    assert (out / "top" / link).exists()
    again = type_in(
        "rank", images, "--model", model, "--out", out, "--classes", "lynx", "--top", 2, *words
    )
    assert "(4 images in an earlier run)" in again.stdout


def test_a_runs_folder_ranks_by_its_rare_classes(type_in: Run, images: Path, tmp_path: Path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    trained = type_in(
        "train", tmp_path / "tiny.yaml", "--out", tmp_path / "run", "--accelerator", "cpu"
    )
    assert trained.exit_code == 0, trained.stderr
    assert "mean average precision: best" in trained.stdout
    done = type_in("rank", images, "--model", tmp_path / "run", "--out", tmp_path / "ranked")
    assert done.exit_code == 0, done.stderr
    assert "by 7" in done.stdout
    assert len((tmp_path / "ranked" / "scores.csv").read_text().splitlines()) == 4
    sized = type_in(
        "rank", images, "--model", tmp_path / "run", "--size", 64, "--out", tmp_path / "ranked"
    )
    assert sized.exit_code == 1
    assert "leave out --size" in sized.stderr
    inside = images / "out"
    for _ in range(2):
        again = type_in("rank", images, "--model", tmp_path / "run", "--out", inside, "--top", 1)
        assert "3 images scored" in again.stdout
    measured = type_in(
        "evaluate", "ranking", "--model", tmp_path / "run", "--at", "5,20", "--out", tmp_path / "m"
    )
    assert measured.exit_code == 0, measured.stderr
    record = json.loads((tmp_path / "m" / "record.json").read_text())
    overall, by_class = record["tables"]
    assert by_class["columns"][5:] == [
        "recall at 5",
        "precision at 5",
        "recall at 20",
        "precision at 20",
    ]
    by_logit = next(row for row in overall["rows"] if row[0] == "mean average precision by logit")
    assert re.search(rf"^{by_logit[0]} +{by_logit[1]:.4g}\b", measured.stdout, re.MULTILINE)
    wrong = type_in("evaluate", "ranking", "--model", tmp_path / "run", "--at", "5,x")
    assert "--at takes whole numbers" in wrong.stderr


def test_a_device_that_does_not_exist_is_one_line_and_status_one(
    type_in: Run, model: str, images: Path, tmp_path: Path
):
    words = ("--size", "24x32", "--out", tmp_path / "ranked", "--device", "tpu")
    done = type_in("rank", images, "--model", model, *words)
    assert done.exit_code == 1
    assert "no device 'tpu'" in done.stderr
