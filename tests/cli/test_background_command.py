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


def test_the_line_of_the_manual_builds_a_pool(type_in, textures, photos, tmp_path):
    Image.open(photos / "1.png").save(textures / "copy.png")
    rows = tmp_path / "annotations.csv"
    rows.write_text("path,label,x0,y0,x1,y1\nphotos/0.png,cat,18,0,40,30\n")
    out = tmp_path / "pool"
    done = type_in(
        *("background", "build", "--from", textures, "--from", f"outside-boxes:{rows}"),
        *("--monochrome", "--grid-crops", "--crop", 24, "--screen-against", photos, "--out", out),
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
    assert "left out: 1 exact, 1 derived (3 target pictures compared)" in done.stdout
    assert str(out / "report.md") in done.stdout
    total = sum(json.loads(count) for count in done.stdout.split("train ")[1].split("\n")[0]
                .replace("val ", "").replace("test ", "").split(", "))  # fmt: skip
    assert total == len(record["pictures"]) == 247


def test_bad_pictures_are_listed_and_set_the_exit_status(type_in, textures, tmp_path):
    (textures / "3.png").write_bytes(b"no")
    done = type_in("background", "build", "--from", textures, "--out", tmp_path / "pool")
    assert done.exit_code == 2
    assert "1 pictures could not be decoded" in done.stderr
    assert "3.png" in done.stderr
    assert (tmp_path / "pool" / "record.json").exists()


def test_errors_are_one_line(type_in, textures, tmp_path):
    out = tmp_path / "pool"
    for words, message in (
        (("--from", tmp_path / "none"), "no folder"),
        (("--from", textures, "--split", "1,2"), "--split is three shares"),
        (("--monochrome", "--split", "0.5,0.1,0.1"), "sum to 1"),
        ((), "at least one source"),
    ):
        done = type_in("background", "build", *words, "--out", out)
        assert done.exit_code == 1
        assert message in done.stderr
        assert not out.exists()
