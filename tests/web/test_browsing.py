"""Folders of commands as tables whose lines lead to their pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images
from figureground.web.browsing import read_results
from figureground.web.looking import look
from figureground.web.served import ServedModel


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number} é.png")
    (folder / "bad.png").write_bytes(b"no image")
    return folder


def test_a_folder_of_explain(model: ServedModel, photos: Path, tmp_path: Path):
    options = ExplainOptions(methods=("cam", "grad-cam", "eigen-cam"))
    explain_images(model.classifier, photos, out=tmp_path / "out", options=options)
    found = read_results(tmp_path / "out")
    assert found.kind == "explain"
    assert [row[:2] for row in found.rows] == [(n, f"{n} é.png") for n in range(3)]
    for number, row in enumerate(found.rows):
        cells = dict(zip(found.columns, row, strict=True))
        place = found.places[number]
        assert place is not None
        shares = look(model, Image.open(place), options).probabilities
        assert cells["probability"] == pytest.approx(max(shares.values()), abs=1e-5)
        assert cells["predicted"] == max(shares, key=lambda name: shares[name])
        words = [words.split(" · ")[0] for _, words in found.pictures[number]]
        assert words == ["cam", "eigen-cam"]
        assert all(Path(str(one)).is_file() for one, _ in found.pictures[number])


def test_a_folder_of_rank_holds_images_off_the_sheet_and_those_that_could_not_be_used(
    model: ServedModel, photos: Path, tmp_path: Path
):
    options = RankOptions(classes=("green",), top=1)
    record = rank_images(model.classifier, photos, out=tmp_path / "out", options=options)
    found = read_results(tmp_path / "out")
    assert len(found.rows) == 4
    cells = {row[1]: dict(zip(found.columns, row, strict=True)) for row in found.rows}
    assert cells["bad.png"]["problem"]
    assert cells["bad.png"]["score"] == ""
    top = Path(record.top[0].path).name
    assert cells[top]["score"] == max(one["score"] for one in cells.values() if one["score"] != "")
    assert [bool(one) for one in found.pictures] == [row[1] == top for row in found.rows]


def test_what_no_command_has_left_or_what_is_damaged_is_refused(
    model: ServedModel, photos: Path, tmp_path: Path
):
    with pytest.raises(DataError, match="holds no results"):
        read_results(photos)
    explain_images(model.classifier, photos, out=tmp_path / "out")
    (tmp_path / "out" / "entries.jsonl").write_text("{\n")
    with pytest.raises(DataError, match="cannot read"):
        read_results(tmp_path / "out")


def test_a_folder_whose_last_line_was_cut_short_opens_and_says_so(
    model: ServedModel, photos: Path, tmp_path: Path
):
    explain_images(model.classifier, photos, out=tmp_path / "out")
    whole = read_results(tmp_path / "out")
    assert whole.told == ()
    file = tmp_path / "out" / "entries.jsonl"
    content = file.read_bytes()
    # in the middle of a word, and in the middle of a letter
    for cut in (content[:-40], content[:-40] + "é".encode()[:1]):
        file.write_bytes(cut)
        found = read_results(tmp_path / "out")
        assert found.rows == whole.rows[:2]
        assert found.told == (
            "The last line of entries.jsonl was cut short and is left out: run the command again to complete it.",
        )
