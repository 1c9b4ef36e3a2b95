"""Maps and boxes painted on images."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.base.seeds import generator
from figureground.maps.colour import colour_table
from figureground.maps.overlay import _check, colour_bar, draw_boxes, overlay
from figureground.maps.post_processing import normalise, resize


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 8, 10, generator=generator(5))


def maps() -> torch.Tensor:
    return torch.randn(2, 3, 4, generator=generator(6))


def slow_overlay(picture: torch.Tensor, values: torch.Tensor, table: torch.Tensor, share):
    result = torch.zeros(8, 10, 3, dtype=torch.uint8)
    for y in range(8):
        for x in range(10):
            level = round(float(values[y, x]) * 255)
            weight = share(level)
            for c in range(3):
                mixed = 255 * (1 - weight) * picture[c, y, x] + weight * table[level, c]
                result[y, x, c] = int(mixed + 0.5)
    return result


@pytest.mark.parametrize("by_value", [False, True])
def test_overlay_equals_its_slow_twin(by_value):
    painted = overlay(pictures(), maps(), alpha=0.4, alpha_by_value=by_value)
    values = resize(normalise(maps(), relu=True), (8, 10))
    for n in range(2):
        expected = slow_overlay(
            pictures()[n],
            values[n],
            colour_table("inferno"),
            lambda level: 0.4 * level / 255 if by_value else 0.4,
        )
        assert int((painted[n].int() - expected.int()).abs().max()) <= 1


def test_alpha_zero_shows_the_picture_and_alpha_one_the_map():
    picture = (255 * pictures()).round() / 255
    bare = overlay(picture, maps(), alpha=0.0)
    assert torch.equal(bare, (255 * picture).round().to(torch.uint8).movedim(1, -1))
    covered = overlay(picture, maps(), alpha=1.0)
    assert torch.equal(covered, overlay(1 - picture, maps(), alpha=1.0))


def test_alpha_by_value_leaves_places_without_evidence_as_they_were():
    scores = torch.tensor([[[0.0, 0.0, 5.0]]])
    picture = torch.full((1, 3, 1, 3), 0.2)
    painted = overlay(picture, scores, alpha=1.0, alpha_by_value=True)[0, 0]
    assert painted[0].tolist() == [51, 51, 51]
    assert torch.equal(painted[2], colour_table("inferno")[255])


def test_zero_has_the_middle_colour_of_a_diverging_map():
    scores = torch.tensor([[[-1.0, 0.0, 3.0]]])
    painted = overlay(
        torch.zeros(1, 3, 1, 3), scores, colour_map="blue-red", alpha=1.0, relu=False
    )[0, 0].int()
    assert int((painted[1] - 245).abs().max()) <= 3
    assert painted[0, 2] > painted[0, 0] + 20
    assert torch.equal(painted[2], colour_table("blue-red")[255].int())


@pytest.mark.parametrize("colour_map", ["inferno", "blue-red"])
@pytest.mark.parametrize("value", [0.0, 3.0, -2.0, float("nan"), float("inf")])
def test_blank_map_leaves_the_picture_grey_and_its_neighbour_painted(value, colour_map):
    scores = maps()
    scores[0] = value
    painted = overlay(pictures(), scores, colour_map=colour_map)
    red, green, blue = painted[0].unbind(-1)
    assert torch.equal(red, green)
    assert torch.equal(green, blue)
    luminance = (pictures()[0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    torch.testing.assert_close(red / 255, luminance, atol=0.003, rtol=0)
    assert torch.equal(painted[1], overlay(pictures()[1:], maps()[1:], colour_map=colour_map)[0])


def test_negative_map_is_blank_after_relu_and_painted_without():
    scores = -maps().abs() - 0.1
    painted = overlay(pictures(), scores)
    assert torch.equal(painted[..., 0], painted[..., 1])
    assert not torch.equal(overlay(pictures(), scores, relu=False), painted)


def test_grey_picture_is_painted_like_its_three_equal_channels():
    grey = pictures()[:, :1]
    scores = maps()
    scores[1] = 0
    assert torch.equal(overlay(grey, scores), overlay(grey.repeat(1, 3, 1, 1), scores))


def test_pictures_too_large_to_be_painted_together_come_out_the_same():
    large = torch.rand(3, 1, 400, 500, generator=generator(7))
    scores = torch.rand(3, 2, 2, generator=generator(8))
    together = overlay(large, scores)
    for n in range(3):
        assert torch.equal(together[n], overlay(large[n : n + 1], scores[n : n + 1])[0])


def test_inputs_are_not_changed():
    images, scores = pictures(), maps()
    scores[0] = 0
    before = images.clone(), scores.clone()
    overlay(images, scores, alpha_by_value=True)
    assert torch.equal(images, before[0])
    assert torch.equal(scores, before[1])


def test_empty_batch_gives_an_empty_result():
    assert overlay(torch.zeros(0, 3, 8, 10), torch.zeros(0, 3, 4)).shape == (0, 8, 10, 3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"alpha": 1.5}, OptionError, "between 0 and 1, got 1.5"),
        ({"alpha": float("nan")}, OptionError, "between 0 and 1, got nan"),
        ({"colour_map": "inferna"}, OptionError, "closest: 'inferno'"),
    ],
)
def test_bad_option_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        overlay(pictures(), maps(), **options)


def test_different_numbers_of_images_and_maps_are_refused():
    # the inner check: under test, the annotations of the public function refuse it even earlier
    with pytest.raises(ShapeError, match="2 images but 1 maps"):
        _check(pictures(), maps()[:1], 0.5)


def test_images_with_four_channels_are_refused():
    with pytest.raises(ShapeError, match="1 or 3 channels, got 4"):
        overlay(torch.rand(2, 4, 8, 10), maps())


def slow_frame(box: tuple[int, int, int, int], width: int) -> torch.Tensor:
    x0, y0, x1, y1 = box
    inked = torch.zeros(8, 10, dtype=torch.bool)
    for y in range(max(y0, 0), min(y1, 8)):
        for x in range(max(x0, 0), min(x1, 10)):
            inked[y, x] = min(x - x0, x1 - 1 - x, y - y0, y1 - 1 - y) < width
    return inked


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("box", [(1, 2, 9, 7), (-3, -4, 6, 20), (0, 0, 10, 8), (4, 4, 4, 6)])
def test_box_is_drawn_inside_its_edges_and_clipped_to_the_picture(box, width):
    canvas = torch.full((8, 10, 3), 7, dtype=torch.uint8)
    framed = draw_boxes(canvas, torch.tensor([box]).float(), colour="#0A14ff", width=width)
    inked = slow_frame(box, width)
    assert torch.equal(
        framed[inked], torch.tensor([[10, 20, 255]]).expand(int(inked.sum()), 3).byte()
    )
    assert bool((framed[~inked] == 7).all())
    assert bool((canvas == 7).all())


def test_no_boxes_leave_the_picture_as_it_was():
    canvas = torch.arange(8 * 10 * 3).reshape(8, 10, 3).byte()
    assert torch.equal(draw_boxes(canvas, torch.zeros(0, 4)), canvas)


@pytest.mark.parametrize("colour", ["red", "#12345", "#12345g", "123456", "#1234567", "#12 456"])
def test_colour_that_is_not_hexadecimal_is_refused(colour):
    with pytest.raises(OptionError, match="'#rrggbb'"):
        draw_boxes(torch.zeros(8, 10, 3).byte(), torch.zeros(1, 4), colour=colour)


def test_line_without_width_is_refused():
    with pytest.raises(OptionError, match="at least 1 pixel"):
        draw_boxes(torch.zeros(8, 10, 3).byte(), torch.zeros(1, 4), width=0)


def test_box_with_nan_is_refused():
    with pytest.raises(ShapeError, match="NaN or infinity"):
        draw_boxes(torch.zeros(8, 10, 3).byte(), torch.full((1, 4), float("nan")))


def test_colour_bar_runs_from_the_highest_value_to_the_lowest():
    bar = colour_bar(256, "viridis", width=3)
    assert torch.equal(bar, colour_table("viridis").flip(0).unsqueeze(1).expand(-1, 3, -1))
    assert torch.equal(colour_bar(1, "viridis", width=1)[0, 0], colour_table("viridis")[255])


def test_colour_bar_without_pixels_is_refused():
    with pytest.raises(ShapeError, match="0 x 16 pixels"):
        colour_bar(0)
