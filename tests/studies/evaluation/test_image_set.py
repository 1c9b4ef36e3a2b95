"""What the model sees of a set, in which order, and what is left out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError
from figureground.models import Classifier
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.image_set import open_images


def test_batches_hold_what_the_model_sees_in_order(
    box_folder: Callable[..., Path], classifier: Classifier
):
    images = open_images(box_folder(7), classifier)
    batches = list(images.batches(3))
    assert [batch.rows.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [batch.names for batch in batches] == [
        images.names[0:3],
        images.names[3:6],
        images.names[6:],
    ]
    assert all(batch.images.shape[1:] == (3, 24, 32) for batch in batches)
    assert torch.cat([batch.labels for batch in batches]).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert min(batch.images.min() for batch in batches) >= 0
    assert max(batch.images.max() for batch in batches) <= 1


def test_the_bright_object_lies_in_its_box_of_the_view(
    box_folder: Callable[..., Path], classifier: Classifier
):
    (batch,) = open_images(box_folder(5), classifier).batches(8)
    for image, boxes in zip(batch.images, batch.boxes, strict=True):
        x0, y0, x1, y1 = boxes[0].round().int().tolist()
        inside = torch.zeros(24, 32, dtype=torch.bool)
        inside[y0:y1, x0:x1] = True
        grey = image.mean(0)
        assert grey[inside].mean() > 2.5 * grey[~inside].mean()


def test_boxes_follow_a_crop_and_one_that_is_cut_away_is_noted(
    tmp_path: Path, classifier: Classifier
):
    Image.new("RGB", (100, 24)).save(tmp_path / "wide.png")
    (tmp_path / "boxes.csv").write_text(
        "path,label,x0,y0,x1,y1\nwide.png,tabby,40,0,60,24\nwide.png,tabby,0,0,10,10\n"
    )
    cropping = replace(classifier.preprocessing, resize="crop")
    classifier.preprocessing = cropping
    (batch,) = open_images(tmp_path, classifier).batches(1)
    assert batch.boxes[0].tolist() == [[6, 0, 26, 24]]
    assert [(one.kind, one.where) for one in batch.problems] == [("cropped-away", "wide.png")]


def test_a_image_that_breaks_off_is_missing_from_its_batch_and_noted(
    box_folder: Callable[..., Path], classifier: Classifier
):
    folder = box_folder(4)
    whole = (folder / "01.png").read_bytes()
    (folder / "01.png").write_bytes(whole[: len(whole) // 2])
    first, second = open_images(folder, classifier).batches(2)
    assert (first.names, second.names) == (("00.png",), ("02.png", "03.png"))
    assert [(one.kind, one.where) for one in first.problems] == [("unreadable-file", "01.png")]


def test_a_batch_may_be_empty(box_folder: Callable[..., Path], classifier: Classifier):
    folder = box_folder(2)
    images = open_images(folder, classifier)
    (folder / "00.png").unlink()
    first, second = images.batches(1)
    assert (len(first), first.images.shape, len(second)) == (0, (0, 3, 24, 32), 1)


def test_only_the_rows_asked_for_come(box_folder: Callable[..., Path], classifier: Classifier):
    images = open_images(box_folder(6), classifier)
    assert [batch.rows.tolist() for batch in images.batches(2, [5, 1, 3])] == [[5, 1], [3]]


def test_labels_that_the_model_does_not_have_are_left_out_and_counted(
    box_folder: Callable[..., Path], make_classifier: Callable[..., Classifier]
):
    two = make_classifier(outputs=2, names=("tabby", "tiger cat"))
    images = open_images(box_folder(6), two)
    assert len(images) == 4
    assert [(one.kind, one.where) for one in images.problems] == [
        ("unknown-label", "02.png"),
        ("unknown-label", "05.png"),
    ]


def test_a_set_without_one_usable_image_is_refused(
    box_folder: Callable[..., Path], make_classifier: Callable[..., Classifier]
):
    other = make_classifier(outputs=2, names=("bus", "train"))
    with pytest.raises(DataError, match=r"no image of .* can be used: .*no class 'tabby'"):
        open_images(box_folder(3), other)


def test_a_limit_takes_a_random_part_that_depends_on_the_seed_only(
    box_folder: Callable[..., Path], classifier: Classifier
):
    folder = box_folder(12)
    names = [
        open_images(folder, classifier, DataOptions(limit=5, seed=seed)).names for seed in (1, 1, 2)
    ]
    assert names[0] == names[1] != names[2]
    assert len(names[0]) == 5
    assert list(names[0]) == sorted(names[0])


def test_masks_are_seen_through_the_same_view(tmp_path: Path, classifier: Classifier):
    photos, masks = tmp_path / "photos", tmp_path / "masks" / "lynx"
    photos.joinpath("lynx").mkdir(parents=True)
    masks.mkdir(parents=True)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 20:50] = 255
    Image.fromarray(mask).save(masks / "a.png")
    Image.new("RGB", (64, 48), (9, 9, 9)).save(photos / "lynx" / "a.jpg")
    images = open_images(tmp_path / "masks", classifier, DataOptions(images=photos))
    (batch,) = images.batches(1)
    assert batch.labels.tolist() == [2]
    assert batch.boxes[0].tolist() == [[10, 5, 25, 15]]
    expected = torch.zeros(24, 32, dtype=torch.uint8)
    expected[5:15, 10:25] = 1
    assert batch.masks is not None
    assert torch.equal(batch.masks[0], expected)
    mask[20, 30] = 0  # a hole, which no box shows
    Image.fromarray(mask).save(masks / "a.png")
    holed = open_images(tmp_path / "masks", classifier, DataOptions(images=photos))
    assert holed.identity != images.identity
    again = open_images(tmp_path / "masks", classifier, DataOptions(images=photos))
    assert again.identity == holed.identity


def test_without_a_model_the_view_is_the_whole_image_stretched(box_folder: Callable[..., Path]):
    images = open_images(box_folder(2), None, DataOptions(view_size=40))
    (batch,) = images.batches(2)
    assert batch.images.shape == (2, 3, 40, 40)
    assert images.labels.tolist() == [-1, -1]
    assert batch.views[0].scale_x == pytest.approx(40 / 64)
