"""``figureground evaluate`` faithfulness, robustness and uncertainty, as they are typed."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.items import read_source

Typed = Callable[..., Result]

SMALL = ["clutter", "--count", "5", "--random", "--model", "figureground:lenet-gap"]
QUICK = {
    "faithfulness": ["--steps", "2", "--fractions", "0.5"],
    "robustness": ["--attack", "fgsm,uniform:0.3", "--strength", "0.1,0.2"],
    "uncertainty": ["--no-sanity"],
}


@pytest.mark.parametrize("verb", QUICK)
def test_verb_leaves_record_numbers_tables_and_page(type_in: Typed, tmp_path: Path, verb: str):
    out = tmp_path / "out"
    methods = ["--methods", "grad-cam,eigen-cam,eigen-cam(center=true)"]
    result = type_in("evaluate", verb, *SMALL, *QUICK[verb], *methods, "--out", str(out))
    assert result.exit_code == 0, result.output
    record = json.loads((out / "record.json").read_text())
    assert record["kind"] == verb
    assert record["images"] == 5
    assert any(row.startswith("eigen-cam(center=true)") for row in record["methods"])
    assert {path.name for path in out.iterdir()} >= {"per_image.npz", "report.html", "tables.md"}
    assert "eigen-cam(center=true)" in result.output
    sentences = record["answer"]["sentences"]
    assert result.stdout.splitlines()[-len(sentences) :] == sentences
    page = unescape((out / "report.html").read_text().replace("\xa0", " "))
    assert sentences[0] in re.findall(r"<h1[^>]*>(.*?)</h1>", page)
    assert "()" not in page.partition("<main>")[2].partition("<script>")[0]


def test_each_attack_meets_each_strength(type_in: Typed, tmp_path: Path):
    out = tmp_path / "out"
    type_in(
        "evaluate",
        "robustness",
        *SMALL,
        *QUICK["robustness"],
        "--out",
        str(out),
        "--methods",
        "eigen-cam",
    )
    table = json.loads((out / "record.json").read_text())["tables"][0]
    attacks = ["clean", "fgsm 0.1", "fgsm 0.2", "uniform-noise 0.3"]
    assert [row[0] for row in table["rows"]] == attacks


def test_a_second_run_measures_nothing_anew(type_in: Typed, tmp_path: Path):
    typed = ["evaluate", "uncertainty", *SMALL, "--no-sanity", "--out", str(tmp_path / "out")]
    typed += ["--methods", "eigen-cam"]
    type_in(*typed)
    part = tmp_path / "out" / "parts" / "00000.npz"
    before = part.stat().st_mtime_ns
    assert type_in(*typed).exit_code == 0
    assert part.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        (
            "faithfulness",
            ["--fractions", "half"],
            "--fractions takes numbers between commas, not 'half'",
        ),
        ("faithfulness", ["--fractions", "2"], "fractions must be at most 1, got 2"),
        ("faithfulness", ["--classes", "best"], "no classes 'best'"),
        ("robustness", ["--attack", "fgms"], "no attack 'fgms'; closest: 'fgsm'"),
        ("uncertainty", ["--dropout-runs", "-1"], "dropout_runs must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_one(
    type_in: Typed, tmp_path: Path, verb: str, options: list[str], message: str
):
    result = type_in("evaluate", verb, *SMALL, *options, "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "out" / "record.json").exists()


def test_overwrite_measures_anew_what_an_earlier_run_stored(type_in: Typed, tmp_path: Path):
    typed = ["evaluate", "uncertainty", *SMALL, "--no-sanity", "--out", str(tmp_path / "out")]
    typed += ["--methods", "eigen-cam"]
    type_in(*typed)
    lines = tmp_path / "out" / "entries.jsonl"
    lines.write_text(lines.read_text().replace('"problems": []', '"problems": [["k", "w", "m"]]'))
    assert json.loads(lines.read_text())["problems"]
    assert type_in(*typed, "--overwrite").exit_code == 0
    assert json.loads(lines.read_text())["problems"] == []


def test_a_device_that_does_not_exist_is_one_line_and_status_one(type_in: Typed, tmp_path: Path):
    words = ["--out", str(tmp_path / "out"), "--device", "tpu"]
    result = type_in("evaluate", "uncertainty", *SMALL, *words)
    assert result.exit_code == 1
    assert "no device 'tpu'" in result.output


def test_the_seed_draws_the_images_too(type_in: Typed, tmp_path: Path):
    out = tmp_path / "out"
    words = ["--no-sanity", "--methods", "eigen-cam", "--seed", "3", "--out", str(out)]
    assert type_in("evaluate", "uncertainty", *SMALL, *words).exit_code == 0
    wanted = read_source("clutter", DataOptions(count=5, seed=3)).items
    with np.load(out / "per_image.npz") as columns:
        assert columns["label"].tolist() == [item.label for item in wanted]
    others = read_source("clutter", DataOptions(count=5, seed=0)).items
    assert [item.label for item in others] != [item.label for item in wanted]
