"""From words to a pool."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data.background.named_sources import image_source
from figureground.data.background.pool_record import read_pool_record
from figureground.data.lazy import FileDecoder
from figureground.studies.background.options import PoolRequest
from figureground.studies.background.pool import _sources, make_background_pool
from figureground.training.algorithms.background_class.pool import load_pool


def scribble(folder, count, seed=0, size=(48, 40)):
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(count):
        pixels = np.random.default_rng((seed, row)).integers(0, 256, (6, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(size).save(folder / f"{row}.png")
    return folder


def test_everything_asked_for_is_in_the_pool(tmp_path):
    textures = scribble(tmp_path / "textures", 10)
    request = PoolRequest(
        sources=(str(textures), f"patch-shuffle:{textures}"),
        monochrome=True,
        procedural=5,
        clutter=3,
        grid_crops=True,
        crop=20,
        invert=True,
    )
    record = make_background_pool(request, tmp_path / "pool")
    assert [(source.name, source.offered) for source in record.sources] == [
        ("textures", 10),
        ("textures, patches shuffled", 10),
        ("textures, grid crops", 40),
        ("textures, inverted", 10),
        ("textures, grid crops, inverted", 40),
        ("monochrome", 216),
        ("procedural", 5),
        ("clutter only", 3),
    ]
    assert len(record.images) == 334


def test_copies_of_the_classes_are_left_out_and_the_ratio_is_kept_in_training(tmp_path):
    classes = tmp_path / "images"
    for name in ("cat", "dog"):
        scribble(classes / name, 10, seed=len(name) + ord(name[0]))
    textures = scribble(tmp_path / "textures", 50, seed=9)
    (textures / "copy.png").write_bytes((classes / "cat" / "3.png").read_bytes())
    request = PoolRequest(
        sources=(str(textures),),
        screen_against=(str(classes),),
        ratio=1.6,
        split=(0.5, 0.5, 0.0),
    )
    record = make_background_pool(request, tmp_path / "pool")
    assert [one.reason for one in record.dropped] == ["exact"]
    assert "3.png" in record.dropped[0].detail
    assert record.part_counts() == {"train": 16, "val": 16, "test": 0}  # 1.6 times 10
    assert record.not_chosen == 50 - 32


def test_words_stand_for_sources(tmp_path):
    classes = tmp_path / "images"
    scribble(classes / "cat", 2)
    scribble(classes / "2:3", 1, seed=5)
    rows = tmp_path / "boxes.csv"
    rows.write_text("path,label,x0,y0,x1,y1\nimages/cat/0.png,cat,20,0,48,90\n")
    assert len(image_source(str(classes))) == 3
    assert len(image_source(f"folder:{classes}")) == 3
    assert len(image_source(f"held-out:{classes}:cat")) == 2
    assert len(image_source(str(classes / "2:3"))) == 1  # a colon in a name is no kind
    boxes = image_source(f"outside-boxes:{rows}")
    assert len(boxes) == 2
    assert boxes.provenance["problems of the annotations"] == "1 clipped-box"
    with pytest.raises(OptionError, match="write held-out:FOLDER:CLASS"):
        image_source("held-out:images")
    with pytest.raises(DataError, match="no folder"):
        image_source("nosuch:thing")


def test_a_data_set_by_name_is_all_its_parts(shared_data):
    source = image_source(f"set:dtd10:{shared_data / 'packs'}")
    assert len(source) == 1200
    assert [source.group(row) for row in (0, 1199)] == ["dtd10 train 0", "dtd10 test 239"]


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        (lambda textures: PoolRequest(), "at least one source"),
        (
            lambda textures: PoolRequest(monochrome=True, grid_crops=True),
            "are made of folders and data sets",
        ),
        (
            lambda textures: PoolRequest(sources=(textures,), grid_crops=True),
            "has 512 pixels on each side",
        ),
        (lambda textures: PoolRequest(sources=(textures,), ratio=1.0), "a ratio needs"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(tmp_path, request_of, message):
    textures = str(scribble(tmp_path / "textures", 2))
    with pytest.raises(OptionError, match=message):
        make_background_pool(request_of(textures), tmp_path / "pool")


def test_finished_pool_is_kept_before_any_work(tmp_path):
    make_background_pool(PoolRequest(monochrome=True), tmp_path / "pool")
    with pytest.raises(DataError, match="a finished pool is in"):
        make_background_pool(PoolRequest(sources=("nowhere",)), tmp_path / "pool")


def test_data_sets_are_cropped_and_inverted_like_folders(shared_data):
    where = f"set:dtd10:{shared_data / 'packs'}"
    request = PoolRequest(sources=(where,), grid_crops=True, crop=150, invert=True)
    whole, crops, inverse, inverse_crops = _sources(request, FileDecoder())
    assert len(whole) == len(inverse) == 1200
    assert len(crops) == len(inverse_crops) >= 1200
    assert crops[0].shape == (150, 150, 3)
    assert (inverse_crops[0] == 255 - crops[0]).all()
    assert (inverse[7] == 255 - whole[7]).all()
    assert crops.group(0) == whole.group(0)


def test_the_seed_decides_what_is_chosen_and_made(tmp_path):
    textures = scribble(tmp_path / "textures", 30)
    found = {}
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        request = PoolRequest(sources=(str(textures),), count=12, seed=seed)
        make_background_pool(request, tmp_path / name)
        pictures = sorted((tmp_path / name).rglob("*/*.png"))
        found[name] = {hash(np.asarray(Image.open(path)).tobytes()) for path in pictures}
    assert found["first"] == found["again"]
    assert found["first"] != found["other"]
    made = [
        _sources(PoolRequest(procedural=4, seed=seed), FileDecoder())[0][0] for seed in (0, 0, 1)
    ]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def colours(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (9, 7), (number, 0, 255 - number)).save(folder / f"{100 + number:06d}.png")
    return sorted(folder.iterdir())


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_with_images_of_somebody_else_is_refused_and_left_as_it_is(tmp_path):
    for part in ("train", "val"):
        colours(tmp_path / "d" / part, 30)
    before = content_of(tmp_path)
    with pytest.raises(DataError, match="holds 'train', which no job of this kind has written"):
        make_background_pool(PoolRequest(procedural=10), tmp_path / "d")
    with pytest.raises(DataError, match="holds 'train', which no job of this kind has written"):
        make_background_pool(
            PoolRequest(procedural=10), tmp_path / "d", overwrite=True
        )  # which may replace pools only
    assert content_of(tmp_path) == before


def test_a_pool_cannot_be_made_of_what_it_would_overwrite(tmp_path):
    out = tmp_path / "pool"
    make_background_pool(PoolRequest(procedural=10), out)
    before = content_of(out)
    for request in (
        PoolRequest(sources=(str(out / "train"),)),
        PoolRequest(procedural=3, screen_against=(str(out / "val"),)),
    ):
        with pytest.raises(DataError, match="is to be read, and the pool goes into the same"):
            make_background_pool(request, out, overwrite=True)
    assert content_of(out) == before


def test_replacing_a_pool_removes_its_images_and_no_others(tmp_path):
    out = tmp_path / "pool"
    make_background_pool(PoolRequest(procedural=20), out)
    mine = [path for path in colours(out / "train", 2) if path.stem >= "000100"]
    make_background_pool(PoolRequest(procedural=5), out, overwrite=True)
    record = read_pool_record(out)
    there = {path.relative_to(out).as_posix() for path in out.rglob("0*.png")}
    assert there == set(record.files()) | {path.relative_to(out).as_posix() for path in mine}
    for part in ("train", "val", "test"):
        (out / part).mkdir(exist_ok=True)
        Image.new("RGB", (9, 7)).save(out / part / "000007.png")
    with pytest.raises(DataError, match=r"000007\.png is there already, and no pool has written"):
        make_background_pool(PoolRequest(procedural=12), out, overwrite=True)


def test_what_a_killed_pool_has_written_is_removed_by_the_next(tmp_path):
    out = tmp_path / "pool"

    def stop(stage: str, done: int, _total: int) -> None:
        if stage == "writing" and done > 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_background_pool(PoolRequest(procedural=20), out, progress=stop)
    with pytest.raises(DataError, match="cannot read"):
        load_pool([str(out)], shape=(3, 8, 8), seed=0)  # half a pool is no pool
    make_background_pool(PoolRequest(procedural=4), out)
    there = {path.relative_to(out).as_posix() for path in out.rglob("0*.png")}
    assert there == set(read_pool_record(out).files())


def test_a_pool_that_an_earlier_version_has_made_is_known_and_replaced(tmp_path):
    out = tmp_path / "pool"
    make_background_pool(PoolRequest(procedural=6), out)
    (out / "figureground.json").unlink()
    record = json.loads((out / "record.json").read_text())
    del record["kind"]
    (out / "record.json").write_text(json.dumps(record))
    make_background_pool(PoolRequest(procedural=3), out, overwrite=True)
    there = {path.relative_to(out).as_posix() for path in out.rglob("0*.png")}
    assert there == set(read_pool_record(out).files())
