"""The report of a pool of background images, written from what the pool's folder holds."""

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError
from figureground.data import image_size
from figureground.data.background import Concat, Folder, Invert, PoolOptions, build_pool, screen
from figureground.reports import write_background_pool_report


def scribble(folder, numbers, name="{}.png"):
    """Images that a resized copy can be recognised by."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((50, 40)).save(folder / name.format(number))
    return Folder(folder)


def test_the_report_says_what_is_in_the_pool_and_what_was_left_out_and_why(tmp_path):
    source = scribble(tmp_path / "textures", range(8))
    mix = Concat(source, Invert(source))
    target = scribble(tmp_path / "photos", [3, 50])
    build_pool(mix, tmp_path / "pool", screened=screen(mix, target), target=target)
    text = write_background_pool_report(tmp_path / "pool").read_text()
    assert "14 images of 7 originals" in text
    assert "| textures | 8 | 7 |" in text
    assert "1 × exact: the same pixels as a target image" in text
    assert "Compared with 2 target images" in text
    assert "- textures 3 (3.png): the pixels of target image 0 (3.png)" in text
    for page in ("images.png", "dropped.png"):
        assert image_size(tmp_path / "pool" / page)[0] > 100


def test_a_pool_that_was_not_screened_says_so_and_an_older_page_goes(tmp_path):
    source = Concat(scribble(tmp_path / "textures", range(6)))
    pool = tmp_path / "pool"
    report = screen(source, scribble(tmp_path / "photos", [3]))
    build_pool(source, pool, screened=report)
    write_background_pool_report(pool)
    assert (pool / "dropped.png").exists()
    build_pool(source, pool, options=PoolOptions(overwrite=True))
    assert "**Not compared with target images**" in write_background_pool_report(pool).read_text()
    assert not (pool / "dropped.png").exists()


def test_names_bring_no_markup_into_the_page(tmp_path):
    folder = tmp_path / "a|b *c*"
    scribble(folder, range(4))
    (folder / "[bad]_|_.png").write_bytes(b"no")
    build_pool(Concat(Folder(folder)), tmp_path / "pool")
    text = write_background_pool_report(tmp_path / "pool").read_text()
    assert "| a\\|b \\*c\\* | 5 | 4 |" in text
    assert "\\[bad\\]\\_\\|\\_.png" in text
    assert "[bad]_" not in text.replace("\\[bad\\]", "")


def test_a_source_of_which_nothing_is_left_has_an_empty_row(tmp_path):
    first = scribble(tmp_path / "first", range(3))
    mix = Concat(first, scribble(tmp_path / "second", range(3)))
    record = build_pool(mix, tmp_path / "pool", screened=screen(mix))
    assert [source.written for source in record.sources] == [3, 0]
    assert "| second | 3 | 0 |" in write_background_pool_report(tmp_path / "pool").read_text()


def test_a_folder_without_a_finished_pool_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        write_background_pool_report(tmp_path)
