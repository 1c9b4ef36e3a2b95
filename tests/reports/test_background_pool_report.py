"""The report of a pool of background images, written from what the pool's folder holds."""

import re

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


def markdown_of(pool):
    write_background_pool_report(pool)
    return (pool / "report.md").read_text()


def test_the_report_says_what_is_in_the_pool_and_what_was_left_out_and_why(tmp_path):
    source = scribble(tmp_path / "textures", range(8))
    mix = Concat(source, Invert(source))
    target = scribble(tmp_path / "photos", [3, 50])
    build_pool(mix, tmp_path / "pool", screened=screen(mix, target), target=target)
    text = markdown_of(tmp_path / "pool")
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
    assert "**Not compared with target images**" in markdown_of(pool)
    assert not (pool / "dropped.png").exists()


def test_names_bring_no_markup_into_the_page(tmp_path):
    folder = tmp_path / "a|b *c*"
    scribble(folder, range(4))
    (folder / "[bad]_|_.png").write_bytes(b"no")
    build_pool(Concat(Folder(folder)), tmp_path / "pool")
    text = markdown_of(tmp_path / "pool")
    assert "| a\\|b \\*c\\* | 5 | 4 |" in text
    assert "\\[bad\\]\\_\\|\\_.png" in text
    assert "[bad]_" not in text.replace("\\[bad\\]", "")


def test_a_source_of_which_nothing_is_left_has_an_empty_row(tmp_path):
    first = scribble(tmp_path / "first", range(3))
    mix = Concat(first, scribble(tmp_path / "second", range(3)))
    record = build_pool(mix, tmp_path / "pool", screened=screen(mix))
    assert [source.written for source in record.sources] == [3, 0]
    assert "| second | 3 | 0 |" in markdown_of(tmp_path / "pool")


def test_a_folder_without_a_finished_pool_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        write_background_pool_report(tmp_path)


def test_the_page_leads_with_whether_the_classes_are_in_the_pool(tmp_path):
    source = Concat(scribble(tmp_path / "<textures>", range(8)))
    target = scribble(tmp_path / "photos", [3, 50])
    pool = tmp_path / "pool"
    build_pool(source, pool, screened=screen(source, target), target=target)
    page = write_background_pool_report(pool).read_text()
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", page)
    assert heading == (
        "No copy of the 2 target images is left among the 7 background images: 1 of 8 offered ones were found to be "
        "one and left out."
    )
    assert "They come from 7 originals" in page.partition("<main>")[0]
    assert page.count("data:image/png;base64,") == 2
    assert "&lt;textures&gt;" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("<script") == 1  # which sorts tables


def test_a_pool_that_was_not_compared_cannot_tell(tmp_path):
    source = Concat(scribble(tmp_path / "textures", range(6)))
    record = build_pool(source, tmp_path / "pool")
    assert record.sentences()[0] == (
        "Cannot tell whether images of the classes are among these 6 background images: nothing was compared with them."
    )
    screened = screen(source, scribble(tmp_path / "photos", [50]))
    record = build_pool(
        source, tmp_path / "pool", screened=screened, options=PoolOptions(overwrite=True)
    )
    assert record.sentences()[0] == (
        "No copy of the 1 target images was found among the 6 offered ones; 6 became background images."
    )
