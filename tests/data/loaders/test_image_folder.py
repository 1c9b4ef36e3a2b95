"""A class folder keeps its number whatever strings sort like, and background is last."""

import pytest
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data import LoadOptions, image_folder, load_dataset

PARTS = ("train", "val", "test")


def make(root, names, each=1):
    for name in names:
        folder = root / name
        folder.mkdir(parents=True)
        for row in range(each):
            Image.new("RGB", (4, 3), (len(name), row, 0)).save(folder / f"{row}.png")
    return root


def test_twelve_numbered_classes_and_background_keep_their_numbers(tmp_path):
    names = [str(number) for number in range(12)]
    data = image_folder(make(tmp_path, [*names, "background"]))
    assert data.class_names == tuple(names)  # strings would sort 0 1 10 11 2, then background
    assert data.labels.tolist() == list(range(13))
    assert data.background_index == 12
    assert data.background_count == 1
    (note,) = data.notes
    assert "label 2 is '2'" in note
    assert "gives 2 to '10'" in note


def test_background_is_last_under_any_name_and_case(tmp_path):
    make(tmp_path, ["ant", "BackGround", "cat"])
    data = image_folder(tmp_path)
    assert data.class_names == ("ant", "cat")
    assert data.background_count == 1
    other = image_folder(tmp_path, background="ant")
    assert other.class_names == ("BackGround", "cat")
    assert other.labels.tolist() == [0, 1, 2]
    assert image_folder(tmp_path, background=None).background_count == 0


def test_no_note_where_strings_sort_alike(tmp_path):
    assert image_folder(make(tmp_path, ["ant", "bee"])).notes == ()


def test_hidden_folders_are_no_classes_and_inner_folders_are_searched(tmp_path):
    make(tmp_path, ["ant/deep", ".trash", "__MACOSX"])
    data = image_folder(tmp_path)
    assert data.class_names == ("ant",)
    assert len(data) == 1


def test_empty_class_and_no_class_are_refused(tmp_path):
    with pytest.raises(DataError, match="holds no class folders"):
        image_folder(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        image_folder(tmp_path / "none")
    make(tmp_path, ["ant"])
    (tmp_path / "bee").mkdir()
    with pytest.raises(DataError, match="bee"):
        image_folder(tmp_path)


def test_folder_set_is_divided_in_three_without_overlap(tmp_path):
    make(tmp_path, ["ant", "bee"], each=20)
    parts = {part: load_dataset("folder", tmp_path, part=part) for part in ("train", "val", "test")}
    assert {part: data.class_counts() for part, data in parts.items()} == {
        "train": [14, 14],
        "val": [2, 2],
        "test": [4, 4],
    }
    seen = [(label, *data[row][0][:2, 0, 0].tolist()) for data in parts.values()
            for row in range(len(data)) for label in [data[row][1]]]  # fmt: skip
    assert len(set(seen)) == 40
    more = load_dataset("folder", tmp_path, part="test", options=LoadOptions(val_fraction=0.4))
    assert [more[row][0].tolist() for row in range(8)] == [
        parts["test"][row][0].tolist() for row in range(8)
    ]


def test_the_share_of_the_test_is_an_option_and_a_note_says_how_it_was_divided(tmp_path):
    make(tmp_path, ["ant", "bee"], each=20)
    options = LoadOptions(test_fraction=0.5, val_fraction=0.2)
    parts = [load_dataset("folder", tmp_path, part=part, options=options) for part in PARTS]
    assert [len(one) for one in parts] == [16, 4, 20]
    for one in parts:
        assert one.notes == (
            (
                "20 of 40 images are set aside as test images (data.test_fraction=0.5), "
                "4 of 40 images are set aside for validation (data.val_fraction=0.2); 16 are left to train on"
            ),
        )
    with pytest.raises(OptionError, match="test_fraction lies between 0 and 1, not 1"):
        LoadOptions(test_fraction=1.0)


def test_a_folder_that_is_divided_is_taken_in_its_own_parts(tmp_path):
    make(tmp_path / "train", ["ant", "bee", "cat", "background"], each=10)
    make(tmp_path / "Valid", ["ant", "cat", "background"], each=2)
    make(tmp_path / "test", ["cat"], each=3)
    parts = [load_dataset("folder", tmp_path, part=part) for part in PARTS]
    assert [one.class_names for one in parts] == [("ant", "bee", "cat")] * 3
    assert [one.class_counts() for one in parts] == [[10, 10, 10], [2, 0, 2], [0, 0, 3]]
    assert [one.background_count for one in parts] == [10, 2, 0]
    assert not any("set aside" in note for one in parts for note in one.notes)
    with pytest.raises(OptionError, match="'folder' has no option 'test_fraction'"):
        load_dataset("folder", tmp_path, part="val", options=LoadOptions(test_fraction=0.5))


@pytest.mark.parametrize(
    ("own", "counts"),
    [("val", [16, 3, 4]), ("test", [18, 2, 3])],
)
def test_the_part_that_a_divided_folder_lacks_is_taken_from_its_training_part(
    own: str, counts: list[int], tmp_path
):
    make(tmp_path / "train", ["ant", "bee"], each=10)
    make(tmp_path / own, ["ant"], each=3)
    parts = [load_dataset("folder", tmp_path, part=part) for part in PARTS]
    assert [len(one) for one in parts] == counts
    absent = {"val": "test", "test": "val"}[own]
    assert f"data.{absent}_fraction" in parts[0].notes[-1]
    assert f"data.{own}_fraction" not in parts[0].notes[-1]


def test_parts_of_a_divided_folder_have_the_same_classes(tmp_path):
    make(tmp_path / "train", ["ant", "bee"])
    make(tmp_path / "test", ["ant", "cow"])
    with pytest.raises(
        DataError, match=r"test holds the class folder 'cow', which .*train has not"
    ):
        load_dataset("folder", tmp_path, part="test")
    make(tmp_path / "eval", ["ant"])
    with pytest.raises(DataError, match="are both the test part"):
        load_dataset("folder", tmp_path, part="train")


def test_cinic_has_its_own_parts(tmp_path):
    for row, part in enumerate(("train", "valid", "test")):
        make(tmp_path / part, ["ship", "truck"], each=row + 1)
    counts = [
        len(load_dataset("cinic10", tmp_path, part=part)) for part in ("train", "val", "test")
    ]
    assert counts == [2, 4, 6]
    with pytest.raises(DataError, match=r"no file or folder .*none; .*\(train, valid, test\)"):
        load_dataset("cinic10", tmp_path / "none", part="train")
    with pytest.raises(OptionError, match="no option 'download'"):
        load_dataset("cinic10", tmp_path, part="train", options=LoadOptions(download=True))
