"""Files, folders and patterns become one list without surprises."""

import os
import random
import re
from pathlib import Path
from typing import Any

import pytest

from figureground.base.errors import DataError
from figureground.data import find_images
from figureground.data.finding import natural_key


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in (
        "10.jpg",
        "2.JPEG",
        "1.png",
        "notes.txt",
        ".hidden.png",
        "in/3.webp",
        "in/er/4.TIF",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(sources, **options):
    return [Path(str(path)).as_posix() for path in find_images(sources, **options)]


def test_folder_gives_its_visible_pictures_in_natural_order(folder):
    assert found(["."]) == ["1.png", "2.JPEG", "10.jpg"]


def test_the_order_is_that_of_numbers_and_words():
    rng = random.Random(0)
    pieces = ["a", "A", "b", "ab", "-", "_", " ", "0", "7", "12", "007", "100", ".", "/", "/x"]
    paths = [Path("p/" + "".join(rng.choices(pieces, k=rng.randint(1, 6)))) for _ in range(3000)]

    def in_words(path: Path) -> Any:
        parts = [re.split(r"(\d+)", part.lower()) for part in path.parts]
        return [
            [int(one) if at % 2 else one for at, one in enumerate(words)] for words in parts
        ], str(path)

    assert sorted(paths, key=natural_key) == sorted(paths, key=in_words)


def test_what_was_found_is_not_looked_for_again(folder):
    first = find_images(["."])
    (folder / "1.png").unlink()
    assert find_images(first) is first
    with pytest.raises(DataError, match=r"no file or folder '1\.png'"):
        find_images(list(first))


def test_folders_inside_are_searched_only_when_asked(folder):
    assert found(["."], recursive=True) == ["1.png", "2.JPEG", "10.jpg", "in/3.webp", "in/er/4.TIF"]


def test_one_place_written_twice_is_one_picture(folder):
    assert found(["1.png", "./1.png", "in/../1.png", folder / "1.png", "*.png"]) == ["1.png"]


def test_links_are_pictures_of_their_own(folder):
    (folder / "5.png").symlink_to(folder / "1.png")
    assert found(["."]) == ["1.png", "2.JPEG", "5.png", "10.jpg"]


def test_link_to_its_own_folder_does_not_loop(folder):
    (folder / "in" / "again").symlink_to(folder)
    assert len(found(["."], recursive=True)) == 5


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.j*", ["10.jpg"]),
        ("[12].*", ["1.png", "2.JPEG"]),
        ("*", ["1.png", "2.JPEG", "10.jpg", "in/3.webp"]),
        ("**/*.TIF", ["in/er/4.TIF"]),
        ("in/**", ["in/3.webp", "in/er/4.TIF"]),
    ],
)
def test_pattern_means_what_the_shell_makes_of_it(folder, pattern, names):
    assert found([pattern]) == names
    assert found([str(folder / pattern)]) == [str(folder / name) for name in names]


def test_file_with_brackets_in_its_name_is_no_pattern(folder):
    (folder / "a[1].png").touch()
    assert found(["a[1].png"]) == ["a[1].png"]


def test_file_named_outright_needs_no_known_extension(folder):
    assert found("notes.txt") == ["notes.txt"]


def test_order_does_not_depend_on_the_order_of_sources(folder):
    assert found(["10.jpg", "in", "2.JPEG"]) == found(["2.JPEG", "10.jpg", "in"])


def test_names_that_differ_in_case_or_zeros_only_keep_one_order(folder):
    (folder / "01.png").touch()
    assert found(["1.png", "01.png"]) == found(["01.png", "1.png"]) == ["01.png", "1.png"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1.pgn", r"no file or folder '1\.pgn'; closest: '1\.png'"),
        ("im/3.webp", r"no file or folder 'im/3\.webp'; its folder 'im' does not exist either"),
        ("*.gif", r"the pattern '\*\.gif' fits no file or folder"),
        ("a\0b", "no file or folder"),
        ("x" * 300, "no file or folder"),
    ],
)
def test_missing_source_is_an_error_that_helps(folder, source, message):
    with pytest.raises(DataError, match=message):
        find_images(["1.png", source])


def test_no_picture_at_all_is_an_error_that_names_the_places(folder):
    (folder / "empty").mkdir()
    with pytest.raises(
        DataError,
        match=r"no images in 'empty'.*only with --recursive .recursive in the library",
    ):
        find_images(["empty"])
    with pytest.raises(DataError, match="an empty list"):
        find_images([])


def test_folder_that_cannot_be_listed_is_not_taken_for_empty(folder, monkeypatch):
    def deny(place):
        raise PermissionError(13, "Permission denied", place)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(DataError, match="cannot list in: Permission denied"):
        find_images(["1.png", "in"])
