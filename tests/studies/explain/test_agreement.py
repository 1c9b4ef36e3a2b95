"""What the page of maps leads with is counted from boxes and probabilities."""

from figureground.studies.explain.agreement import Agreement

LEFT, RIGHT, WIDE = [0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [0.0, 0.0, 10.0, 14.0]


def entry(image, panels, score: float | None = 0.9, classes: tuple[float | None, ...] = (0.9,)):
    return {
        "classes": [{"score": one} for one in classes],
        "image": f"photos/{image}",
        "predictions": [{"name": "cat", "score": score, "index": 1}],
        "panels": [
            {"method": method, "class": label, "boxes": boxes, "problem": None}
            for method, label, boxes in panels
        ],
    }


def said(*entries):
    found = Agreement()
    for one in entries:
        found.see(one)
    answer = found.answer()
    return (
        []
        if answer is None
        else [one.replace("\N{NO-BREAK SPACE}", " ") for one in answer.sentences]
    )


def test_images_on_which_methods_differ_are_counted_and_the_worst_is_named():
    sentences = said(
        entry("a.jpg", [("cam", 0, [LEFT]), ("eigen-cam", None, [WIDE])], 0.3),
        entry("b.jpg", [("cam", 0, [LEFT]), ("eigen-cam", None, [RIGHT])]),
        entry("c.jpg", [("cam", 0, [LEFT]), ("eigen-cam", None, [LEFT])]),
    )
    assert sentences[0] == (
        "The maps of cam and eigen-cam mark the same place on 2 of 3 images; they differ most on b.jpg, where the "
        "boxes of cam and eigen-cam overlap by 0 %."
    )
    assert sentences[1] == (
        "The network gives its first answer half of the probability or more on 2 of 3 images, and least on a.jpg (cat, "
        "30 %)."
    )


def test_one_image():
    sentences = said(entry("a.jpg", [("cam", 0, [LEFT]), ("grad-cam", 0, [WIDE])]))
    assert sentences == [
        "The maps of cam and grad-cam mark the same place on a.jpg: the boxes of cam and grad-cam overlap by 71 %.",
        "The network's first answer for a.jpg is cat, with a probability of 90 %.",
    ]


def test_of_several_classes_the_most_probable_one_counts():
    panels = [
        ("cam", 0, [LEFT]),
        ("grad-cam", 0, [RIGHT]),
        ("cam", 1, [LEFT]),
        ("grad-cam", 1, [LEFT]),
    ]
    (first, _) = said(entry("a.jpg", panels, classes=(0.1, 0.6)))
    assert first == (
        "The maps of cam and grad-cam for the most probable of the classes mark the same place on a.jpg: the boxes of "
        "cam and grad-cam overlap by 100 %."
    )


def test_empty_maps_and_one_method_are_not_compared():
    alone = said(entry("a.jpg", [("cam", 0, [LEFT]), ("fem", None, [])]))
    assert alone == ["The network's first answer for a.jpg is cat, with a probability of 90 %."]
    assert said() == []


def test_logits_that_are_not_finite_have_no_probability():
    assert said(entry("a.jpg", [("cam", 0, [LEFT])], None, (None,))) == []
