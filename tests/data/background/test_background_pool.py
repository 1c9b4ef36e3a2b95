"""A pool on disk accounts for every image, and keeps what belongs together in one part."""

import json

import numpy as np
import pytest

from figureground.base.errors import DataError, OptionError
from figureground.data import decode_image, image_size
from figureground.data.background import (
    Concat,
    CropGrid,
    Folder,
    GridCrops,
    Invert,
    Monochrome,
    PoolOptions,
    build_pool,
    read_pool,
    read_pool_record,
    screen,
)

PARTS = ("train", "val", "test")


@pytest.fixture
def folder(tmp_path, save, scenes):
    return save(tmp_path / "textures", scenes(range(20)))


def mix_of(folder):
    source = Folder(folder)
    crops = GridCrops(source, grids=(CropGrid(20, None),), whole=None, invert=False)
    return Concat(source, crops, Invert(source), Monochrome(levels=(0, 200), side=8))


def test_every_picture_is_written_as_it_is_into_one_part(folder, tmp_path):
    mix = mix_of(folder)
    record = build_pool(mix, tmp_path / "pool", options=PoolOptions(seed=3))
    assert len(record.images) == len(mix) == 20 + 80 + 20 + 8
    for row, entry in enumerate(record.images):
        written = np.array(decode_image(tmp_path / "pool" / entry.file))
        np.testing.assert_array_equal(written, mix[row])
        assert entry.file.startswith(f"{entry.part}/")
    files = sorted(
        str(path.relative_to(tmp_path / "pool")) for path in tmp_path.glob("pool/*/*.png")
    )
    assert files == sorted(entry.file for entry in record.images)


def test_no_original_is_in_two_parts_and_every_source_is_in_every_part(folder, tmp_path):
    mix = mix_of(folder)
    record = build_pool(mix, tmp_path / "pool")
    part_of: dict[str, set[str]] = {}
    for row, entry in enumerate(record.images):
        part_of.setdefault(mix.group(row), set()).add(entry.part)
    assert all(len(parts) == 1 for parts in part_of.values())
    assert len({entry.group for entry in record.images}) == len(part_of) == 28
    of_textures = [e.part for e in record.images if e.source == "textures"]
    assert [of_textures.count(part) for part in PARTS] == [16, 2, 2]


def test_pool_is_read_back_by_part(folder, tmp_path):
    mix = mix_of(folder)
    record = build_pool(mix, tmp_path / "pool")
    parts = [read_pool(tmp_path / "pool", part) for part in PARTS]
    assert {
        part: len(source) for part, source in zip(PARTS, parts, strict=True)
    } == record.part_counts()
    rows = [row for row, entry in enumerate(record.images) if entry.part == "val"]
    for index, row in enumerate(rows):
        np.testing.assert_array_equal(parts[1][index], mix[row])
    groups = [{source.group(index) for index in range(len(source))} for source in parts]
    assert not groups[0] & groups[1]
    with pytest.raises(OptionError, match="no part 'valid'"):
        read_pool(tmp_path / "pool", "valid")
    with pytest.raises(DataError, match="cannot read"):
        read_pool(tmp_path / "none")


def test_record_says_what_was_left_out_and_why(folder, tmp_path, given, scenes):
    mix = mix_of(folder)
    target = given([scenes([4])[0][:, ::-1].copy(), *scenes([50])], name="image")
    report = screen(mix, target)
    record = build_pool(mix, tmp_path / "pool", screened=report, target=target)
    reasons = [one.reason for one in record.dropped]
    assert [reasons.count(reason) for reason in ("near", "derived")] == [
        2,
        4,
    ]  # it and its inverse; crops
    saved = json.loads((tmp_path / "pool" / "record.json").read_text())
    assert saved["schema"] == 1
    assert len(saved["images"]) + len(saved["dropped"]) == len(mix)
    assert [source["written"] for source in saved["sources"]] == [19, 76, 19, 8]
    assert read_pool_record(tmp_path / "pool") == record


def test_examples_of_what_was_left_out_lie_beside_the_pool(folder, tmp_path, given, scenes):
    target = given([*scenes([50]), scenes([4])[0][:, ::-1].copy()], name="image")
    mix = Concat(Folder(folder))
    pool = tmp_path / "pool"
    record = build_pool(mix, pool, screened=screen(mix, target), target=target)
    (one,) = record.dropped
    assert one.name == "textures 4 (4.png)"
    for file, picture in zip(one.images, (mix[4], target[1]), strict=True):
        np.testing.assert_array_equal(np.array(decode_image(pool / file)), picture)
    build_pool(mix, pool, options=PoolOptions(overwrite=True))
    assert list((pool / "left-out").iterdir()) == []


def test_at_most_ten_examples_of_a_reason_are_kept(folder, tmp_path, given, scenes):
    mix = Concat(Folder(folder))
    screened = screen(mix, given(scenes(range(15))))
    record = build_pool(mix, tmp_path / "pool", screened=screened)
    assert sum(bool(one.images) for one in record.dropped) == 10
    assert len(record.dropped) == 15


def test_a_picture_that_cannot_be_decoded_is_named_and_the_rest_is_written(folder, tmp_path):
    (folder / "7.png").write_bytes(b"no")
    mix = Concat(Folder(folder))
    record = build_pool(mix, tmp_path / "pool")
    assert len(record.images) == 19
    (bad,) = record.dropped
    assert (bad.row, bad.reason) == (7, "unreadable")
    assert "7.png" in bad.detail
    assert bad.images == ()


def test_count_and_size_are_limited(folder, tmp_path):
    options = PoolOptions(count=30, longest=10)
    record = build_pool(mix_of(folder), tmp_path / "pool", options=options)
    assert len(record.images) == 30
    assert record.not_chosen == 98
    assert max(max(image_size(tmp_path / "pool" / e.file)) for e in record.images) == 10
    with pytest.raises(OptionError, match="129 images are asked for; 128 passed"):
        build_pool(mix_of(folder), tmp_path / "other", options=PoolOptions(count=129))


def test_finished_pool_is_replaced_only_when_told_and_completely(folder, tmp_path):
    build_pool(mix_of(folder), tmp_path / "pool")
    with pytest.raises(DataError, match="a finished pool is in"):
        build_pool(mix_of(folder), tmp_path / "pool")
    own = tmp_path / "pool" / "train" / "my notes.png"
    own.write_bytes(b"mine")
    options = PoolOptions(count=10, overwrite=True)
    record = build_pool(mix_of(folder), tmp_path / "pool", options=options)
    files = {str(path.relative_to(tmp_path / "pool")) for path in tmp_path.glob("pool/*/*.png")}
    assert files == {entry.file for entry in record.images} | {"train/my notes.png"}


def test_a_stopped_pool_is_no_pool(folder, tmp_path):
    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_pool(mix_of(folder), tmp_path / "pool", progress=stop)
    with pytest.raises(DataError, match="cannot read"):
        read_pool(tmp_path / "pool")
    assert len(build_pool(mix_of(folder), tmp_path / "pool").images) == 128


def test_nothing_left_is_refused(folder, tmp_path, given, scenes):
    source = Concat(Folder(folder))
    with pytest.raises(DataError, match="no background image is left"):
        build_pool(source, tmp_path / "pool", screened=screen(source, given(scenes(range(20)))))


@pytest.mark.parametrize(
    "options",
    [{"count": 0}, {"longest": 0}, {"fractions": (0.5, 0.5, 0.5)}, {"fractions": (1.5, -0.5, 0.0)}],
)
def test_values_out_of_range_are_refused(options):
    with pytest.raises(OptionError):
        PoolOptions(**options)


def test_a_record_of_something_else_is_refused(tmp_path):
    for content, message in (
        ("{}", "not that of a pool"),
        ('{"schema": 2}', "schema 2; 1 can be read"),
    ):
        (tmp_path / "record.json").write_text(content)
        with pytest.raises(DataError, match=message):
            read_pool(tmp_path)


def test_a_pool_written_before_its_record_spoke_of_images_is_read(folder, tmp_path):
    place = tmp_path / "pool"
    record = build_pool(mix_of(folder), place)
    saved = json.loads((place / "record.json").read_text())
    saved["pictures"] = saved.pop("images")
    (place / "record.json").write_text(json.dumps(saved))
    assert read_pool_record(place).images == record.images
