"""A saved entry, checked and put in order."""

import copy

import pytest

from figureground.base.errors import DataError
from figureground.reports.cards import PanelColumn, Rectangle
from figureground.reports.entries import card_of, data_uri

DOT = "data:image/png;base64,iVBORw0KGgo="


def panel(method: str, position: int | None, **more):
    return {
        "method": method,
        "layer": "layer4",
        "class": position,
        "label": "tabby",
        "png": f"images/{method}.png",
        "thumbnail": DOT,
        "problem": None,
        "boxes": [],
        "truth_iou": None,
    } | more


def entry(**more):
    return {
        "image": "cats/Tom.jpg",
        "size": [40, 30],
        "thumbnail": DOT,
        "predictions": [{"index": 281, "name": "Tabby", "score": 0.57}],
        "classes": [
            {"index": 281, "name": "tabby", "score": 0.57},
            {"index": 5, "name": "Shark", "score": 0.001},
        ],
        "panels": [panel("grad-cam", 1), panel("grad-cam", 0), panel("cam", 0)],
    } | more


def test_rows_follow_the_classes_and_columns_the_methods():
    card = card_of(entry(), 1)
    assert [(row.name, row.score) for row in card.rows] == [("tabby", "57 %"), ("Shark", "0.1 %")]
    assert card.columns == (PanelColumn("grad-cam", "layer4"), PanelColumn("cam", "layer4"))
    assert [[len(cell) for cell in row.cells] for row in card.rows] == [[1, 1], [1, 0]]


def test_one_method_at_two_layers_has_two_columns():
    panels = [panel("cam", 0), panel("cam", 0, layer="layer3")]
    card = card_of(entry(panels=panels), 1)
    assert [column.layer for column in card.columns] == ["layer4", "layer3"]


def test_class_free_map_stands_once_in_the_first_row():
    panels = [panel("grad-cam", 0), panel("grad-cam", 1), panel("eigen-cam", None)]
    card = card_of(entry(panels=panels), 1)
    assert [column.class_free for column in card.columns] == [False, True]
    assert [[len(cell) for cell in row.cells] for row in card.rows] == [[1, 1], [1, 0]]


def test_only_class_free_maps_give_one_row_for_any_class():
    card = card_of(entry(panels=[panel("eigen-cam", None), panel("dff", None)]), 1)
    assert [row.name for row in card.rows] == ["any class"]
    assert [len(cell) for cell in card.rows[0].cells] == [1, 1]


def test_method_with_and_without_classes_gets_a_last_row_for_any_class():
    card = card_of(entry(panels=[panel("cam", None), panel("cam", 1)]), 1)
    assert [row.name for row in card.rows] == ["Shark", "any class"]


def test_filter_words_are_path_best_prediction_classes_and_truth_in_lower_case():
    card = card_of(entry(truth={"label": "Siamese", "boxes": []}), 1)
    assert card.words == "cats/tom.jpg tabby shark siamese"


def test_boxes_become_corner_and_size_and_empty_ones_are_left_out():
    boxes = [[1, 2, 11, 22.5], [5, 5, 5, 9], [0, 0, float("nan"), 4]]
    card = card_of(
        entry(panels=[panel("cam", 0, boxes=boxes, truth_iou=0.634)], truth={"boxes": boxes}), 1
    )
    assert card.truth_boxes == (Rectangle(1.0, 2.0, 10.0, 20.5),)
    (cell,) = card.rows[0].cells[0]
    assert cell.boxes == card.truth_boxes
    assert cell.overlap == "0.63"
    assert card.has_found_boxes
    assert not card_of(entry(), 1).has_found_boxes


def test_problems_are_counted():
    panels = [panel("cam", 0, problem="every value is zero"), panel("grad-cam", 0)]
    assert card_of(entry(panels=panels), 1).problems == 1


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("images/a b.png", "./images/a%20b.png"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("//example.org/x.png", ".///example.org/x.png"),
        ('x"onclick="y', "./x%22onclick%3D%22y"),
        ("\udc80.png", "./%3F.png"),
    ],
)
def test_link_stays_below_the_page_whatever_the_path_holds(path, link):
    card = card_of(entry(panels=[panel("cam", 0, png=path)]), 1)
    assert card.rows[0].cells[0][0].link == link


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "https://example.org/a.png",
        "data:text/html;base64,AA==",
        "data:image/png,x",
        DOT + "\n",
    ],
)
def test_address_that_holds_no_picture_is_dropped(value):
    assert data_uri(value) is None
    assert card_of(entry(thumbnail=value), 1).thumbnail is None


def test_missing_score_and_out_of_range_score_draw_a_bar_inside_its_row():
    scores = [None, 1.7, -0.2, float("nan")]
    predictions = [{"index": n, "name": "", "score": score} for n, score in enumerate(scores)]
    card = card_of(entry(predictions=predictions), 1)
    assert [each.percent for each in card.predictions] == [0.0, 100.0, 0.0, 0.0]
    assert [each.name for each in card.predictions] == ["0", "1", "2", "3"]


def test_concept_with_a_hostile_colour_becomes_grey():
    concepts = [
        {"colour": "#e69f00", "labels": [["tabby", 0.4], ["boxer", 0.02]]},
        {"colour": "red;background:url(x)", "labels": []},
    ]
    card = card_of(entry(concepts=concepts), 1)
    assert card.concepts == (("#e69f00", "tabby 40 %, boxer 2.0 %"), ("#808080", ""))


def test_numbers_are_put_into_words():
    card = card_of(entry(numbers={"drop": 0.12345, "seen": True, "parts": [1, 2]}), 1)
    assert card.numbers == (("drop", "0.1235"), ("seen", "yes"), ("parts", "[1, 2]"))


def test_entry_is_not_changed():
    given = entry()
    before = copy.deepcopy(given)
    card_of(given, 1)
    assert given == before


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {"size": [4, 3]},
        entry(size=[4]),
        entry(panels=[{"class": 0}]),
        entry(panels=[panel("cam", 2)]),
        entry(panels=[panel("cam", -1)]),
        entry(predictions=3),
        entry(concepts=[{"colour": "#000000"}]),
        entry(panels=[panel("cam", 0, boxes=[[1, 2, 3]])]),
        entry(panels=[panel("cam", 0, boxes="none")]),
    ],
)
def test_entry_of_another_form_is_refused(broken):
    with pytest.raises(DataError, match="not an entry of a report"):
        card_of(broken, 1)
