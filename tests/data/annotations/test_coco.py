"""COCO files: x, y, width, height by category."""

import json

import pytest

from figureground.base.errors import DataError
from figureground.data import read_annotations

IMAGES = [
    {"id": 5, "file_name": "dog.jpg", "width": 40, "height": 30},
    {"id": 3, "file_name": "cat.png", "width": 20, "height": 50},
]
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}]


def mark(image, category, box, **more):
    return {"image_id": image, "category_id": category, "bbox": box, **more}


def read(photos, annotations, images=IMAGES, categories=CATEGORIES, **options):
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = photos.parent / "boxes.json"
    path.write_text(json.dumps(content))
    return read_annotations(path, **options)


def test_entries_are_one_for_each_picture_and_category_in_the_order_of_images(photos):
    made = read(
        photos,
        [
            mark(3, 17, [1, 2, 3, 4]),
            mark(5, 18, [0, 0, 40, 30]),
            mark(3, 18, [5, 5, 1.5, 2]),
            mark(3, 17, [0, 0, 1, 1]),
        ],
    )
    assert made.format == "coco"
    assert made.problems == ()
    assert [(image.path.name, image.label) for image in made] == [
        ("dog.jpg", "dog"),
        ("cat.png", "cat"),
        ("cat.png", "dog"),
    ]
    assert made[1].boxes.tolist() == [[1, 2, 4, 6], [0, 0, 1, 1]]
    assert made[2].boxes.tolist() == [[5, 5, 6.5, 7]]


def test_names_become_indices_of_the_given_classes(photos):
    made = read(photos, [mark(5, 18, [0, 0, 9, 9])], class_names=["cat", "bird", "dog"])
    assert [image.label for image in made] == [2, None]


def test_ids_are_labels_only_where_no_category_is_named(photos):
    made = read(photos, [mark(5, 4, [0, 0, 9, 9])], categories=[], num_classes=4)
    assert [image.label for image in made] == [None]  # the image without annotations
    assert made.problem_counts == {"unknown-label": 1, "no-boxes": 1}


def test_crowds_are_left_out_and_their_picture_stays(photos):
    made = read(photos, [mark(5, 18, [0, 0, 9, 9], iscrowd=1), mark(3, 17, [0, 0, 1, 1])])
    assert made[0].label == "dog"
    assert made[0].boxes.shape == (0, 4)
    assert made.problem_counts == {"crowd-box": 1, "no-boxes": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image_id": 5, "category_id": 18}, "no 'bbox'"),
        (mark(5, 18, [1, 2, 3]), "not enough values"),
        (mark(5, 18, [1, 2, 3, "x"]), "could not convert"),
        (mark(5, 18, None), "not iterable"),
        (mark(5, 99, [1, 2, 3, 4]), "category_id 99 is none of the 2 categories"),
        (mark([5], 18, [1, 2, 3, 4]), "unhashable"),
        ("text", "indices"),
    ],
)
def test_unusable_annotation_is_reported_and_the_others_stay(photos, row, message):
    made = read(photos, [row, mark(5, 18, [0, 0, 9, 9]), mark(3, 17, [0, 0, 1, 1])])
    assert [image.label for image in made] == ["dog", "cat"]
    (problem,) = made.problems
    assert problem.kind == "bad-row"
    assert problem.where == "boxes.json annotations[0]"
    assert message in problem.message


def test_annotations_of_no_image_and_images_without_name_are_reported(photos):
    made = read(photos, [mark(8, 18, [0, 0, 9, 9])], images=[{"id": 1}, {"file_name": "dog.jpg"}])
    assert len(made) == 0
    assert [(problem.where, problem.kind) for problem in made.problems] == [
        ("boxes.json images[0]", "bad-row"),
        ("boxes.json images[1]", "bad-row"),
        ("boxes.json image_id 8", "bad-row"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read"),
        ("[1, 2]", "is not COCO: it holds no list 'images'"),
        ('{"images": []}', "is not COCO: it holds no list 'annotations'"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "a category without"),
    ],
)
def test_file_that_is_not_coco_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_annotations(path)
