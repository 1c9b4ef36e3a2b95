"""Labelled images: lengths agree, background is last, a subset takes everything with it."""

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from figureground.base.errors import ImageError, ShapeError
from figureground.data import LabeledImages, LazyImages


def some(**changes):
    pixels = torch.arange(4 * 3 * 2 * 5, dtype=torch.uint8).reshape(4, 3, 2, 5)
    boxes = tuple(torch.full((row, 4), float(row)) for row in range(4))
    values = {"images": pixels, "labels": torch.tensor([0, 2, -1, 1]), "class_names": ("cat", "dog"),
              "boxes": boxes, "groups": torch.tensor([5, 6, 7, 8]),
              "contexts": torch.tensor([3, 0, 2, 0])}  # fmt: skip
    return LabeledImages(**{**values, **changes})


def test_background_is_the_label_after_the_last_class_and_unlabelled_counts_nowhere():
    data = some()
    assert (data.num_classes, data.background_index, data.background_count) == (2, 2, 1)
    assert data.class_counts() == [1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": torch.tensor([0, 1])}, "4 images but 2 labels"),
        ({"groups": torch.tensor([0])}, "4 images but 1 groups"),
        ({"contexts": torch.tensor([0])}, "4 images but 1 contexts"),
        ({"contexts": torch.tensor([0, 1, -1, 0])}, "contexts are numbers from 0, not -1"),
        ({"boxes": ()}, "4 images but 0 boxes"),
        ({"labels": torch.tensor([0, 1, 3, 0])}, r"labels run from 0 to 3; with 2 classes .* or 2"),
        ({"labels": torch.tensor([0, 1, -2, 0])}, "labels run from -2 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ShapeError, match=message):
        some(**changes)


@pytest.mark.parametrize("lazy", [False, True])
def test_subset_takes_pictures_labels_boxes_groups_and_contexts_in_the_order_asked(lazy):
    data = some()
    if lazy:
        data = some(images=LazyImages(data.image, 4))
    two = data.subset(torch.tensor([3, 1])).subset(torch.tensor([1, 0]))
    assert isinstance(two.images, LazyImages) == lazy
    assert two.labels.tolist() == [2, 1]
    assert two.groups.tolist() == [6, 8]
    assert two.contexts.tolist() == [0, 0]
    assert data.subset(torch.tensor([2, 0])).contexts.tolist() == [2, 3]
    assert [len(boxes) for boxes in two.boxes] == [1, 3]
    for row, original in enumerate((1, 3)):
        image, label = two[row]
        torch.testing.assert_close(image, some().images[original])
        assert label == some().labels[original]


def test_pictures_are_decoded_only_when_asked_for():
    asked = []

    def decode(row):
        asked.append(row)
        return Image.new("L", (3, 2), row)

    data = LabeledImages(LazyImages(decode, 3), torch.zeros(3, dtype=torch.int64), ("one",))
    last = data.subset(torch.tensor([2]))
    assert asked == []
    assert last[0][0].tolist() == [[[2, 2, 2], [2, 2, 2]]]
    assert asked == [2]


def test_files_come_as_colours_and_a_bad_one_says_so(tmp_path):
    Image.new("L", (3, 2), 9).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no")
    pictures = LazyImages.of_files([tmp_path / "a.png", tmp_path / "b.png"])
    data = LabeledImages(pictures, torch.tensor([0, 0]), ("one",))
    assert data[0][0].shape == (3, 2, 3)
    with pytest.raises(ImageError, match=r"b\.png"):
        data[1]


def test_any_data_loader_can_take_it():
    images, labels = next(iter(DataLoader(some(), batch_size=4)))
    torch.testing.assert_close(images, some().images)
    assert labels.tolist() == [0, 2, -1, 1]


def test_a_picture_that_does_not_exist_ends_a_loop():
    assert len(list(some())) == 4
    assert some()[-1][1] == 1
    with pytest.raises(IndexError, match="image 4 of 4"):
        some()[4]
