"""Nothing is repaired or left out without a problem that says so."""

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import OptionError
from figureground.data.annotations.checking import ClassLabels, check_entries
from figureground.data.annotations.entries import RawEntry

ANY = ClassLabels()


def check(photos, boxes, **changes):
    raw = RawEntry("row 1", changes.pop("path", photos / "dog.jpg"), 0, tuple(boxes), **changes)
    return check_entries([raw], ANY)


@pytest.mark.parametrize(
    ("box", "kept", "kind"),
    [
        ((0.0, 0.0, 40.0, 30.0), (0, 0, 40, 30), None),
        ((1.5, 2.0, 3.0, 4.25), (1.5, 2, 3, 4.25), None),
        ((-5.0, 10.0, 50.0, 31.0), (0, 10, 40, 30), "clipped-box"),
        ((39.0, 29.0, 40.5, 30.0), (39, 29, 40, 30), "clipped-box"),
        ((40.0, 0.0, 45.0, 10.0), None, "outside-box"),
        ((0.0, -9.0, 5.0, 0.0), None, "outside-box"),
        ((7.0, 7.0, 7.0, 9.0), None, "empty-box"),
        ((9.0, 7.0, 8.0, 9.0), None, "empty-box"),
        ((float("nan"), 0.0, 1.0, 1.0), None, "bad-box"),
        ((0.0, 0.0, float("inf"), 1.0), None, "bad-box"),
        ((0.0, 0.0, 1.0), None, "bad-box"),
    ],
)
def test_box_is_kept_clipped_or_left_out_with_a_word(photos, box, kept, kind):
    (image,), problems = check(photos, [(1.0, 1.0, 2.0, 2.0), box])
    expected = [[1, 1, 2, 2]] + ([list(kept)] if kept else [])
    assert image.boxes.tolist() == expected
    assert image.boxes.dtype == np.float32
    assert [problem.kind for problem in problems] == ([kind] if kind else [])


def test_messages_name_the_box_and_the_picture(photos):
    _, (clipped, outside) = check(photos, [(-1.0, 0.0, 5.0, 5.5), (90.0, 0.0, 95.0, 5.0)])
    assert str(clipped) == "row 1: box (-1, 0, 5, 5.5) clipped to the 40x30 image"
    assert outside.message == "box (90, 0, 95, 5) left out: it is outside the 40x30 image"


def test_entry_without_boxes_is_kept_and_reported(photos):
    (image,), (problem,) = check(photos, [])
    assert image.boxes.shape == (0, 4)
    assert problem.kind == "no-boxes"
    (image,), problems = check(photos, [(3.0, 3.0, 3.0, 3.0)])
    assert image.boxes.shape == (0, 4)
    assert [problem.kind for problem in problems] == ["empty-box", "no-boxes"]


def test_missing_and_unreadable_pictures_are_left_out_with_their_path(photos):
    broken = photos / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 no")
    for path, kind in ((photos / "none.jpg", "missing-file"), (broken, "unreadable-file")):
        images, (problem,) = check(photos, [(0.0, 0.0, 1.0, 1.0)], path=path)
        assert images == []
        assert problem.kind == kind
        assert str(path) in problem.message


def test_picture_of_another_size_is_left_out_because_its_boxes_lie_elsewhere(photos):
    images, (problem,) = check(photos, [(0.0, 0.0, 1.0, 1.0)], size=(80, 60))
    assert images == []
    assert problem.kind == "size-mismatch"
    assert "annotated as 80x60 pixels, but" in problem.message
    assert problem.message.endswith("has 40x30")


def test_size_is_that_of_the_upright_picture(photos):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(photos / "turned.jpg", exif=exif)
    boxes = [(0.0, 0.0, 30.0, 40.0)]
    (image,), problems = check(photos, boxes, size=(30, 40), path=photos / "turned.jpg")
    assert image.boxes.tolist() == [[0, 0, 30, 40]]
    assert problems == []
    _, (problem,) = check(photos, boxes, size=(40, 30), path=photos / "turned.jpg")
    assert problem.message.endswith("has 30x40 (turned by its EXIF orientation?)")


@pytest.mark.parametrize(
    ("labels", "written", "resolved"),
    [
        (ANY, "dog", "dog"),
        (ANY, "7", 7),
        (ANY, 7, 7),
        (ANY, None, None),
        (ClassLabels(8), 7, 7),
        (ClassLabels(8), "dog", "dog"),
        (ClassLabels(names=("cat", "dog")), "dog", 1),
        (ClassLabels(names=("cat", "dog")), "1", 1),
        (ClassLabels(names=("1", "0")), "0", 1),
        (ClassLabels(names=("cat", "dog")), None, None),
        (ClassLabels(2, ("cat", "dog")), 1, 1),
    ],
)
def test_label_becomes_an_index_where_it_can(labels, written, resolved):
    assert labels.resolve(written) == resolved


@pytest.mark.parametrize(
    ("labels", "written", "message"),
    [
        (ClassLabels(8), 8, r"the label is 8, not in 0\.\.7"),
        (ClassLabels(8), "8", r"the label is 8, not in 0\.\.7"),
        (ANY, -1, "the label is -1"),
        (ANY, "-1", "the label is -1"),
        (ClassLabels(names=("cat", "dog")), 2, r"not in 0\.\.1"),
        (ClassLabels(names=("cat", "dog")), "Dog", "the label 'Dog' is none of the 2 class names"),
    ],
)
def test_unknown_label_leaves_the_entry_out(photos, labels, written, message):
    with pytest.raises(LookupError, match=message):
        labels.resolve(written)
    images, (problem,) = check_entries([RawEntry("r", photos / "dog.jpg", written)], labels)
    assert images == []
    assert problem.kind == "unknown-label"


def test_count_and_names_may_not_contradict():
    with pytest.raises(OptionError, match="num_classes is 3 but there are 2 class names"):
        ClassLabels(3, ("cat", "dog"))
