"""A saved entry, checked and put in order."""

import copy

import pytest

from figureground.base.errors import DataError
from figureground.reports.cards import Card, Rectangle
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


def drawn(card: Card) -> dict[str, list[tuple[tuple[str, ...], str]]]:
    return {row.name: [(cell.methods, cell.layer) for cell in row.cells] for row in card.rows}


def test_rows_follow_the_classes_and_cells_the_methods():
    card = card_of(entry(), 1)
    assert [(row.name, row.score) for row in card.rows] == [("tabby", "57 %"), ("Shark", "0.1 %")]
    assert drawn(card) == {
        "tabby": [(("grad-cam",), ""), (("cam",), "")],
        "Shark": [(("grad-cam",), "")],
    }


def test_one_method_at_two_layers_has_two_cells_with_their_layers():
    panels = [panel("cam", 0), panel("cam", 0, layer="layer3")]
    card = card_of(entry(panels=panels), 1)
    assert drawn(card) == {"tabby": [(("cam",), "layer4"), (("cam",), "layer3")]}


def test_maps_of_any_class_stand_once_in_a_row_of_their_own():
    panels = [panel("eigen-cam", None), panel("grad-cam", 1), panel("dff", None)]
    card = card_of(entry(panels=panels), 1)
    assert drawn(card) == {
        "Shark": [(("grad-cam",), "")],
        "any class": [(("eigen-cam",), ""), (("dff",), "")],
    }


def test_methods_that_look_the_same_share_a_cell():
    twin = {"same_as": "cam", "thumbnail": None}
    panels = [
        panel("cam", 0),
        panel("cam", 0, layer="layer3"),
        panel("grad-cam++", 0),
        panel("grad-cam", 0, **twin),
        panel("hires-cam", 0, **twin),
    ]
    card = card_of(entry(panels=panels), 1)
    assert drawn(card)["tabby"] == [
        (("cam", "grad-cam", "hires-cam"), "layer4"),
        (("cam",), "layer3"),
        (("grad-cam++",), "layer4"),
    ]
    assert card.rows[0].cells[0].thumbnail == DOT


def test_an_image_is_named_below_the_folder_of_all():
    card = card_of(entry(image="/pictures/me/photos/cats/Tom.jpg"), 1, "/pictures/me/photos")
    assert (card.image, card.words) == ("cats/Tom.jpg", "cats/tom.jpg tabby shark")
    assert "/home" not in card.rows[0].cells[0].alt


@pytest.mark.parametrize(
    ("seen", "unseen"), [([0.2, -3, 40, 33], False), ([5, 0, 35, 30], True), (None, False)]
)
def test_pictures_that_show_more_than_was_seen_say_so(seen: list[float] | None, unseen: bool):
    assert card_of(entry(seen=seen), 1).unseen is unseen
    # what is shown of another image is what was seen
    assert not card_of(entry(window=[5, 0, 35, 30], seen=[5, 0, 35, 30]), 1).unseen


def test_small_pictures_keep_their_pixels():
    assert card_of(entry(), 1).is_small
    assert not card_of(entry(size=[400, 300]), 1).is_small


def test_filter_words_are_path_best_prediction_classes_and_truth_in_lower_case():
    card = card_of(entry(truth={"label": "Siamese", "boxes": []}), 1)
    assert card.words == "cats/tom.jpg tabby shark siamese"


def test_boxes_become_corner_and_size_and_empty_ones_are_left_out():
    boxes = [[1, 2, 11, 22.5], [5, 5, 5, 9], [0, 0, float("nan"), 4]]
    card = card_of(
        entry(panels=[panel("cam", 0, boxes=boxes, truth_iou=0.634)], truth={"boxes": boxes}), 1
    )
    assert card.truth_boxes == (Rectangle(1.0, 2.0, 10.0, 20.5),)
    (cell,) = card.rows[0].cells
    assert cell.boxes == card.truth_boxes
    assert cell.overlap == "0.63"
    assert card.has_found_boxes
    assert not card_of(entry(), 1).has_found_boxes


def test_problems_are_counted():
    panels = [panel("cam", 0, problem="every value is zero"), panel("grad-cam", 0)]
    assert card_of(entry(panels=panels), 1).problems == ("with a problem",)


def test_problems_are_named_by_their_kind():
    kinds = ("incomplete", "dead-layer", "non-finite", "negative-only")
    panels = [panel(kind, 0, problem="a sentence", problem_kind=kind) for kind in kinds]
    words = ("incomplete", "blank", "not finite", "with evidence against the class only")
    assert card_of(entry(panels=panels), 1).problems == words


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
    assert card.rows[0].cells[0].link == link


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
    panels = [panel("cam", 0), panel("dff(concepts=2)", None)]
    (other,), (cell,) = (
        row.cells for row in card_of(entry(concepts=concepts, panels=panels), 1).rows
    )
    assert other.concepts == ()
    assert cell.concepts == (("#e69f00", "tabby 40 %, boxer 2.0 %"), ("#808080", ""))


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
