"""The paper's mix has its 3,001 images when the folders are given."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data.background import PAPER_PARTS, paper_recipe

# as many files as the ranges reach to, of the sizes that matter
FILES = {"forest": 90, "glacier": 58, "mountain": 40, "sea": 20, "buildings": 59, "street": 60,
         "grass": 30, "clouds": 10, "water": 300, "galaxies": 300, "wood": 200, "furniture": 100}  # fmt: skip
SIZES = {"grass": (2855, 2835), "clouds": (2100, 1400)}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Stub folders: black images, each file a copy of one."""
    base = tmp_path_factory.mktemp("paper")
    made: dict[str, Path] = {}
    for key, count in FILES.items():
        folder = base / key
        folder.mkdir()
        made[key] = folder
        first = folder / "1000.jpg"
        Image.new("1", SIZES.get(key, (6, 5))).save(first, "PNG")
        for number in range(1, count):
            folder.joinpath(f"{1000 + number}.jpg").hardlink_to(first)
    # the 46th name between 10 and 60 is 1045.jpg, the one that shows a car
    (made["buildings"] / "1059.jpg").hardlink_to(made["buildings"] / "1000.jpg")
    return made


def test_the_mix_has_3001_pictures_in_the_published_parts(roots):
    mix = paper_recipe(roots)
    assert len(mix) == 3001
    assert [len(source) for source in mix.sources] == [
        *(216, 90, 30, 30, 20, 49, 30),
        *(8 * 52, 10 * 42, 600, 600, 400, 100),
    ]
    assert sum(part.count for part in PAPER_PARTS.values()) + 216 == 3001


def test_the_car_is_left_out_and_the_ranges_are_those_of_the_notebooks(roots):
    names = {
        source.name: [Path(source.group(row)).name for row in range(len(source))]
        for source in paper_recipe(roots).sources
    }
    assert names["buildings"][0] == "1010.jpg"
    assert "1045.jpg" not in names["buildings"]
    assert (names["glacier"][0], names["glacier"][-1]) == ("1028.jpg", "1057.jpg")
    assert (names["mountain"][0], names["street"][0]) == ("1010.jpg", "1030.jpg")
    grass = [int(name[:4]) - 1000 for name in dict.fromkeys(names["grass, grid crops"])]
    assert grass == [0, 1, 3, 4, 9, 19, 26, 29]


def test_pictures_can_be_had(roots):
    mix = paper_recipe(roots)
    cloud = mix.sources[8]
    assert [cloud[row].shape[0] for row in (0, 1, 4, 5, 20)] == [512, 512, 512, 200, 200]
    np.testing.assert_array_equal(cloud[21], 255 - cloud[0])


def test_missing_unknown_and_short_folders_are_refused(roots, tmp_path):
    with pytest.raises(OptionError, match="also needs the folders wood, furniture"):
        paper_recipe({key: root for key, root in roots.items() if key not in {"wood", "furniture"}})
    with pytest.raises(OptionError, match="no part of the paper's mix 'lawn'"):
        paper_recipe({**roots, "lawn": tmp_path})
    with pytest.raises(DataError, match=r"image 299 of .* is asked for; it holds 200"):
        paper_recipe({**roots, "water": roots["wood"]})
    with pytest.raises(DataError, match="does not fit"):
        paper_recipe({**roots, "clouds": roots["wood"]})


def test_a_part_with_another_count_is_named(roots, tmp_path):
    # without 1045.jpg the range holds one image too many
    for number in range(60):
        (tmp_path / f"a{number:02d}.jpg").hardlink_to(roots["sea"] / "1000.jpg")
    with pytest.raises(DataError, match="'buildings' gives 50 images; the paper has 49"):
        paper_recipe({**roots, "buildings": tmp_path})
