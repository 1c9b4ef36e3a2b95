"""Maps become images and boxes, part of a batch by part."""

from dataclasses import replace

import pytest
import torch

from figureground.maps import resize
from figureground.maps.boxes import largest_component_box
from figureground.methods import Explainer, Explanation
from figureground.methods.plan import ExplanationProblem
from figureground.models import Classifier
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.explain.painting import Canvas, painted, painted_alone
from figureground.studies.explain.panels import panels_of, stacks_of

METHODS = ["cam", "eigen-cam", "dff", "cnn-fixations"]


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 3, 24, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def explanation(classifier: Classifier, images: torch.Tensor) -> Explanation:
    return Explainer(classifier)(images, [0, 2], METHODS)


SIZE = (24, 32)


@pytest.mark.parametrize(
    "drawing", [ExplainOptions(), ExplainOptions(colour_map="jet", alpha_by_value=True)]
)
def test_panels_are_painted_as_the_overlays_of_the_explanation(
    explanation: Explanation, drawing: ExplainOptions
):
    (panels, *_) = panels_of(stacks_of(explanation), SIZE, 0.2, first=0, count=5)
    canvas = Canvas(explanation.images[:1], None)
    drawn = {(one.method, one.position): painted(one, canvas, drawing) for one in panels}
    assert list(drawn) == [
        ("cam", 0), ("cam", 1), ("eigen-cam", None), ("dff", None),
        ("cnn-fixations", 0), ("cnn-fixations", 1),
    ]  # fmt: skip
    for (method, position), image in drawn.items():
        if method != "dff":
            ours = explanation.overlay(
                method, colour_map=drawing.colour_map, alpha_by_value=drawing.alpha_by_value
            )
            assert (image == ours[0, position or 0].numpy()).all()


def test_opacity_and_contours_are_painted(explanation: Explanation):
    (panels, *_) = panels_of(stacks_of(explanation), SIZE, 0.2, first=0, count=1)
    canvas = Canvas(explanation.images[:1], None)
    plain = painted(panels[0], canvas, ExplainOptions(opacity=0.0))
    assert (plain == canvas.picture).all()
    alone = painted_alone(panels[0], canvas, "inferno")
    assert (painted(panels[0], canvas, ExplainOptions(opacity=1.0)) == alone).all()
    lined = painted(panels[0], canvas, ExplainOptions(opacity=0.0, contour=0.5))
    changed = (lined != plain).any(-1)
    assert changed.any()
    assert (lined[changed] == 255).all()


def test_a_small_canvas_shows_the_same_place():
    pixels = torch.zeros(1, 3, 90, 120)
    pixels[..., 30:60, 40:80] = 1
    small = Canvas(pixels, (20.0, 0.0, 110.0, 90.0)).reduced(40)
    assert small.pixels.shape == (1, 3, 30, 40)
    assert (small.pixels[..., 10:20, 14:26] == 1).all()
    assert small.window is not None
    assert small.window == pytest.approx((20 / 3, 0, 110 / 3, 30))
    assert small.reduced(40) is small


@pytest.mark.parametrize("fraction", [0.2, 0.9])
def test_boxes_surround_the_largest_region_of_the_resized_map(
    fraction: float, explanation: Explanation
):
    maps = explanation.map_of("cam")
    assert ExplainOptions().box_fraction == 0.2
    panels = panels_of(stacks_of(explanation), SIZE, fraction, first=0, count=5)
    for image, mine in enumerate(panels):
        for panel in mine[:2]:
            if panel.problem is None and panel.position is not None:
                large = resize(maps[image, panel.position].relu(), (24, 32))
                expected = largest_component_box(large, threshold_fraction=fraction)
                assert panel.box is not None
                assert torch.equal(panel.box, expected)
        assert mine[3].box is None


def test_a_part_of_a_batch_looks_as_in_the_whole(
    classifier: Classifier, explanation: Explanation, images: torch.Tensor
):
    with torch.no_grad():
        explanation.map_of("cam")[3, 1] = 0
    explanation = replace(
        explanation, problems=Explainer(classifier)(images * 0, 1, "cam").problems
    )
    stacks = stacks_of(explanation)
    whole = panels_of(stacks, SIZE, 0.2, first=0, count=5)
    part = panels_of(stacks, SIZE, 0.2, first=2, count=2)
    assert part[0][3].largest is not None
    for ours, theirs in zip(part, whole[2:4], strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.problem == other.problem
            assert (one.box is None) == (other.box is None)
            assert torch.equal(one.maps, other.maps)
            if one.largest is not None and other.largest is not None:
                assert torch.equal(one.largest, other.largest)


def test_problems_follow_their_maps(classifier: Classifier, images: torch.Tensor):
    with torch.no_grad():
        list(classifier.parameters())[4].fill_(0)  # no class depends on anything
    stacks = stacks_of(Explainer(classifier)(images, [0], ["grad-cam", "eigen-cam"]))
    panels = panels_of(stacks, SIZE, 0.2, first=3, count=2)
    for grad_cam, eigen_cam in panels:
        assert grad_cam.problem is not None
        assert grad_cam.box is None
        assert eigen_cam.problem is None
        assert eigen_cam.box is not None


def test_layers_are_named_as_their_owner_knows_them(classifier: Classifier, images: torch.Tensor):
    explainer = Explainer(classifier, layer=["network.1", "network.3"])
    stacks = stacks_of(explainer(images, [0], ["grad-cam", "cnn-fixations"]))
    named = [(stack.method, stack.layer) for stack in stacks]
    assert named == [("grad-cam", "1"), ("grad-cam", "3"), ("cnn-fixations", "all layers")]
    fused = Explainer(classifier, layer=["network.1", "network.3"], fuse="max")
    assert [stack.layer for stack in stacks_of(fused(images, [0], "grad-cam"))] == ["1 + 3"]


def test_a_fused_map_that_shows_nothing_is_a_problem(classifier: Classifier, images: torch.Tensor):
    with torch.no_grad():
        list(classifier.parameters())[3].fill_(-100.0)  # the second layer is dead
    fused = Explainer(classifier, layer=["1", "3"], fuse="product")
    (stack,) = stacks_of(fused(images, [0], "grad-cam"))
    assert set(stack.problems) == {(image, 0) for image in range(5)}


def test_methods_that_look_the_same_say_so(classifier: Classifier, images: torch.Tensor):
    methods = ["cam", "grad-cam", "eigen-cam", "hires-cam", "grad-cam++", "xgrad-cam"]
    stacks = stacks_of(Explainer(classifier)(images, [0, 2], methods))
    for mine in panels_of(stacks, SIZE, 0.2, first=0, count=5):
        same = {one.method: one.same_as for one in mine}
        assert same["grad-cam"] == same["hires-cam"] == same["xgrad-cam"] == "cam"
        assert same["cam"] is None
        assert same["eigen-cam"] is None
        assert same["grad-cam++"] is None
    with torch.no_grad():
        stacks[1].maps[3, 1] = stacks[1].maps[3, 1].flip(-1)  # one class of one image differs
    panels = panels_of(stacks, SIZE, 0.2, first=2, count=2)
    assert [one.same_as for one in panels[0] if one.method == "grad-cam"] == ["cam", "cam"]
    assert [one.same_as for one in panels[1] if one.method == "grad-cam"] == [None, None]


def test_a_map_that_shows_a_part_is_drawn_alone_and_boxed_and_a_blank_one_is_not(
    explanation: Explanation,
):
    kinds = ("incomplete", "zero")
    problems = [
        ExplanationProblem("cam", explanation.layers[0].name, at, 0, kind, "")
        for at, kind in enumerate(kinds)
    ]
    found = replace(explanation, problems=tuple(problems))
    panels = panels_of(stacks_of(found), SIZE, 0.2, first=0, count=2)
    part, blank = (next(one for one in some if one.method == "cam") for some in panels)
    assert part.problem is not None
    assert part.box is not None
    assert blank.box is None
    canvas = Canvas(explanation.images[:1], None)
    assert painted_alone(part, canvas, "inferno") is not None
    assert painted_alone(blank, canvas, "inferno") is None
