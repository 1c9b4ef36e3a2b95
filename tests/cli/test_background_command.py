"""``figureground background build``, as it is typed."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def textures(tmp_path):
    folder = tmp_path / "textures"
    folder.mkdir()
    for row in range(6):
        pixels = np.random.default_rng(row).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 50)).save(folder / f"{row}.png")
    return folder


def test_the_line_of_the_manual_builds_a_pool(type_in, textures, images, tmp_path):
    Image.open(images / "1.png").save(textures / "copy.png")
    rows = tmp_path / "annotations.csv"
    rows.write_text("path,label,x0,y0,x1,y1\nimages/0.png,cat,18,0,40,30\n")
    out = tmp_path / "pool"
    done = type_in(
        *("background", "build", "--from", textures, "--from", f"outside-boxes:{rows}"),
        *("--monochrome", "--grid-crops", "--crop", 24, "--screen-against", images, "--out", out),
    )
    assert done.exit_code == 0, done.output
    record = json.loads((out / "record.json").read_text())
    offered = {source["name"]: source["offered"] for source in record["sources"]}
    assert offered == {
        "textures": 7,
        "outside boxes": 1,
        "textures, grid crops": 6 * 4 + 1,
        "monochrome": 216,
    }
    assert "left out: 1 exact, 1 derived (3 target images compared)" in done.stdout
    assert str(out / "report.html") in done.stdout
    assert done.stdout.splitlines()[-2].startswith(
        "No copy of the 3 target images is left among the 247 "
    )
    total = sum(json.loads(count) for count in done.stdout.split("train ")[1].split("\n")[0]
                .replace("val ", "").replace("test ", "").split(", "))  # fmt: skip
    assert total == len(record["images"]) == 247


def test_bad_images_are_listed_and_set_the_exit_status(type_in, textures, tmp_path):
    (textures / "3.png").write_bytes(b"no")
    done = type_in("background", "build", "--from", textures, "--out", tmp_path / "pool")
    assert done.exit_code == 2
    assert "1 file could not be used" in done.stderr
    assert "3.png" in done.stderr
    assert (tmp_path / "pool" / "record.json").exists()


def test_errors_are_one_line(type_in, textures, tmp_path):
    out = tmp_path / "pool"
    for words, message in (
        (("--from", tmp_path / "none"), "no folder"),
        (("--from", textures, "--split", "1,2"), "split is three fractions"),
        (("--monochrome", "--split", "0.5,0.1,0.1"), "sum to 1"),
        ((), "at least one source"),
    ):
        done = type_in("background", "build", *words, "--out", out)
        assert done.exit_code == 1
        assert message in done.stderr
        assert not out.exists()


def test_brackets_in_names_are_shown_and_the_report_is_written(type_in, textures, tmp_path):
    folder = textures.rename(tmp_path / "old [a] [bold]x")
    done = type_in("background", "build", "--from", folder, "--out", tmp_path / "pool")
    assert done.exit_code == 0, done.output
    assert "old [a] [bold]x" in done.stdout
    assert "old \\[a\\] \\[bold\\]x" in (tmp_path / "pool" / "report.md").read_text()


def test_a_finished_pool_is_made_again_only_where_that_is_asked_for(type_in, textures, tmp_path):
    words = ("background", "build", "--from", textures, "--out", tmp_path / "pool")
    assert type_in(*words).exit_code == 0
    (textures / "5.png").unlink()
    refused = type_in(*words)
    assert refused.exit_code == 1
    assert "a finished pool is in" in refused.stderr
    assert type_in(*words, "--overwrite").exit_code == 0
    record = json.loads((tmp_path / "pool" / "record.json").read_text())
    assert [source["offered"] for source in record["sources"]] == [5]
