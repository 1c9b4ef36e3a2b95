"""Marks of a ranking are in the file at once, can be taken back, and are what training reads."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError
from figureground.data.loaders.labels_file import labels_file
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images
from figureground.web.labelling import Labelling, open_labelling, wilson_interval
from figureground.web.served import ServedModel


@pytest.fixture
def ranked(model: ServedModel, tmp_path: Path) -> Path:
    """A finished ranking of five photos by one class."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels // (number + 1)).save(photos / f"{number}, é.png")
    rank_images(
        model.classifier, photos, out=tmp_path / "ranked", options=RankOptions(classes=("green",))
    )
    return tmp_path / "ranked"


def lines(labelling: Labelling) -> list[list[str]]:
    with labelling.file.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_candidates_are_the_ranking_best_first_with_their_files(ranked: Path):
    found = open_labelling(ranked).candidates
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert {one.place.name for one in found} == {f"{number}, é.png" for number in range(5)}
    assert all(one.place.is_file() and one.overlay is not None for one in found)
    assert all(one.overlay.is_file() for one in found if one.overlay is not None)


def test_every_mark_is_written_at_once_and_survives_a_restart(ranked: Path):
    labelling = open_labelling(ranked)
    assert labelling.next() == 0
    labelling.mark(2, hit=True)
    labelling.mark(0, hit=False)
    places = [str(one.place) for one in labelling.candidates]
    wanted = [["path", "label"], [places[2], "green"], [places[0], "background"]]
    assert lines(labelling) == wanted
    again = open_labelling(ranked)
    assert list(again.marks.items()) == [(2, True), (0, False)]
    assert again.next() == 1
    assert again.next(after=4) == 1
    assert again.next(after=1) == 3
    assert [again.next(after=n, unmarked_only=False) for n in (-1, 1, 4)] == [0, 2, 0]
    again.mark(2, hit=False)
    assert again.marks == {0: False, 2: False}


def test_undo_takes_back_the_last_mark_and_leaves_other_lines_alone(ranked: Path):
    labelling = open_labelling(ranked)
    labelling.file.write_text("label,path,more\ncat,elsewhere.png,1\n")
    labelling.mark(3, hit=True)
    labelling.mark(1, hit=True)
    assert labelling.undo() == 1
    assert labelling.undo() == 3
    assert labelling.undo() is None
    assert lines(labelling) == [["path", "label"], ["elsewhere.png", "cat"]]


def test_training_reads_the_marks_with_the_background_last(ranked: Path):
    labelling = open_labelling(ranked)
    for number, hit in enumerate([True, False, True]):
        labelling.mark(number, hit=hit)
    images = labels_file(labelling.file)
    assert images.class_names == ("green",)
    assert images.labels.tolist() == [0, 1, 0]
    place = labelling.candidates[1].place
    assert np.array_equal(np.asarray(images.images[1]), np.asarray(Image.open(place)))


def test_progress_counts_hits_and_what_the_network_expects(ranked: Path):
    labelling = open_labelling(ranked)
    assert labelling.progress.precision is None
    assert labelling.progress.sentence == "5 images to look at; none is marked."
    for number in range(5):
        labelling.mark(number, hit=number != 1)
        total = sum(one.probability for one in labelling.candidates)
        so_far = sum(one.probability for one in labelling.candidates[: number + 1])
        assert labelling.progress.seen == pytest.approx(so_far / total, rel=1e-4)
    told = labelling.progress
    assert (told.hits, told.marked, told.precision) == (4, 5, 0.8)
    assert labelling.next() is None
    assert told.sentence.startswith("5 of 5 marked, 4 hits: precision 80 % (38 to 96).")


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (7, 7), (3, 11), (90, 100)])
def test_the_interval_ends_where_the_score_test_rejects(hits: int, count: int):
    for end in wilson_interval(hits, count):
        if 0 < end < 1:
            z = (hits / count - end) / (end * (1 - end) / count) ** 0.5
            assert abs(z) == pytest.approx(1.959964)
    low, high = wilson_interval(hits, count)
    assert low <= hits / count <= high
    assert wilson_interval(0, 0) == (0, 1)


def test_what_is_no_ranking_and_no_candidate_is_refused(ranked: Path, tmp_path: Path):
    with pytest.raises(DataError):
        open_labelling(tmp_path / "photos")
    labelling = open_labelling(ranked)
    for number in (-1, 5):
        with pytest.raises(DataError, match="no image"):
            labelling.mark(number, hit=True)
    assert not labelling.file.exists()
    labelling.file.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no columns path and label"):
        labelling.mark(0, hit=True)
    assert labelling.file.read_text() == "a,b\n1,2\n"


def test_a_damaged_ranking_is_refused_in_words(ranked: Path):
    (ranked / "record.json").write_text('{"kind": "rank"}')
    with pytest.raises(DataError, match="cannot read"):
        open_labelling(ranked)
